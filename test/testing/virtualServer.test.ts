/**
 * The server without sockets, on the test's clock: the same seed gives the same trace, latencies
 * are as configured, and traces can be replayed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Queue, Random } from "effect"
import { TableProperties, Transport, Zerobus } from "effect-zerobus"
import { Faults, Latency, ZerobusVirtual, type ZerobusVirtualOptions } from "effect-zerobus/testing"
import { TestClock } from "effect/testing"
import * as MemoryTransport from "../../src/testing/MemoryTransport.ts"

const table = TableProperties.json("main.default.orders")
const slow = Latency.uniform("1 millis", "30 millis")

type Line = Readonly<Record<string, unknown>> & { readonly event: string; readonly t: number }
const linesOf = (trace: string) =>
  trace
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line)

/** Ingests a number of records, one message each, with the faults of `prepare`, in virtual time. */
const run = (
  options: ZerobusVirtualOptions,
  prepare: (virtual: ZerobusVirtual["Service"]) => Effect.Effect<unknown, unknown>,
  total = 40
) =>
  Effect.gen(function* () {
    const virtual = yield* ZerobusVirtual
    yield* virtual.createTable("main.default.orders(id BIGINT)")
    yield* prepare(virtual)
    const ingesting = yield* Effect.forkChild(
      Zerobus.use((zerobus) =>
        zerobus.withStream(table, { batching: "off", recoveryBackoff: "50 millis" }, (stream) =>
          Effect.forEach(
            Array.from({ length: total }, (_, id) => ({ id })),
            (record) => Effect.andThen(Effect.sleep("3 millis"), stream.ingestRecord(record)),
            { discard: true }
          )
        )
      )
    )
    yield* TestClock.adjust("10 minutes")
    yield* Fiber.join(ingesting)
    return {
      audit: yield* virtual.audit(table),
      trace: yield* virtual.trace,
      rows: yield* virtual.records(table)
    }
  }).pipe(Random.withSeed("virtual"), Effect.provide(ZerobusVirtual.layer(options)))

const scripted = (virtual: ZerobusVirtual["Service"]) =>
  virtual.inject(
    table,
    Faults.ackLatency(Latency.exponential("20 millis"), { seed: 3 }),
    Faults.disconnect({ offset: 7, connection: 1, at: "durable" }),
    Faults.reject({ status: "UNAVAILABLE", connection: 2 }),
    Faults.delay("message", "15 millis", { offset: 4, connection: 3 }),
    Faults.closeSignal({ offset: 9, connection: 3, duration: "40 millis" }),
    Faults.badAck("repeated", { nth: 2, connection: 4 })
  )

describe("a virtual server", () => {
  it.effect("gives the same trace for the same seed, and another for another", () =>
    Effect.gen(function* () {
      const one = yield* run({ seed: 5, latency: slow, syncLatency: slow }, scripted, 100)
      const again = yield* run({ seed: 5, latency: slow, syncLatency: slow }, scripted, 100)
      const other = yield* run({ seed: 6, latency: slow, syncLatency: slow }, scripted, 100)
      assert.strictEqual(one.audit.connections, 4)
      assert.deepInclude(one.audit, {
        distinctRecords: 100,
        ackedButMissing: 0,
        unexplainedDuplicates: 0
      })
      const faults = linesOf(one.trace).filter(({ event }) => event === "fault")
      assert.strictEqual(faults.length, 5)
      assert.strictEqual(again.trace, one.trace)
      assert.notStrictEqual(other.trace, one.trace)
    })
  )

  it.effect("lets no latency change the order of what arrives", () =>
    Effect.gen(function* () {
      const { rows, trace } = yield* run({ latency: slow, syncLatency: slow }, () => Effect.void)
      assert.deepStrictEqual(
        rows.map((row) => Number(row["id"])),
        Array.from({ length: 40 }, (_, id) => id)
      )
      const acks = linesOf(trace).filter(({ event }) => event === "ack")
      assert.deepStrictEqual(
        acks.map(({ offset }) => Number(offset)),
        acks.map(({ offset }) => Number(offset)).sort((a, b) => a - b)
      )
      assert.strictEqual(acks.at(-1)?.["offset"], 39)
    })
  )

  it.effect("has no traces of payloads", () =>
    Effect.gen(function* () {
      const { trace } = yield* run({}, scripted)
      assert.notMatch(trace, /virtual-\d|Bearer|authorization|"id"/)
    })
  )

  it.effect("refuses an expired token, and takes a fresh one", () =>
    Effect.gen(function* () {
      const { audit } = yield* run({}, (virtual) =>
        virtual.inject(table, Faults.expireToken({ offset: 5 }))
      )
      assert.strictEqual(audit.perConnection[0]?.ended, "status 16")
      assert.deepInclude(audit, { connections: 2, distinctRecords: 40, ackedButMissing: 0 })
    })
  )
})

describe("the transport without sockets", () => {
  it.effect("copies what it carries, so that both ends may use their buffers again", () =>
    Effect.gen(function* () {
      const received: Array<Uint8Array> = []
      const server: MemoryTransport.MemoryServer = (_, peer) => {
        const answer = Buffer.from([4, 5, 6])
        peer.write(answer)
        answer.fill(0)
        return {
          receive: (bytes) => void received.push(bytes),
          halfClosed: () => peer.finish(undefined),
          cancelled: () => {}
        }
      }
      const network = yield* MemoryTransport.seeded({ latency: Latency.constant("5 millis") })
      const call = yield* Effect.flatMap(Transport, (transport) => transport.open({})).pipe(
        Effect.provide(MemoryTransport.layer(server, network))
      )
      const request = Buffer.from([1, 2, 3])
      call.sendUnsafe(request)
      request.fill(0)
      yield* TestClock.adjust("5 millis")
      assert.deepStrictEqual(
        received.map((bytes) => [...bytes]),
        [[1, 2, 3]]
      )
      assert.deepStrictEqual([...(yield* Queue.take(call.responses))], [4, 5, 6])
    })
  )
})

/**
 * The parts of a trace that a replay guarantees: faults, messages and acknowledgements in order,
 * without times.
 */
const story = (trace: string) =>
  linesOf(trace)
    .filter(
      ({ event }) => event === "fault" || event === "ack" || event === "end" || event === "message"
    )
    .map(({ t: _, ...line }) => line)

describe("a replayed trace", () => {
  const cases: ReadonlyArray<readonly [title: string, faults: ReadonlyArray<Faults.Fault>]> = [
    ["without faults", []],
    ["cut between durable and acknowledged", [Faults.disconnect({ at: "durable", offset: 7 })]],
    ["cut instead of an acknowledgement", [Faults.disconnect({ at: "ack", offset: 7 })]],
    ["with acknowledgements left out", [{ at: "ack", nth: 3, times: 4, action: { _tag: "Skip" } }]],
    [
      "with wrong acknowledgements",
      [Faults.badAck("repeated", { nth: 3 }), Faults.badAck("lower", { nth: 5 })]
    ],
    ["with a message that waits", [Faults.delay("message", "200 millis", { offset: 6 })]],
    ["with an acknowledgement that waits", [Faults.delay("ack", "200 millis", { offset: 6 })]],
    [
      "with records that wait to be durable",
      [Faults.delay("durable", "200 millis", { offset: 6 })]
    ],
    [
      "with a close signal and its acknowledgement",
      [Faults.closeSignal({ withAck: true, offset: 39 })]
    ],
    ["refused at first", [Faults.reject({ status: "INTERNAL", times: 2 })]],
    ["with a loss", [Faults.loseMessages({ offset: 6 })]],
    ["ended twice", [Faults.fail({ status: "ABORTED", offset: 5, times: 2 })]],
    ["held at the half-close", [Faults.delay("halfClose", "100 millis")]]
  ]
  for (const [title, faults] of cases) {
    it.effect(`happens again: ${title}`, () =>
      Effect.gen(function* () {
        const first = yield* run({ seed: 11, latency: slow, syncLatency: slow }, (virtual) =>
          virtual.inject(table, Faults.ackLatency(Latency.exponential("20 millis")), ...faults)
        )
        // Another disk latency, and no script except the trace.
        const second = yield* run({ seed: 11, latency: slow }, (virtual) =>
          virtual.replay(first.trace)
        )
        const struck = linesOf(first.trace).filter(({ event }) => event === "fault")
        if (faults.length > 0) assert.isAbove(struck.length, 0)
        assert.deepStrictEqual(story(second.trace), story(first.trace))
      })
    )
  }

  it.effect("ends well also when the client sends less than it did then", () =>
    Effect.gen(function* () {
      const close = Faults.closeSignal({ withAck: true, offset: 6, duration: "300 millis" })
      const first = yield* run({ seed: 11, latency: slow }, (virtual) =>
        virtual.inject(table, close)
      )
      const second = yield* run({ seed: 12 }, (virtual) => virtual.replay(first.trace), 20)
      assert.deepInclude(second.audit, { distinctRecords: 20, duplicates: 0, ackedButMissing: 0 })
      assert.include(second.trace, "AckAndClose")
    })
  )

  it.effect("is refused when it is none, or not whole", () =>
    Effect.gen(function* () {
      const virtual = yield* ZerobusVirtual
      for (const text of [
        "no JSON",
        '{"event":"ack"}',
        '{"t":1,"event":"fault","table":"a","connection":1}',
        "[]"
      ]) {
        const failure = yield* Effect.flip(virtual.replay(text))
        assert.strictEqual(failure._tag, "InvalidTrace")
        assert.match(failure.message, /line 1/)
      }
      const cut = yield* run({ traceEvents: 10 }, () => Effect.void)
      assert.strictEqual(linesOf(cut.trace).length, 11)
      assert.match((yield* Effect.flip(virtual.replay(cut.trace))).message, /traceEvents/)
      const none = yield* run({ traceEvents: 0 }, () => Effect.void)
      assert.strictEqual(none.trace, "")
    }).pipe(Effect.provide(ZerobusVirtual.layer()))
  )
})

describe("options", () => {
  it.effect("are refused by name", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(
        ZerobusVirtual.pipe(Effect.provide(ZerobusVirtual.layer({ traceEvents: -1 })))
      )
      assert.deepStrictEqual(failure.path, ["traceEvents"])
    })
  )
})
