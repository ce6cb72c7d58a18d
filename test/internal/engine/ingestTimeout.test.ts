/**
 * `ingestTimeout` limits the wait for room.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as A from "../../support/acceptance.ts"

const options = { batching: "off", maxInflightRecords: 1, ingestTimeout: 1000 } as const

describe("ingestTimeout", () => {
  for (const [operation, ingest] of [
    ["ingestRecord", "ingestRecord"],
    ["ingestRecords", "ingestRecords"]
  ] as const) {
    it.effect(`ends the wait of ${operation}, which has taken nothing`, () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(options, A.silent)
        const first = yield* stream.ingestRecord(A.record(0))
        const wait =
          ingest === "ingestRecord"
            ? stream.ingestRecord(A.record(1))
            : stream.ingestRecords([A.record(1)])
        const waiting = yield* A.started(wait)
        yield* A.advance(999)
        assert.isFalse(waiting.done())
        yield* A.advance(1)
        const error = A.tagged(waiting.error(), "FlushTimeout")
        assert.deepStrictEqual(
          [error.operation, error.timeoutMillis, error.pending],
          [operation, 1000, 1]
        )
        assert.match(error.message, /took nothing; call it again, or raise ingestTimeout/)
        // The call took no offset and no room.
        server.last.ack(0)
        yield* A.settle
        const next = yield* stream.ingestRecord(A.record(2))
        assert.deepStrictEqual([first.offset, next.offset], [0, 1])
        yield* A.settle
        server.last.ack(1)
        yield* stream.close
        assert.deepStrictEqual(server.records, [A.record(0), A.record(2)])
      })
    )
  }

  it.effect("leaves the next caller in line its own full time", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(options, A.silent)
      yield* stream.ingestRecord(A.record(0))
      const early = yield* A.started(stream.ingestRecord(A.record(1)))
      yield* A.advance(600)
      const late = yield* A.started(stream.ingestRecord(A.record(2)))
      yield* A.advance(400)
      A.tagged(early.error(), "FlushTimeout")
      assert.isFalse(late.done())
      yield* A.settle
      server.last.ack(0)
      yield* A.settle
      assert.strictEqual(late.value().offset, 1)
      // Its limit passes without a second result.
      yield* A.advance(1000)
      assert.strictEqual(late.value().offset, 1)
    })
  )

  it.effect("is refused as an option when it is not a duration", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({})
      const error = yield* Effect.flip(zerobus.createStream(A.table, { ingestTimeout: 0 }))
      assert.deepStrictEqual(A.tagged(error, "InvalidArgument").path, ["ingestTimeout"])
    })
  )
})
