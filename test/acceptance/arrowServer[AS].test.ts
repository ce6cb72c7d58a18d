/**
 * Arrow streams on the local server, seen from a handwritten call: responses, refusals, and the
 * rows in the table.
 */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import { openDoPut, putHeaders } from "../support/arrowCall.ts"
import { batchOf, type Columns, flightMessages, types } from "../support/arrowMessages.ts"
import {
  acked,
  freshTable,
  idsIn,
  messagesOf,
  open,
  opened,
  ready,
  upTo
} from "../support/arrowStreams.ts"

layer(ZerobusLocal.layerServerMemory(), { excludeTestServices: true })(
  "Arrow streams on the server",
  (it) => {
    it.effect("AS-01 the schema is answered at once, before any data", () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable()
        const [schema] = messagesOf(1)
        const call = yield* opened(local, table, schema!)
        yield* call.halfClose
        assert.strictEqual((yield* call.end).code, 0)
        assert.deepStrictEqual(yield* local.records(table), [])
      })
    )

    it.effect("AS-02 AS-10 batches are acknowledged by their rows, and are in the table", () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable()
        const [schema, ...batches] = messagesOf(3, 1, 5)
        const call = yield* opened(local, table, schema!)
        for (const batch of batches) yield* call.send(batch)
        assert.deepStrictEqual(yield* acked(call, 9), { ack_up_to_offset: 2, ack_up_to_records: 9 })
        yield* call.halfClose
        assert.strictEqual((yield* call.end).code, 0)
        assert.deepStrictEqual(
          yield* local.records(table),
          upTo(9).map((n) => ({ id: BigInt(n), name: `row ${n}` }))
        )
        const { perConnection, ...audit } = yield* local.audit(table)
        assert.deepInclude(audit, {
          receivedRecords: 9,
          durableRecords: 9,
          ackedRecords: 9,
          distinctRecords: 9
        })
        assert.deepInclude(audit, { duplicates: 0, ackedButMissing: 0, complete: true })
        assert.deepInclude(perConnection[0], { receivedMessages: 3, ackedMessages: 3, ended: "OK" })
        assert.strictEqual(perConnection[0]!.created?.kind, "Arrow")
      })
    )

    it.effect(
      "AS-03 a frame with another offset than the next one ends the stream; earlier frames are " +
        "acknowledged",
      () =>
        Effect.gen(function* () {
          const { local, table } = yield* freshTable()
          const [schema, first, , third] = messagesOf(2, 2, 2)
          const call = yield* opened(local, table, schema!)
          yield* call.send(first!)
          yield* call.send(third!)
          assert.deepStrictEqual(yield* acked(call, 2), {
            ack_up_to_offset: 0,
            ack_up_to_records: 2
          })
          const { code, message } = yield* call.end
          assert.strictEqual(code, 3)
          assert.include(message, "Non-incremental offset: expected 1, got 2. Error Code: 4002")
        })
    )

    it.effect("AS-04 messages outside the protocol are refused with the reason", () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable()
        const [schema, batch] = messagesOf(1)
        const refused = Effect.fnUntraced(function* (messages: ReadonlyArray<Uint8Array>) {
          const call = yield* open(local, table)
          for (const message of messages) yield* call.send(message)
          const { code, message } = yield* call.end
          assert.strictEqual(code, 3)
          return message
        })
        assert.include(yield* refused([batch!]), "first message must be an Arrow schema")
        assert.include(yield* refused([Uint8Array.of(255, 255)]), "not a valid FlightData")
        assert.include(yield* refused([Uint8Array.of(0x12, 2, 1, 2)]), "not valid Arrow IPC")
        assert.include(yield* refused([schema!, schema!]), "no record batch")
        assert.include(
          yield* refused([schema!, Uint8Array.of(0x12, 2, 1, 2)]),
          "not valid Arrow IPC"
        )
        const [, otherBatch] = flightMessages(batchOf({ id: [types.bigint, [1n], false] }))
        assert.include(
          yield* refused([schema!, otherBatch!]),
          "not a record batch of the stream's schema"
        )
        const [, empty] = flightMessages(
          batchOf({ id: [types.bigint, [], false], name: [types.string, []] })
        )
        assert.include(yield* refused([schema!, empty!]), "The batch is empty")
        const call = yield* open(local, table)
        yield* call.halfClose
        assert.include((yield* call.end).message, "ended before it was created")
        assert.deepStrictEqual(yield* local.records(table), [])
      })
    )

    const id = [types.bigint, [1n], false] as const
    const wrongSchema = (columns: Columns, causes: string, part: string) =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable()
        const call = yield* open(local, table)
        yield* call.send(flightMessages(batchOf(columns))[0]!)
        const { code, details, message } = yield* call.end
        assert.strictEqual(code, 3)
        assert.include(message, part)
        assert.include(message, "Error Code: 8001")
        const info = Buffer.from(details!).toString("latin1")
        assert.match(info, /SCHEMA_VALIDATION_FAILED.*zerobus\.databricks\.com/s)
        assert.match(info, new RegExp(`causes..${causes}.*error_code..8001`, "s"))
      })
    const name = [types.string, ["a"]] as const
    it.effect("AS-05 a missing NOT NULL column is a structured schema error", () =>
      wrongSchema({ name }, "MISSING_REQUIRED_COLUMN", "NOT NULL column id")
    )
    it.effect("AS-06 an unknown column is a structured schema error", () =>
      wrongSchema({ id, more: [types.int, [1]] }, "FIELD_NOT_IN_TABLE", "no column more")
    )
    it.effect("AS-07 another type is a structured schema error", () =>
      wrongSchema(
        { id, name: [types.int, [1]] },
        "TYPE_INCOMPATIBLE",
        "name must be LargeUtf8, not Int32"
      )
    )
    it.effect("AS-08 another order of the columns is a structured schema error", () =>
      wrongSchema({ name, id }, "FIELD_OUT_OF_ORDER", "id stands behind name")
    )

    it.effect(
      "AS-09 NULL in a NOT NULL column is refused by offset, row and column, with nothing of " +
        "its batch",
      () =>
        Effect.gen(function* () {
          const { local, table } = yield* freshTable()
          const columns = (...ids: ReadonlyArray<bigint | null>): Columns => ({
            id: [types.bigint, ids],
            name: [types.string, ids.map(() => "x")]
          })
          const [schema, ...batches] = flightMessages(
            batchOf(columns(1n, 2n)),
            batchOf(columns(3n, null, 4n))
          )
          const call = yield* opened(local, table, schema!)
          for (const batch of batches) yield* call.send(batch)
          yield* acked(call, 2)
          const { code, message } = yield* call.end
          assert.strictEqual(code, 3)
          assert.include(message, "At offset 1: Record 1 of the batch was refused, column id")
          assert.include(message, "NOT NULL")
          assert.deepStrictEqual(yield* idsIn(local, table), [1, 2])
        })
    )

    it.effect("AS-11 a column that is left out is NULL", () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable(
          "id BIGINT NOT NULL, name STRING, tags ARRAY<STRING>"
        )
        const [schema, batch] = flightMessages(batchOf({ id: [types.bigint, [1n, 2n], false] }))
        const call = yield* opened(local, table, schema!)
        yield* call.send(batch!)
        yield* acked(call, 2)
        assert.deepStrictEqual(yield* local.records(table), [
          { id: 1n, name: null, tags: null },
          { id: 2n, name: null, tags: null }
        ])
      })
    )

    it.effect(
      "AS-12 everything received before the half-close is acknowledged before the call ends",
      () =>
        Effect.gen(function* () {
          const { local, table } = yield* freshTable()
          yield* local.inject(table, Faults.hold("durable"))
          const [schema, ...batches] = messagesOf(2, 2)
          const call = yield* opened(local, table, schema!)
          for (const batch of batches) yield* call.send(batch)
          yield* call.halfClose
          yield* local.waitFor(table, "held")
          yield* local.waitFor(table, "halfClose")
          assert.strictEqual(yield* local.count(table, "acked"), 0)
          yield* local.release(table)
          assert.strictEqual((yield* acked(call, 4)).ack_up_to_offset, 1)
          assert.strictEqual((yield* call.end).code, 0)
        })
    )

    it.effect("AS-14 batches may come before the ready answer", () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable()
        yield* local.inject(table, Faults.hold("create"))
        const call = yield* open(local, table)
        for (const message of messagesOf(2, 3)) yield* call.send(message)
        yield* call.halfClose
        yield* local.waitFor(table, "held")
        assert.strictEqual(yield* local.count(table, "message"), 0)
        yield* local.release(table)
        assert.deepStrictEqual(yield* call.next, ready)
        assert.strictEqual((yield* acked(call, 5)).ack_up_to_offset, 1)
        assert.strictEqual((yield* call.end).code, 0)
        assert.deepStrictEqual(yield* idsIn(local, table), upTo(5))
      })
    )

    it.effect("AS-19 the table header and the token are checked as for other streams", () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable()
        const headers = yield* putHeaders(local, table)
        const code = (given: Record<string, string>) =>
          Effect.flatMap(openDoPut(local.serverEndpoint, given), (call) =>
            Effect.map(call.end, (end) => end.code)
          )
        assert.strictEqual(yield* code({ authorization: headers.authorization }), 3)
        assert.strictEqual(yield* code({ ...headers, authorization: "Bearer no" }), 16)
        const call = yield* openDoPut(
          local.serverEndpoint,
          yield* putHeaders(local, "main.arrow.nobody")
        )
        yield* call.send(messagesOf(1)[0]!)
        assert.strictEqual((yield* call.end).code, 5)
      })
    )

    it.effect("AS-20 counters and the trace have Arrow streams with their rows", () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable()
        const before = yield* local.counters
        const [schema, batch] = messagesOf(7)
        const call = yield* opened(local, table, schema!)
        yield* call.send(batch!)
        yield* acked(call, 7)
        const after = yield* local.counters
        assert.strictEqual(after.records - before.records, 7)
        const lines = (yield* local.trace).split("\n").filter((line) => line.includes(table))
        assert.isTrue(lines.some((line) => line.includes('"kind":"Arrow"')))
        assert.isTrue(lines.some((line) => line.includes('"records":7')))
      })
    )

    it.effect("AS-21 a batch that would take too much is refused, and its stream alone", () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable("id BOOLEAN")
        const many = Array.from({ length: 17_000_000 }, () => true)
        const [schema, batch] = flightMessages(batchOf({ id: [types.boolean, many] }))
        const call = yield* opened(local, table, schema!)
        yield* call.send(batch!)
        const { code, message } = yield* call.end
        assert.strictEqual(code, 3)
        assert.include(message, "above the limit of 16777216")
        assert.include(message, "Send smaller batches")
      })
    )
  }
)
