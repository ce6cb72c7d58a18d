/**
 * Scripted acknowledgements: offsets, latencies, and combination with a close signal, as seen by a
 * raw call.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Faults, Latency, ZerobusLocal } from "effect-zerobus/testing"
import { latencyAt, makeSampler } from "../../src/local/faults/latency.ts"
import { openCreated, type RawStream } from "../support/rawStream.ts"

let tables = 0
const freshTable = Effect.gen(function* () {
  const local = yield* ZerobusLocal
  const table = `main.acks.t${tables++}`
  yield* local.createTable(`${table}(id BIGINT)`)
  return { local, table }
})
const send = (stream: RawStream, from: number, to: number) =>
  Effect.forEach(
    Array.from({ length: to - from }, (_, n) => from + n),
    (n) => stream.send({ ingestRecord: { offsetId: n, jsonRecord: `{"id":${n}}` } }),
    { discard: true }
  )
const ack = (stream: RawStream) =>
  Effect.map(stream.next, (response) => response.ingestRecordResponse?.durabilityAckUpToOffset)

layer(ZerobusLocal.layerServerMemory(), { excludeTestServices: true })(
  "a script of acknowledgements",
  (it) => {
    it.effect("sends exactly those it names, then all as usual", () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable
        yield* local.inject(table, Faults.ackAt([2, 7, 8]))
        const { stream } = yield* openCreated(local, table)
        yield* send(stream, 0, 10)
        yield* local.waitFor(table, "acked", 4)
        assert.deepStrictEqual(
          yield* Effect.all([ack(stream), ack(stream), ack(stream), ack(stream)]),
          [2, 7, 8, 9]
        )
        // The script does not apply to the next connection.
        const second = yield* openCreated(local, table)
        yield* send(second.stream, 0, 1)
        assert.strictEqual(yield* ack(second.stream), 0)
      })
    )

    it.effect("sends no other, when it asks for silence", () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable
        yield* local.inject(table, Faults.ackAt([2], { afterwards: "silence" }))
        const { stream } = yield* openCreated(local, table)
        yield* send(stream, 0, 10)
        assert.strictEqual(yield* ack(stream), 2)
        yield* local.waitFor(table, "durable", 10)
        assert.strictEqual(yield* local.count(table, "acked"), 1)
        assert.deepInclude(yield* local.audit(table), { durableRecords: 10, ackedRecords: 3 })
        yield* local.clearFaults(table)
        yield* send(stream, 10, 11)
        assert.strictEqual(yield* ack(stream), 10)
      })
    )

    it.effect("keeps all until the client half-closes, and that for a time", () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable
        yield* local.inject(
          table,
          Faults.ackAt([], { afterwards: "halfClose" }),
          Faults.delay("halfClose", "20 millis")
        )
        const { stream } = yield* openCreated(local, table)
        yield* send(stream, 0, 10)
        yield* local.waitFor(table, "durable", 10)
        assert.strictEqual(yield* local.count(table, "ack"), 0)
        yield* stream.halfClose
        yield* local.waitFor(table, "halfClose")
        assert.strictEqual(yield* local.count(table, "acked"), 0)
        assert.strictEqual(yield* ack(stream), 9)
        assert.strictEqual((yield* stream.end).code, 0)
      })
    )

    it.effect("holds at the offset it names, whatever came before", () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable
        yield* local.inject(table, { at: "ack", offset: 5, action: { _tag: "Hold" } })
        const { stream } = yield* openCreated(local, table)
        yield* send(stream, 0, 5)
        let last = yield* ack(stream)
        while (last !== 4) last = yield* ack(stream)
        yield* send(stream, 5, 8)
        yield* local.waitFor(table, "held")
        yield* local.waitFor(table, "durable", 8)
        assert.strictEqual((yield* local.audit(table)).ackedRecords, 5)
        yield* local.release(table)
        assert.strictEqual(yield* ack(stream), 7)
      })
    )

    it.effect("says in one message that everything is durable and that the stream ends", () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable
        yield* local.inject(
          table,
          Faults.closeSignal({ withAck: true, offset: 2, duration: "20 millis" })
        )
        const { stream } = yield* openCreated(local, table)
        yield* send(stream, 0, 3)
        yield* local.waitFor(table, "closeSignal")
        let last = yield* stream.next
        while (last.payload === "ingestRecordResponse") {
          assert.notStrictEqual(
            last.ingestRecordResponse?.durabilityAckUpToOffset,
            2,
            "not in a message of its own"
          )
          last = yield* stream.next
        }
        // Of two payloads in one message, the generated code returns the last.
        assert.isDefined(last.closeStreamSignal)
        assert.strictEqual((yield* local.audit(table)).ackedRecords, 3)
        assert.strictEqual((yield* stream.end).code, 14)
      })
    )

    it.effect("can speak before the stream is open", () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable
        yield* local.inject(
          table,
          Faults.badAck("future", { at: "create" }),
          Faults.hold("create", 1)
        )
        const opening = yield* Effect.forkChild(openCreated(local, table))
        yield* local.waitFor(table, "create")
        const { stream, streamId } = yield* Fiber.join(opening)
        assert.isUndefined(streamId)
        assert.isString((yield* stream.next).createStreamResponse?.streamId)
      })
    )

    it.effect(
      "lets each acknowledgement take its time, in order, and ends the stream after the last",
      () =>
        Effect.gen(function* () {
          const { local, table } = yield* freshTable
          yield* local.inject(table, Faults.ackLatency(Latency.uniform("5 millis", "40 millis")))
          const { stream } = yield* openCreated(local, table)
          yield* send(stream, 0, 20)
          yield* stream.halfClose
          assert.strictEqual((yield* stream.end).code, 0)
          const count = yield* local.count(table, "acked")
          const acks = yield* Effect.all(Array.from({ length: count }, () => ack(stream)))
          assert.deepStrictEqual(
            acks,
            [...acks].sort((a, b) => a! - b!)
          )
          assert.strictEqual(acks.at(-1), 19)
          assert.deepInclude(yield* local.audit(table), { ackedRecords: 20, ackedButMissing: 0 })
        })
    )
  }
)

describe("latencies", () => {
  const many = (latency: Latency.Latency, seed: number, stream = 1) => {
    const sample = makeSampler(latency, seed, stream)
    return Array.from({ length: 20_000 }, sample)
  }
  const mean = (values: ReadonlyArray<number>) =>
    values.reduce((sum, value) => sum + value, 0) / values.length

  it("are decided by the seed and the connection", () => {
    const latency = Latency.exponential("10 millis")
    assert.deepStrictEqual(many(latency, 7), many(latency, 7))
    assert.notDeepEqual(many(latency, 7), many(latency, 8))
    assert.notDeepEqual(many(latency, 7), many(latency, 7, 2))
  })

  it("are distributed as they say", () => {
    assert.isTrue(many(Latency.constant("3 millis"), 1).every((millis) => millis === 3))
    const uniform = many(Latency.uniform("2 millis", "6 millis"), 1)
    assert.isTrue(uniform.every((millis) => millis >= 2 && millis <= 6))
    assert.closeTo(mean(uniform), 4, 0.05)
    const exponential = many(Latency.exponential("10 millis"), 1)
    assert.closeTo(mean(exponential), 10, 0.3)
    assert.closeTo(
      exponential.filter((millis) => millis > 30).length / exponential.length,
      Math.exp(-3),
      0.005
    )
    const measured = many(Latency.quantiles({ 0: 1, 0.5: 4, 0.99: 80, 1: 2000 }), 1)
    for (const [quantile, millis] of [
      [0.5, 4],
      [0.99, 80]
    ] as const) {
      assert.closeTo(
        measured.filter((value) => value <= millis).length / measured.length,
        quantile,
        0.01
      )
    }
  })

  it("lie between their quantiles in proportion, and beyond them as the outer ones say", () => {
    const latency = Latency.quantiles({ 0.9: "30 millis", 0.5: "10 millis" })
    assert.strictEqual(latencyAt(latency, 0.1), 10)
    assert.strictEqual(latencyAt(latency, 0.5), 10)
    assert.closeTo(latencyAt(latency, 0.7), 20, 1e-9)
    assert.strictEqual(latencyAt(latency, 0.95), 30)
  })

  it("are refused when they make no sense", () => {
    for (const make of [
      () => Latency.constant(-1),
      () => Latency.constant(Infinity),
      () => Latency.uniform(5, 2),
      () => Latency.exponential(-1),
      () => Latency.quantiles({}),
      () => Latency.quantiles({ 1.5: 1 }),
      () => Latency.quantiles({ 0.1: 5, 0.9: 1 })
    ]) {
      assert.throws(make, RangeError)
    }
  })
})
