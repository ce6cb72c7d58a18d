/**
 * Payload limits.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { MESSAGE_OVERHEAD } from "../../src/internal/landing/chunk.ts"
import { requestSize } from "../../src/internal/protobuf/envelope.ts"
import * as A from "../support/acceptance.ts"

const sized = (bytes: number): string => JSON.stringify({ x: "y".repeat(bytes - 8) })
/** The largest record that a limit permits, as the client counts it. */
const largest = (limit: number): number => {
  let bytes = limit
  while (requestSize(bytes) > limit) bytes--
  return bytes
}

describe("payload limits", () => {
  it.effect(
    "PL-01 PL-02 H-37 takes a request of exactly the limit and refuses one byte more, without " +
      "an offset",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({
          maxPayloadBytes: 1000,
          maxInflightBytes: 1100 + MESSAGE_OVERHEAD
        })
        const size = largest(1000)
        const error = A.tagged(
          yield* Effect.flip(stream.ingestRecord(sized(size + 1))),
          "PayloadTooLarge"
        )
        assert.deepStrictEqual([error.option, error.limit], ["maxPayloadBytes", 1000])
        assert.strictEqual((yield* stream.ingestRecord(sized(size))).offset, 0)
        yield* stream.flush
        assert.deepStrictEqual(server.records, [sized(size)])
      })
  )

  it.effect(
    "PL-03 PL-05 refuses 10 MiB and 11 MiB by default, and takes 10 MiB less the overhead",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({})
        for (const mebibytes of [10, 11]) {
          const error = yield* Effect.flip(stream.ingestRecord(sized(mebibytes * 1024 * 1024)))
          assert.strictEqual(A.tagged(error, "PayloadTooLarge").limit, 10_420_224)
        }
        yield* stream.ingestRecord(sized(largest(10_420_224)))
        yield* stream.flush
        assert.strictEqual(server.records.length, 1)
      })
  )

  it.effect("PL-04 refuses a batch whose records are too large together", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ maxPayloadBytes: 1000 })
      const error = yield* Effect.flip(stream.ingestRecords([sized(600), sized(600)]))
      assert.strictEqual(A.tagged(error, "PayloadTooLarge").option, "maxPayloadBytes")
      yield* stream.ingestRecords([sized(400), sized(400)])
      yield* stream.flush
      assert.strictEqual(server.writes, 1)
    })
  )

  it.effect("PL-06 takes larger records when the limit is raised", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ maxPayloadBytes: 12 * 1024 * 1024 })
      yield* stream.ingestRecord(sized(11 * 1024 * 1024))
      yield* stream.flush
      assert.strictEqual(server.records[0]?.length, 11 * 1024 * 1024)
    })
  )

  it.effect(
    "PL-07 counts the size on the wire: a record below the limit whose request is above it is " +
      "refused",
    () =>
      Effect.gen(function* () {
        const { stream } = yield* A.open({ maxPayloadBytes: 1000 })
        assert.strictEqual(sized(999).length, 999)
        A.tagged(yield* Effect.flip(stream.ingestRecord(sized(999))), "PayloadTooLarge")
      })
  )
})
