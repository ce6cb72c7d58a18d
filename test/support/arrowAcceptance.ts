/**
 * The real client with an Arrow table over a scripted Flight server, on the virtual clock of tests.
 */
import { assert } from "@effect/vitest"
import {
  Field,
  Int32,
  LargeUtf8,
  RecordBatchStreamWriter,
  Schema,
  type Table,
  tableFromArrays,
  tableFromIPC
} from "apache-arrow"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { ArrowTable } from "../../src/arrow/index.ts"
import { HeadersProvider } from "../../src/HeadersProvider.ts"
import type { StreamConfigurationOptions } from "../../src/StreamConfigurationOptions.ts"
import * as MemoryTransport from "../../src/testing/MemoryTransport.ts"
import { Zerobus, type ZerobusShape } from "../../src/Zerobus.ts"
import type { StreamFailure } from "../../src/ZerobusError.ts"
import type { ZerobusStream } from "../../src/ZerobusStream.ts"
import { CountingProvider } from "./acceptance.ts"
import { type FlightScript, ScriptedFlight } from "./scriptedFlight.ts"

export const schema = new Schema([
  new Field("n", new Int32(), true),
  new Field("text", new LargeUtf8(), true)
])

/** A table of numbers and strings. */
export const table = ArrowTable.make("main.default.readings", schema, { compression: "none" })

/** A batch of `rows` rows, numbered from `from`. */
export const batch = (from: number, rows: number): Table =>
  tableFromArrays({
    n: Int32Array.from({ length: rows }, (_, row) => from + row),
    text: Array.from({ length: rows }, (_, row) => `row ${from + row}`)
  })

/** The numbers of the rows of a record, or of what a server received. */
export const numbersOf = (record: ArrowTable.ArrowRecord): ReadonlyArray<number> => {
  if (record instanceof Uint8Array) return assert.fail("bytes came back instead of a table")
  return [...(record.getChild("n") ?? [])].map(Number)
}

/** An IPC stream with the batches of these tables. */
export const ipcOf = (...tables: ReadonlyArray<Table>): Uint8Array => {
  const writer = new RecordBatchStreamWriter()
  writer.reset(undefined, (tables[0] ?? batch(0, 1)).schema)
  for (const one of tables) for (const part of one.batches) writer.write(part)
  writer.finish()
  return writer.toUint8Array(true)
}

/** The table in the bytes of an IPC stream. */
export const readIpc = (bytes: Uint8Array): Table => tableFromIPC(bytes)

/** Numbers from `from` on. */
export const numbers = (from: number, count: number): ReadonlyArray<number> =>
  Array.from({ length: count }, (_, n) => from + n)

/** The parts of a client and its server that a test uses. */
export interface Parts {
  readonly server: ScriptedFlight
  readonly zerobus: ZerobusShape
  readonly provider: CountingProvider
}

/** A client on a scripted Flight server. Protocol violations of the client fail the test. */
export const client = (
  ...scripts: ReadonlyArray<FlightScript>
): Effect.Effect<Parts, never, Scope.Scope> =>
  Effect.gen(function* () {
    const server = new ScriptedFlight(scripts)
    const provider = new CountingProvider()
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => assert.deepStrictEqual(server.violations, []))
    )
    const context = yield* Layer.build(
      Zerobus.layerNoDeps.pipe(
        Layer.provide([
          MemoryTransport.layer(server.serve),
          Layer.succeed(HeadersProvider, provider.shape)
        ])
      )
    )
    return { server, zerobus: Context.get(context, Zerobus), provider }
  })

/** Options for tests: nothing is flushed when the test's scope closes a stream. */
export const testOptions = {
  scopeCloseTimeout: 0,
  onUnacked: () => Effect.void,
  recoveryBackoff: 10
} satisfies StreamConfigurationOptions

/** An open stream of the table. */
export const open = (
  options: StreamConfigurationOptions<ArrowTable.ArrowRecord>,
  ...scripts: ReadonlyArray<FlightScript>
): Effect.Effect<
  Parts & { readonly stream: ZerobusStream<ArrowTable.ArrowRecord> },
  StreamFailure,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const parts = yield* client(...scripts)
    const stream = yield* parts.zerobus.createStream(table, { ...testOptions, ...options })
    return { ...parts, stream }
  })

/** A server that is ready and acknowledges nothing. It ends a call after the half-close. */
export const silent: FlightScript = { onFrame: () => {} }
