/**
 * Code that runs during sending may call into the stream again. Wire offsets and the order of
 * records do not change.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Metric, Scheduler } from "effect"
import { HeadersProvider, Zerobus, type ZerobusStream } from "effect-zerobus"
import * as MemoryTransport from "../../../src/testing/MemoryTransport.ts"
import * as A from "../../support/acceptance.ts"
import { code, type Script, ScriptedServer } from "../../support/scriptedServer.ts"

/** A network that delivers within the call. */
const atOnce: MemoryTransport.MemoryNetwork = { carry: (_, __, arrive) => arrive() }

/** From `arm` on, a scheduler that runs tasks within the call that schedules them. */
const eager = () => {
  let armed = false
  const inner = new Scheduler.MixedScheduler()
  const scheduler: Scheduler.Scheduler = {
    executionMode: "async",
    shouldYield: (fiber) => inner.shouldYield(fiber),
    makeDispatcher: () => {
      const dispatcher = inner.makeDispatcher()
      return {
        scheduleTask: (task, priority) =>
          armed ? task() : dispatcher.scheduleTask(task, priority),
        flush: () => dispatcher.flush()
      }
    }
  }
  return { arm: () => void (armed = true), scheduler }
}

const client = (network: MemoryTransport.MemoryNetwork, ...scripts: ReadonlyArray<Script>) =>
  Effect.gen(function* () {
    const server = new ScriptedServer(scripts)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => assert.deepStrictEqual(server.violations, []))
    )
    const provider = new A.CountingProvider()
    const context = yield* Layer.build(
      Zerobus.layerNoDeps.pipe(
        Layer.provide([
          MemoryTransport.layer(server.serve, network),
          Layer.succeed(HeadersProvider, provider.shape)
        ])
      )
    )
    return { server, zerobus: Context.get(context, Zerobus) }
  })

const options = {
  batching: "off",
  recovery: false,
  scopeCloseTimeout: 0,
  flushTimeout: 2_000
} as const

describe("sending", () => {
  it.live("accepts responses that a server sends within the call", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* client(atOnce)
      const stream = yield* zerobus.createStream(A.table, options)
      for (let n = 0; n < 50; n++) {
        const ack = yield* stream.ingestRecord(A.record(n))
        if (n % 7 === 0) yield* ack.await
      }
      yield* stream.flush
      assert.deepStrictEqual(server.records, A.recordsFrom(0, 50))
      assert.strictEqual(server.connections.length, 1)
    }).pipe(Effect.scoped)
  )

  for (const [name, network] of [
    ["later", MemoryTransport.immediate],
    ["within the call", atOnce]
  ] as const) {
    it.live(
      `keeps the order when sending runs at once and metrics of the program ingest, answers ` +
        `come ${name}`,
      () =>
        Effect.gen(function* () {
          const { server, zerobus } = yield* client(network)
          const { arm, scheduler } = eager()
          const offsets = new Map<number, string>()
          const given: { stream?: ZerobusStream<any> } = {}
          let next = 100
          const registry = new Map<string, Metric.Metric.Metadata<any, any>>()
          const { get } = registry
          registry.get = (key) => {
            if (given.stream !== undefined && next < 130) {
              const record = A.record(next++)
              const ack = given.stream.offerUnsafe(record)
              if (ack !== undefined) offsets.set(ack.offset, record)
            }
            return get.call(registry, key)
          }
          const stream = yield* zerobus
            .createStream(A.table, options)
            .pipe(
              Effect.provideService(Metric.MetricRegistry, registry as never),
              Effect.provideService(Scheduler.Scheduler, scheduler)
            )
          arm()
          given.stream = stream
          for (let n = 0; n < 20; n++) {
            const ack = yield* stream.ingestRecord(A.record(n))
            offsets.set(ack.offset, A.record(n))
          }
          // Acknowledgements update metrics, whose hooks ingest.
          while (server.records.length < offsets.size) yield* stream.flush
          const order = [...offsets].toSorted(([a], [b]) => a - b).map(([, record]) => record)
          assert.deepStrictEqual(server.records, order)
          assert.strictEqual(server.connections.length, 1)
        }).pipe(Effect.scoped)
    )
  }

  it.live("leaves records to the next session when a server ends this one within the call", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* client(
        { carry: (_, call, arrive) => void (call === 0 ? arrive() : setImmediate(arrive)) },
        {
          onMessage: (connection, { wireOffset }) =>
            wireOffset === 1 ? connection.fail(code.INVALID_ARGUMENT) : undefined
        },
        {}
      )
      const stream = yield* zerobus.createStream(A.table, {
        ...options,
        recovery: true,
        recoveryBackoff: 0
      })
      for (let n = 0; n < 6; n++) stream.offerUnsafe(A.record(n))
      yield* stream.flush
      assert.deepStrictEqual(
        server.connections.map(({ records }) => records),
        [A.recordsFrom(0, 2), A.recordsFrom(0, 6)]
      )
    }).pipe(Effect.scoped)
  )

  it.live("keeps the order when a resumed waiter ingests at once", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* client(atOnce)
      const { arm, scheduler } = eager()
      const stream = yield* zerobus
        .createStream(A.table, options)
        .pipe(Effect.provideService(Scheduler.Scheduler, scheduler))
      arm()
      const order: Array<[number, string]> = []
      const chain = (name: number, left: number): Effect.Effect<void, unknown> =>
        Effect.gen(function* () {
          for (let n = 0; n < left; n++) {
            const record = A.record(name * 100 + n)
            const ack = yield* stream.ingestRecord(record)
            order.push([ack.offset, record])
            yield* ack.await
          }
        })
      const fibers = yield* Effect.forEach([1, 2, 3, 4], (name) =>
        Effect.forkChild(chain(name, 20))
      )
      for (const fiber of fibers) assert.isTrue(Exit.isSuccess(yield* Fiber.await(fiber)))
      assert.deepStrictEqual(
        server.records,
        order.toSorted(([a], [b]) => a - b).map(([, record]) => record)
      )
    }).pipe(Effect.scoped)
  )
})
