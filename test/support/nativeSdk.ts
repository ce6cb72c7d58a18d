/**
 * The official native TypeScript SDK as the interop suite uses it: its calls as effects, its
 * failures as values.
 */
import { Data, Effect, Redacted, type Scope } from "effect"
import { createRequire } from "node:module"

/** A failure of the SDK. It throws plain errors, so only the message is available. */
export class NativeError extends Data.TaggedError("NativeError")<{ readonly message: string }> {}

interface RawStream {
  readonly ingestRecordOffset: (record: unknown) => Promise<bigint>
  readonly ingestRecordsOffset: (records: ReadonlyArray<unknown>) => Promise<bigint | null>
  readonly waitForOffset: (offset: bigint) => Promise<void>
  readonly flush: () => Promise<void>
  readonly close: () => Promise<void>
}

interface RawSdk {
  readonly createStream: (
    table: { readonly tableName: string; readonly descriptorProto?: string },
    clientId: string,
    clientSecret: string,
    options: Record<string, unknown>
  ) => Promise<RawStream>
}

interface RawModule {
  readonly ZerobusSdk: new (serverEndpoint: string, workspaceUrl: string) => RawSdk
  readonly RecordType: { readonly Json: number; readonly Proto: number }
}

const load = (): RawModule => {
  const path = process.env["NATIVE_SDK"]
  if (path === undefined)
    throw new Error("NATIVE_SDK is not set. Run this suite with: npm run test:interop")
  return createRequire(import.meta.url)(path) as RawModule
}

const call = <A>(run: () => Promise<A>): Effect.Effect<A, NativeError> =>
  Effect.tryPromise({
    try: run,
    catch: (error) =>
      new NativeError({ message: error instanceof Error ? error.message : String(error) })
  })

/** A stream of the SDK. */
export interface NativeStream {
  readonly ingest: (record: unknown) => Effect.Effect<bigint, NativeError>
  readonly ingestAll: (records: ReadonlyArray<unknown>) => Effect.Effect<bigint | null, NativeError>
  readonly waitFor: (offset: bigint) => Effect.Effect<void, NativeError>
  readonly flush: Effect.Effect<void, NativeError>
  readonly close: Effect.Effect<void, NativeError>
}

/**
 * Opens a stream of the SDK, which the scope closes. With a descriptor, its records are protobuf.
 */
export const openNative = Effect.fnUntraced(function* (options: {
  readonly serverEndpoint: string
  readonly workspaceUrl: string
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted<string>
  readonly tableName: string
  readonly descriptor?: Uint8Array
}): Effect.fn.Return<NativeStream, NativeError, Scope.Scope> {
  const native = load()
  const sdk = new native.ZerobusSdk(options.serverEndpoint, options.workspaceUrl)
  const { descriptor } = options
  const stream = yield* call(() =>
    sdk.createStream(
      {
        tableName: options.tableName,
        ...(descriptor === undefined
          ? {}
          : { descriptorProto: Buffer.from(descriptor).toString("base64") })
      },
      options.clientId,
      Redacted.value(options.clientSecret),
      {
        recordType: descriptor === undefined ? native.RecordType.Json : native.RecordType.Proto,
        recoveryBackoffMs: 50,
        recoveryRetries: 4
      }
    )
  )
  yield* Effect.addFinalizer(() => Effect.ignore(call(() => stream.close())))
  return {
    ingest: (record) => call(() => stream.ingestRecordOffset(record)),
    ingestAll: (records) => call(() => stream.ingestRecordsOffset(records)),
    waitFor: (offset) => call(() => stream.waitForOffset(offset)),
    flush: call(() => stream.flush()),
    close: call(() => stream.close())
  }
})
