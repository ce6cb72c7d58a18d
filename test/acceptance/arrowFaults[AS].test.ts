/**
 * Scripted faults of Arrow streams, and the end of a stream's lifetime, seen from a handwritten
 * call.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import type { ArrowCall } from "../support/arrowCall.ts"
import { acked, freshTable, messagesOf, open, opened, ready } from "../support/arrowStreams.ts"

layer(ZerobusLocal.layerServerMemory(), { excludeTestServices: true })(
  "faults of Arrow streams",
  (it) => {
    it.effect(
      "AS-13 a close signal gives the remaining time, alone or with an acknowledgement, and the " +
        "half-close ends the call with OK",
      () =>
        Effect.gen(function* () {
          const { local, table } = yield* freshTable()
          yield* local.inject(table, Faults.closeSignal({ duration: "3 seconds" }))
          const [schema, ...batches] = messagesOf(2, 2)
          const call = yield* opened(local, table, schema!)
          yield* call.send(batches[0]!)
          assert.deepStrictEqual(yield* call.next, { ...ready, close_stream_duration_ms: 3000 })
          yield* acked(call, 2)
          yield* local.inject(table, Faults.closeSignal({ duration: "4 seconds", withAck: true }))
          yield* call.send(batches[1]!)
          assert.deepStrictEqual(yield* call.next, {
            ack_up_to_offset: 1,
            ack_up_to_records: 4,
            close_stream_duration_ms: 4000
          })
          yield* call.halfClose
          assert.strictEqual((yield* call.end).code, 0)
        })
    )

    it.effect(
      "AS-15 acknowledgements as a script has them: at these frames, and the rest at the " +
        "half-close",
      () =>
        Effect.gen(function* () {
          const { local, table } = yield* freshTable()
          yield* local.inject(table, Faults.ackAt([1], { afterwards: "halfClose" }))
          const [schema, ...batches] = messagesOf(1, 2, 3, 4)
          const call = yield* opened(local, table, schema!)
          for (const batch of batches) yield* call.send(batch)
          assert.deepStrictEqual(yield* call.next, { ack_up_to_offset: 1, ack_up_to_records: 3 })
          yield* local.waitFor(table, "durable", 4)
          assert.strictEqual(yield* local.count(table, "acked"), 1)
          yield* call.halfClose
          assert.deepStrictEqual(yield* call.next, { ack_up_to_offset: 3, ack_up_to_records: 10 })
          assert.strictEqual((yield* call.end).code, 0)
        })
    )

    it.effect("AS-16 acknowledgements that break the protocol", () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable()
        const kinds = ["future", "lower", "repeated", "negative", "missing"] as const
        yield* local.inject(
          table,
          ...kinds.map((kind, index) => Faults.badAck(kind, { at: "message", nth: index + 2 }))
        )
        const [schema, ...batches] = messagesOf(3, 1, 1, 1, 1, 1)
        const call = yield* opened(local, table, schema!)
        let rows = 3
        yield* call.send(batches[0]!)
        yield* acked(call, rows)
        const expected = [
          { ack_up_to_offset: 1001, ack_up_to_records: 1002 },
          { ack_up_to_offset: 0, ack_up_to_records: 3 },
          { ack_up_to_offset: 2, ack_up_to_records: 5 },
          { ack_up_to_offset: 3, ack_up_to_records: -1 },
          {}
        ]
        for (const [index, batch] of batches.slice(1).entries()) {
          yield* call.send(batch)
          assert.deepStrictEqual(yield* call.next, expected[index], kinds[index])
          yield* acked(call, ++rows)
        }
      })
    )

    it.effect(
      "AS-17 setup and streams that a script fails: at the connect, instead of the answer, " +
        "later, and at the half-close",
      () =>
        Effect.gen(function* () {
          const { local, table } = yield* freshTable()
          yield* local.inject(
            table,
            Faults.fail({ at: "connect", status: "UNAVAILABLE", message: "at connect" }),
            Faults.reject({ status: "PERMISSION_DENIED", message: "at create" }),
            Faults.fail({ status: "INTERNAL", message: "later", connection: 3, afterRecords: 3 }),
            Faults.endStream({ connection: 4 }),
            Faults.fail({
              at: "halfClose",
              status: "UNAVAILABLE",
              message: "at the end",
              connection: 5
            })
          )
          const [schema, ...batches] = messagesOf(2, 2)
          const ended = (call: ArrowCall) =>
            Effect.map(call.end, ({ code, message }) => [code, message])
          const first = yield* open(local, table)
          assert.deepStrictEqual(yield* ended(first), [14, "at connect"])
          const second = yield* open(local, table)
          yield* second.send(schema!)
          assert.deepStrictEqual(yield* ended(second), [7, "at create"])
          const third = yield* opened(local, table, schema!)
          for (const batch of batches) yield* third.send(batch)
          assert.deepStrictEqual(yield* ended(third), [13, "later"])
          const fourth = yield* opened(local, table, schema!)
          yield* fourth.send(batches[0]!)
          assert.deepStrictEqual((yield* ended(fourth))[0], 0)
          const fifth = yield* opened(local, table, schema!)
          yield* fifth.send(batches[0]!)
          yield* acked(fifth, 2)
          yield* fifth.halfClose
          assert.deepStrictEqual(yield* ended(fifth), [14, "at the end"])
        })
    )

    it.effect(
      "AS-18 a response that stays open behind the half-close, and messages that are lost or " +
        "never came",
      () =>
        Effect.gen(function* () {
          const { local, table } = yield* freshTable()
          yield* local.inject(table, Faults.hold("halfClose"))
          const [schema, first, second] = messagesOf(2, 2)
          const held = yield* opened(local, table, schema!)
          yield* held.send(first!)
          yield* held.halfClose
          yield* acked(held, 2)
          yield* local.waitFor(table, "held")
          yield* local.release(table)
          assert.strictEqual((yield* held.end).code, 0)
          yield* local.inject(table, Faults.dropMessages())
          const dropped = yield* opened(local, table, schema!)
          yield* dropped.send(first!)
          yield* dropped.send(second!)
          assert.include((yield* dropped.end).message, "expected 0, got 1")
          yield* local.inject(table, Faults.loseMessages())
          const lost = yield* opened(local, table, schema!)
          yield* lost.send(first!)
          assert.deepStrictEqual(yield* acked(lost, 2), {
            ack_up_to_offset: 0,
            ack_up_to_records: 2
          })
          assert.deepInclude(yield* local.audit(table), { lostRecords: 2, ackedButMissing: 2 })
        })
    )
  }
)

const short = ZerobusLocal.layerServerMemory({ streamLife: "50 millis", closeGrace: "100 millis" })

layer(Layer.fresh(short), { excludeTestServices: true })(
  "an Arrow stream at the end of its life",
  (it) => {
    it.effect("AS-22 receives its remaining time, and ends with UNAVAILABLE after that", () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable()
        const call = yield* opened(local, table, messagesOf(1)[0]!)
        assert.deepStrictEqual(yield* call.next, { ...ready, close_stream_duration_ms: 100 })
        const { code, message } = yield* call.end
        assert.strictEqual(code, 14)
        assert.include(message, "Error Code: 6002")
      })
    )
  }
)
