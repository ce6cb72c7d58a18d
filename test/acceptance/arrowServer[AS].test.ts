/** Arrow streams on the local server, as a call made by hand sees them: answers, refusals, faults, and what is in the table. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Faults, ZerobusLocal, type ZerobusLocalShape } from "effect-zerobus/testing"
import { type ArrowCall, openDoPut, putHeaders } from "../support/arrowCall.ts"
import { batchOf, type Columns, flightMessages, types } from "../support/arrowMessages.ts"

let tables = 0
/** A table of its own for each test. */
const freshTable = (columns = "id BIGINT NOT NULL, name STRING") =>
  Effect.gen(function* () {
    const local = yield* ZerobusLocal
    const table = `main.arrow.t${tables++}`
    yield* local.createTable(`${table}(${columns})`)
    return { local, table }
  })

/** Batches of so many rows each, with ids that go on, as the messages of a call. */
const messagesOf = (...sizes: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  let next = 0
  const batches = sizes.map((size) => {
    const ids = Array.from({ length: size }, () => BigInt(next++))
    return batchOf({ id: [types.bigint, ids, false], name: [types.string, ids.map((id) => `row ${id}`)] })
  })
  return flightMessages(...batches)
}

const open = (local: ZerobusLocalShape, table: string) =>
  Effect.flatMap(putHeaders(local, table), (headers) => openDoPut(local.serverEndpoint, headers))

/** Opens a call and reads the ready answer. */
const opened = Effect.fnUntraced(function* (local: ZerobusLocalShape, table: string, schema: Uint8Array) {
  const call = yield* open(local, table)
  yield* call.send(schema)
  assert.deepStrictEqual(yield* call.next, ready)
  return call
})

const ready = { ack_up_to_offset: -1, ack_up_to_records: 0 }

/** Reads answers until so many rows are acknowledged. */
const acked = Effect.fnUntraced(function* (call: ArrowCall, rows: number) {
  let last = yield* call.next
  while (last.ack_up_to_records! < rows) last = yield* call.next
  return last
})

const idsIn = (local: ZerobusLocalShape, table: string) =>
  Effect.map(local.records(table), (rows) => rows.map((row) => Number(row["id"])).sort((a, b) => a - b))

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n)

layer(ZerobusLocal.layerServerMemory(), { excludeTestServices: true })("Arrow streams on the server", (it) => {
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
      assert.deepInclude(audit, { receivedRecords: 9, durableRecords: 9, ackedRecords: 9, distinctRecords: 9 })
      assert.deepInclude(audit, { duplicates: 0, ackedButMissing: 0, complete: true })
      assert.deepInclude(perConnection[0], { receivedMessages: 3, ackedMessages: 3, ended: "OK" })
      assert.strictEqual(perConnection[0]!.created?.kind, "Arrow")
    })
  )

  it.effect(
    "AS-03 a frame with another offset than the next one ends the stream, and what came before is acknowledged",
    () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable()
        const [schema, first, , third] = messagesOf(2, 2, 2)
        const call = yield* opened(local, table, schema!)
        yield* call.send(first!)
        yield* call.send(third!)
        assert.deepStrictEqual(yield* acked(call, 2), { ack_up_to_offset: 0, ack_up_to_records: 2 })
        const { code, message } = yield* call.end
        assert.strictEqual(code, 3)
        assert.include(message, "Non-incremental offset: expected 1, got 2. Error Code: 4002")
      })
  )

  it.effect("AS-04 messages that are no part of the protocol are refused with what is wrong", () =>
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
      assert.include(yield* refused([schema!, Uint8Array.of(0x12, 2, 1, 2)]), "not valid Arrow IPC")
      const [, otherBatch] = flightMessages(batchOf({ id: [types.bigint, [1n], false] }))
      assert.include(yield* refused([schema!, otherBatch!]), "not a record batch of the stream's schema")
      const [, empty] = flightMessages(batchOf({ id: [types.bigint, [], false], name: [types.string, []] }))
      assert.include(yield* refused([schema!, empty!]), "The batch is empty")
      const call = yield* open(local, table)
      yield* call.halfClose
      assert.include((yield* call.end).message, "ended before it was created")
      assert.deepStrictEqual(yield* local.records(table), [])
    })
  )

  const id = [types.bigint, [1n], false] as const
  const wrongSchemas: ReadonlyArray<
    readonly [id: string, what: string, columns: Columns, causes: string, part: string]
  > = [
    ["AS-05", "a NOT NULL column is missing", { name: [types.string, ["a"]] }, "MISSING_REQUIRED_COLUMN", "column id"],
    ["AS-06", "a column is unknown", { id, more: [types.int, [1]] }, "FIELD_NOT_IN_TABLE", "no column more"],
    [
      "AS-07",
      "a type is another",
      { id, name: [types.int, [1]] },
      "TYPE_INCOMPATIBLE",
      "name must be LargeUtf8, not Int32"
    ],
    [
      "AS-08",
      "the order is another",
      { name: [types.string, ["a"]], id },
      "FIELD_OUT_OF_ORDER",
      "id stands behind name"
    ]
  ]
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
  const [missing, unknown, type, order] = wrongSchemas
  it.effect("AS-05 a missing NOT NULL column is a structured schema error", () =>
    wrongSchema(missing![2], missing![3], missing![4])
  )
  it.effect("AS-06 an unknown column is a structured schema error", () =>
    wrongSchema(unknown![2], unknown![3], unknown![4])
  )
  it.effect("AS-07 another type is a structured schema error", () => wrongSchema(type![2], type![3], type![4]))
  it.effect("AS-08 another order of the columns is a structured schema error", () =>
    wrongSchema(order![2], order![3], order![4])
  )

  it.effect("AS-09 NULL in a NOT NULL column is refused by offset, row and column, with nothing of its batch", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable()
      const columns = (...ids: ReadonlyArray<bigint | null>): Columns => ({
        id: [types.bigint, ids],
        name: [types.string, ids.map(() => "x")]
      })
      const [schema, ...batches] = flightMessages(batchOf(columns(1n, 2n)), batchOf(columns(3n, null, 4n)))
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
      const { local, table } = yield* freshTable("id BIGINT NOT NULL, name STRING, tags ARRAY<STRING>")
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

  it.effect("AS-12 everything that came before the half-close is acknowledged before the call ends", () =>
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

  it.effect(
    "AS-13 a close signal tells how long, alone or with an acknowledgement, and the half-close ends the call well",
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

  it.effect("AS-15 acknowledgements as a script has them: at these frames, and the rest at the half-close", () =>
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
      yield* local.inject(table, ...kinds.map((kind, index) => Faults.badAck(kind, { at: "message", nth: index + 2 })))
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
    "AS-17 setup and streams that a script fails: at the connect, instead of the answer, later, and at the half-close",
    () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable()
        yield* local.inject(
          table,
          Faults.fail({ at: "connect", status: "UNAVAILABLE", message: "at connect" }),
          Faults.reject({ status: "PERMISSION_DENIED", message: "at create" }),
          Faults.fail({ status: "INTERNAL", message: "later", connection: 3, afterRecords: 3 }),
          Faults.endStream({ connection: 4 }),
          Faults.fail({ at: "halfClose", status: "UNAVAILABLE", message: "at the end", connection: 5 })
        )
        const [schema, ...batches] = messagesOf(2, 2)
        const ended = (call: ArrowCall) => Effect.map(call.end, ({ code, message }) => [code, message])
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

  it.effect("AS-18 a response that stays open behind the half-close, and messages that are lost or never came", () =>
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
      assert.deepStrictEqual(yield* acked(lost, 2), { ack_up_to_offset: 0, ack_up_to_records: 2 })
      assert.deepInclude(yield* local.audit(table), { lostRecords: 2, ackedButMissing: 2 })
    })
  )

  it.effect("AS-19 the table header and the token are checked as for other streams", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable()
      const headers = yield* putHeaders(local, table)
      const code = (given: Record<string, string>) =>
        Effect.flatMap(openDoPut(local.serverEndpoint, given), (call) => Effect.map(call.end, (end) => end.code))
      assert.strictEqual(yield* code({ authorization: headers.authorization }), 3)
      assert.strictEqual(yield* code({ ...headers, authorization: "Bearer no" }), 16)
      const call = yield* openDoPut(local.serverEndpoint, yield* putHeaders(local, "main.arrow.nobody"))
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
})

const short = ZerobusLocal.layerServerMemory({ streamLife: "50 millis", closeGrace: "100 millis" })

layer(Layer.fresh(short), { excludeTestServices: true })("an Arrow stream at the end of its life", (it) => {
  it.effect("AS-22 is told how long it has, and ends with UNAVAILABLE after that", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable()
      const call = yield* opened(local, table, messagesOf(1)[0]!)
      assert.deepStrictEqual(yield* call.next, { ...ready, close_stream_duration_ms: 100 })
      const { code, message } = yield* call.end
      assert.strictEqual(code, 14)
      assert.include(message, "Error Code: 6002")
    })
  )
})
