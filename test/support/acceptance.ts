/**
 * The harness of the acceptance tests: the real client over a scripted server, on the virtual clock
 * of the test.
 *
 * Nothing here waits for real time. `settle` runs ready fibers and deliveries, `advance` moves the
 * virtual clock and settles, and `started` runs a call in the background so that a test can check
 * whether it has ended.
 */
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { HeadersProvider, type HeadersProviderShape } from "../../src/HeadersProvider.ts"
import type { StreamConfigurationOptions } from "../../src/StreamConfigurationOptions.ts"
import * as TableProperties from "../../src/TableProperties.ts"
import * as MemoryTransport from "../../src/testing/MemoryTransport.ts"
import { Zerobus, type ZerobusShape } from "../../src/Zerobus.ts"
import type { StreamFailure } from "../../src/ZerobusError.ts"
import type { ZerobusStream } from "../../src/ZerobusStream.ts"
import { type Script, ScriptedServer } from "./scriptedServer.ts"

export const table = TableProperties.json("main.default.readings")

/** DescriptorProto of `message T { optional bytes payload = 1; }`. */
export const descriptor = Uint8Array.from([
  0x0a, 0x01, 0x54, 0x12, 0x0f, 0x0a, 0x07, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64, 0x18, 0x01,
  0x20, 0x01, 0x28, 0x0c
])
export const protoTable = TableProperties.proto("main.default.blobs", descriptor)

/** The text of a JSON record, by its number. */
export const record = (n: number): string => `{"n":${n}}`
export const recordsFrom = (from: number, count: number): Array<string> =>
  Array.from({ length: count }, (_, i) => record(from + i))

/** One turn of the event loop. */
export const turn: Effect.Effect<void> = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** Runs everything that is ready. */
export const settle: Effect.Effect<void> = Effect.gen(function* () {
  for (let i = 0; i < 40; i++) yield* turn
})

/**
 * Settles until the condition is true. Fails when it does not become true without moving the clock.
 * A disk may be slow, so it gives up only after 5,000 turns and 10 seconds.
 */
export const until = (what: string, condition: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    const end = performance.now() + 10_000
    for (let i = 0; i < 5000 || performance.now() < end; i++) {
      if (condition()) return
      yield* turn
    }
    assert.fail(`never happened: ${what}`)
  })

/**
 * Moves the virtual clock by whole milliseconds, in steps, so that timers started by other timers
 * run at their own time.
 */
export const advance = (
  millis: number,
  step = Math.max(1, Math.ceil(millis / 10))
): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* settle
    for (let left = millis; left > 0; left -= step) {
      yield* TestClock.adjust(Math.min(step, left))
      yield* settle
    }
  })

/** A call running in the background. */
export interface Running<A, E> {
  readonly done: () => boolean
  readonly exit: () => Exit.Exit<A, E> | undefined
  /** The result of a call that has ended. */
  readonly value: () => A
  /** The typed failure of a call that has ended. */
  readonly error: () => E
  readonly interrupt: Effect.Effect<void>
  readonly join: Effect.Effect<A, E>
}

/** Starts a call in the background and runs it as far as possible without moving the clock. */
export const started = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<Running<A, E>, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkScoped(effect, { startImmediately: true })
    yield* settle
    const ended = (): Exit.Exit<A, E> =>
      fiber.pollUnsafe() ?? assert.fail("the call is still running")
    return {
      done: () => fiber.pollUnsafe() !== undefined,
      exit: () => fiber.pollUnsafe(),
      value: () => {
        const exit = ended()
        return Exit.isSuccess(exit)
          ? exit.value
          : assert.fail(`the call failed: ${String(Cause.squash(exit.cause))}`)
      },
      error: () => failureOf(ended()),
      interrupt: Fiber.interrupt(fiber),
      join: Fiber.join(fiber)
    }
  })

/** The typed failure of an exit. */
export const failureOf = <A, E>(exit: Exit.Exit<A, E>): E => {
  if (Exit.isSuccess(exit)) return assert.fail("the call succeeded")
  const reason = exit.cause.reasons.find(Cause.isFailReason)
  return reason === undefined
    ? assert.fail(`no typed failure: ${Cause.pretty(exit.cause)}`)
    : (reason.error as E)
}

/** Checks the tag of an error and returns it with its type. */
export const tagged = <E extends { readonly _tag: string }, T extends E["_tag"]>(
  error: E,
  tag: T
): Extract<E, { readonly _tag: T }> => {
  assert.strictEqual(error._tag, tag, "message" in error ? String(error.message) : undefined)
  return error as Extract<E, { readonly _tag: T }>
}

/**
 * Credentials that count their use: `Bearer token-0`, `Bearer token-1`, ... with a new one after
 * each invalidation.
 */
export class CountingProvider {
  asked = 0
  invalidated = 0
  readonly tables: Array<string> = []
  readonly rejected: Array<string | undefined> = []
  readonly shape: HeadersProviderShape = HeadersProvider.make({
    getHeaders: (tableName) =>
      Effect.sync(() => {
        this.asked++
        this.tables.push(tableName)
        return { authorization: `Bearer token-${this.invalidated}` }
      }),
    invalidate: (tableName, headers) =>
      Effect.sync(() => {
        this.invalidated++
        this.tables.push(tableName)
        this.rejected.push(headers["authorization"])
      })
  })
}

/** A client on a scripted server. Protocol violations of the client fail the test when it ends. */
export const client = (
  ...scripts: ReadonlyArray<Script>
): Effect.Effect<
  {
    readonly server: ScriptedServer
    readonly zerobus: ZerobusShape
    readonly provider: CountingProvider
  },
  never,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const server = new ScriptedServer(scripts)
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

/** Options for tests: nothing is flushed when the test's scope closes an open stream. */
const testOptions = {
  scopeCloseTimeout: 0,
  onUnacked: () => Effect.void
} satisfies StreamConfigurationOptions

/** An open JSON stream on a scripted server. */
export const open = (
  options: StreamConfigurationOptions<TableProperties.JsonRecord>,
  ...scripts: ReadonlyArray<Script>
): Effect.Effect<
  {
    readonly server: ScriptedServer
    readonly zerobus: ZerobusShape
    readonly provider: CountingProvider
    readonly stream: ZerobusStream<TableProperties.JsonRecord>
  },
  StreamFailure,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const { provider, server, zerobus } = yield* client(...scripts)
    const stream = yield* zerobus.createStream(table, { ...testOptions, ...options })
    return { server, zerobus, provider, stream }
  })

/**
 * A server that accepts streams and acknowledges nothing. It ends a call after the client's
 * half-close.
 */
export const silent: Script = { onMessage: () => {} }

/** A server that refuses streams with a status. */
export const refusing = (status: number, message = "refused by script"): Script => ({
  onCreate: (connection) => connection.fail(status, message)
})
