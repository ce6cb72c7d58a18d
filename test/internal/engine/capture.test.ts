/**
 * The effects among a stream's options run with the services of the place where they were given,
 * whichever fiber runs them.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Schedule, Scope, Stream } from "effect"
import {
  type AckError,
  HeadersProvider,
  type StreamConfigurationOptions,
  Zerobus
} from "effect-zerobus"
import * as MemoryTransport from "../../../src/testing/MemoryTransport.ts"
import * as A from "../../support/acceptance.ts"
import { scriptedGrpc } from "../../support/scriptedGrpc.ts"
import { code, type Script, ScriptedServer } from "../../support/scriptedServer.ts"

class Place extends Context.Service<Place, string>()("test/Place") {}

/** A server that refuses every record. */
const refusing: Script = { onMessage: (connection) => connection.fail(code.INVALID_ARGUMENT) }

/** Options whose effects record the service that they find, and the recorded values. */
const noting = () => {
  const seen: Array<string> = []
  const note = (what: string) =>
    Effect.flatMap(Place, (place) => Effect.sync(() => void seen.push(`${what} at ${place}`)))
  const options = {
    batching: "off",
    scopeCloseTimeout: 0,
    recoverySchedule: Schedule.spaced(10),
    beforeOpen: note("before"),
    headersProvider: HeadersProvider.make({
      getHeaders: Effect.as(note("headers"), { authorization: "t" }),
      invalidate: note("invalidate")
    }),
    onRefused: () => note("refused"),
    onUnacked: () => note("unacked")
  } satisfies StreamConfigurationOptions<any, Place>
  return { options, seen }
}

describe("the effects of a stream's options", () => {
  it.effect(
    "have the services of the place where the stream is created, in whatever fiber they run",
    () =>
      Effect.gen(function* () {
        const { options, seen } = noting()
        const expired: Script = { onCreate: (connection) => connection.fail(code.UNAUTHENTICATED) }
        const { zerobus } = yield* A.client(expired, refusing, refusing, A.silent)
        const scope = yield* Scope.make()
        const stream = yield* zerobus
          .createStream(A.table, options)
          .pipe(Effect.provideService(Place, "home"), Scope.provide(scope))
        const elsewhere = Effect.provideService(Place, "elsewhere")
        yield* elsewhere(stream.ingestRecord(A.record(0)))
        yield* A.advance(50)
        yield* elsewhere(stream.ingestRecord(A.record(1)))
        yield* A.settle
        yield* elsewhere(Scope.close(scope, Exit.void))
        assert.deepStrictEqual(
          [...new Set(seen)],
          [
            "before at home",
            "headers at home",
            "invalidate at home",
            "refused at home",
            "unacked at home"
          ]
        )
      })
  )

  it.effect("have those of the ended stream when it is recreated", () =>
    Effect.gen(function* () {
      const { options, seen } = noting()
      const { server, zerobus } = yield* A.client(A.silent)
      const scope = yield* Scope.make()
      const stream = yield* zerobus
        .createStream(A.table, { ...options, recovery: false })
        .pipe(Effect.provideService(Place, "home"))
      yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.cut()
      yield* A.settle
      yield* zerobus
        .recreateStream(stream)
        .pipe(Scope.provide(scope), Effect.provideService(Place, "elsewhere"))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(seen, [
        "before at home",
        "headers at home",
        "headers at home",
        "unacked at home"
      ])
    })
  )

  it.effect("of withStream and of a sink have those of the place that runs them", () =>
    Effect.gen(function* () {
      const { options, seen } = noting()
      const { zerobus } = yield* A.client({})
      yield* Effect.provideService(
        zerobus.withStream(A.table, options, () => Effect.void),
        Place,
        "with"
      )
      const sink = Stream.run(Stream.make(A.record(0)), zerobus.sink(A.table, options))
      yield* Effect.provideService(sink, Place, "sink")
      assert.deepStrictEqual(seen, [
        "before at with",
        "headers at with",
        "before at sink",
        "headers at sink"
      ])
    })
  )

  it.live(
    "have those of the layer when they are its defaults, and a stream's own those of the stream",
    () =>
      Effect.gen(function* () {
        const defaults = noting()
        const own = noting()
        const { port } = yield* scriptedGrpc(new ScriptedServer([A.silent]))
        const layer = Zerobus.layer({
          serverEndpoint: `http://127.0.0.1:${port}`,
          proxy: false,
          stream: defaults.options
        })
        const context = yield* Layer.build(layer).pipe(Effect.provideService(Place, "the layer"))
        const zerobus = Context.get(context, Zerobus)
        const use = Effect.gen(function* () {
          for (const given of [{}, { onUnacked: own.options.onUnacked }]) {
            yield* Effect.scoped(
              Effect.flatMap(zerobus.createStream(A.table, given), (stream) =>
                stream.ingestRecord(A.record(0))
              )
            )
          }
        })
        yield* Effect.provideService(use, Place, "the stream")
        assert.deepStrictEqual(
          [...new Set(defaults.seen)],
          ["before at the layer", "headers at the layer", "unacked at the layer"]
        )
        assert.deepStrictEqual(own.seen, ["unacked at the stream"])
      })
  )

  it.effect("belong to their own stream, even when a handler of another one opened it", () =>
    Effect.gen(function* () {
      const server = new ScriptedServer([refusing])
      const context = yield* Layer.build(
        Zerobus.layerNoDeps.pipe(
          Layer.provide([
            MemoryTransport.layer(server.serve),
            Layer.succeed(HeadersProvider, new A.CountingProvider().shape)
          ])
        )
      )
      const zerobus = Context.get(context, Zerobus)
      const options = {
        batching: "off",
        scopeCloseTimeout: 0,
        onUnacked: () => Effect.void
      } as const
      const outer = yield* Scope.Scope
      const found: Array<string> = []
      const stream = yield* zerobus.createStream(A.table, {
        ...options,
        onRefused: () =>
          Effect.gen(function* () {
            let flush: Effect.Effect<void, AckError> = Effect.void
            const ofOwnHandler = Effect.suspend(() =>
              Effect.map(Effect.flip(flush), ({ _tag }) => void found.push(_tag))
            )
            const inner = yield* zerobus
              .createStream(A.table, { ...options, onRefused: () => ofOwnHandler })
              .pipe(Scope.provide(outer))
            flush = inner.flush
            yield* inner.ingestRecord(A.record(1))
          })
      })
      yield* stream.ingestRecord(A.record(0))
      yield* A.until("the inner handler has run", () => found.length > 0)
      assert.strictEqual(found[0], "InvalidState")
    })
  )
})
