/** Every scripted fault works as documented, checked with raw calls and the audit. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import { headersFor, openCreated, openRaw, postToken, tokenForm } from "../support/rawStream.ts"

let tables = 0
/** A separate table for each test, so that scripts and counts do not mix. */
const freshTable = Effect.gen(function* () {
  const local = yield* ZerobusLocal
  const table = `main.faults.t${tables++}`
  yield* local.createTable(`${table}(id BIGINT)`)
  return { local, table }
})
const record = (offset: number) => ({
  ingestRecord: { offsetId: offset, jsonRecord: JSON.stringify({ id: offset }) }
})

layer(ZerobusLocal.layerMemory, { excludeTestServices: true })("faults", (it) => {
  it.effect("reject refuses the create request, so often and no more", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      yield* local.inject(
        table,
        Faults.reject({ status: "UNAVAILABLE", message: "busy", times: 2 })
      )
      for (let n = 0; n < 2; n++) {
        const stream = yield* openRaw(local.serverEndpoint, yield* headersFor(local, table))
        yield* stream.send({ createStream: { tableName: table, recordType: 2 } })
        assert.deepInclude(yield* stream.end, { code: 14, message: "busy" })
      }
      assert.isString((yield* openCreated(local, table)).streamId)
    })
  )

  it.effect("rejectTokens ends the call with UNAUTHENTICATED", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      yield* local.inject(table, Faults.rejectTokens())
      const stream = yield* openRaw(local.serverEndpoint, yield* headersFor(local, table))
      assert.strictEqual((yield* stream.end).code, 16)
    })
  )

  it.effect("ignoreCreate never answers, and the client gives up and comes again", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      yield* local.inject(table, Faults.ignoreCreate())
      const zerobus = yield* Zerobus
      const options = { recoveryTimeout: "100 millis", recoveryBackoff: "5 millis" } as const
      yield* zerobus.withStream(TableProperties.json(table), options, (stream) =>
        stream.ingestRecord({ id: 1 })
      )
      assert.strictEqual(yield* local.count(table, "create"), 2)
      assert.strictEqual(yield* local.count(table, "created"), 1)
      assert.deepInclude(yield* local.audit(table), { connections: 2, distinctRecords: 1 })
    })
  )

  it.effect("hold at the create request waits for the release", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      yield* local.inject(table, Faults.hold("create"))
      const opening = yield* Effect.forkChild(openCreated(local, table))
      yield* local.waitFor(table, "held")
      assert.strictEqual(yield* local.count(table, "created"), 0)
      assert.isUndefined(opening.pollUnsafe())
      assert.strictEqual(yield* local.release(table), 1)
      assert.isString((yield* Fiber.join(opening)).streamId)
    })
  )

  it.effect("hold at an acknowledgement keeps it and all behind it, while records go on", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      yield* local.inject(table, Faults.hold("ack", 2))
      const { stream } = yield* openCreated(local, table)
      yield* stream.send(record(0))
      assert.strictEqual((yield* stream.next).ingestRecordResponse?.durabilityAckUpToOffset, 0)
      for (let n = 1; n < 50; n++) yield* stream.send(record(n))
      yield* local.waitFor(table, "held")
      yield* local.waitFor(table, "message", 50)
      assert.strictEqual(yield* local.count(table, "acked"), 1)
      yield* local.release(table)
      let last = 0
      while (last < 49) last = (yield* stream.next).ingestRecordResponse!.durabilityAckUpToOffset!
      const audit = yield* local.audit(table)
      assert.strictEqual(audit.ackedRecords, 50)
      assert.strictEqual(audit.ackedButMissing, 0)
    })
  )

  it.effect("hold at a message stops what comes in, in order", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      yield* local.inject(table, Faults.hold("message", 3))
      const { stream } = yield* openCreated(local, table)
      for (let n = 0; n < 10; n++) yield* stream.send(record(n))
      yield* stream.halfClose
      yield* local.waitFor(table, "held")
      yield* local.waitFor(table, "acked")
      assert.isAtMost((yield* local.audit(table)).receivedRecords, 2)
      yield* local.release(table)
      assert.strictEqual((yield* stream.end).code, 0)
      const rows = yield* local.records(table)
      assert.deepStrictEqual(
        rows.map((row) => row["id"]),
        Array.from({ length: 10 }, (_, n) => BigInt(n))
      )
    })
  )

  it.effect("delay stops for a time", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      yield* local.inject(table, Faults.delay("ack", "20 millis"))
      const { stream } = yield* openCreated(local, table)
      yield* stream.send(record(0))
      yield* local.waitFor(table, "fault")
      assert.strictEqual(yield* local.count(table, "acked"), 0)
      assert.strictEqual((yield* stream.next).ingestRecordResponse?.durabilityAckUpToOffset, 0)
    })
  )

  const endings: ReadonlyArray<readonly [title: string, fault: Faults.Fault, code: number]> = [
    ["disconnect by reset", Faults.disconnect({ nth: 3 }), 14],
    ["disconnect by FIN", Faults.disconnect({ nth: 3, how: "fin" }), 14],
    ["fail", Faults.fail({ nth: 3, status: "RESOURCE_EXHAUSTED" }), 8],
    ["endStream", Faults.endStream({ nth: 3 }), 0],
    ["closeSignal without time", Faults.closeSignal({ nth: 3 }), 14]
  ]
  for (const [title, fault, code] of endings) {
    it.effect(`${title} ends the call`, () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable
        yield* local.inject(table, fault)
        const { stream } = yield* openCreated(local, table)
        for (let n = 0; n < 3; n++) yield* stream.send(record(n))
        assert.strictEqual((yield* stream.end).code, code)
        const audit = yield* local.audit(table)
        assert.strictEqual(audit.receivedRecords, title.startsWith("closeSignal") ? 3 : 2)
        assert.strictEqual(audit.ackedButMissing, 0)
      })
    )
  }

  const lies: ReadonlyArray<
    readonly [kind: Parameters<typeof Faults.badAck>[0], expected: number | undefined]
  > = [
    ["future", 1001],
    ["lower", 0],
    ["repeated", 0],
    ["negative", -1],
    ["missing", undefined]
  ]
  for (const [kind, expected] of lies) {
    it.effect(`badAck ${kind} is sent before the next real one`, () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable
        yield* local.inject(table, Faults.badAck(kind, { nth: 2 }))
        const { stream } = yield* openCreated(local, table)
        yield* stream.send(record(0))
        assert.strictEqual((yield* stream.next).ingestRecordResponse?.durabilityAckUpToOffset, 0)
        yield* stream.send(record(1))
        const lie = (yield* stream.next).ingestRecordResponse!
        if (expected === undefined) assert.isFalse(Object.hasOwn(lie, "durabilityAckUpToOffset"))
        else assert.strictEqual(lie.durabilityAckUpToOffset, expected)
        assert.strictEqual((yield* stream.next).ingestRecordResponse?.durabilityAckUpToOffset, 1)
        const audit = yield* local.audit(table)
        assert.strictEqual(audit.ackedButMissing > 0, kind === "future")
      })
    )
  }

  it.effect(
    "stallAcks leaves records durable and unacknowledged until the faults are cleared",
    () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable
        yield* local.inject(table, Faults.stallAcks())
        const { stream } = yield* openCreated(local, table)
        yield* stream.send(record(0))
        yield* local.waitFor(table, "ack")
        const audit = yield* local.audit(table)
        assert.deepInclude(audit, { durableRecords: 1, ackedRecords: 0 })
        yield* local.clearFaults(table)
        yield* stream.send(record(1))
        assert.strictEqual((yield* stream.next).ingestRecordResponse?.durabilityAckUpToOffset, 1)
      })
  )

  it.effect("loseMessages acknowledges what was never stored, and the audit shows the loss", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      yield* local.inject(table, Faults.loseMessages({ nth: 2 }))
      const { stream } = yield* openCreated(local, table)
      yield* stream.send(record(0))
      yield* stream.send({
        ingestRecordBatch: { offsetId: 1, jsonBatch: { records: ['{"id":1}', '{"id":10}'] } }
      })
      yield* stream.send(record(2))
      yield* stream.halfClose
      assert.strictEqual((yield* stream.end).code, 0)
      let last = -1
      while (last < 2) last = (yield* stream.next).ingestRecordResponse!.durabilityAckUpToOffset!
      assert.strictEqual(last, 2)
      const audit = yield* local.audit(table)
      assert.deepInclude(audit, {
        receivedRecords: 4,
        durableRecords: 2,
        ackedRecords: 4,
        distinctRecords: 2,
        lostRecords: 2,
        ackedButMissing: 2
      })
      assert.deepInclude(audit.perConnection[0], {
        ackedMessages: 3,
        durableMessages: 2,
        lostMessages: [1]
      })
      assert.deepStrictEqual(yield* local.records(table), [{ id: 0n }, { id: 2n }])
    })
  )

  it.effect("loseMessages hides no real loss behind rows that arrived twice", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      yield* local.inject(
        table,
        Faults.disconnect({ at: "durable", connection: 1 }),
        Faults.loseMessages({ connection: 2, nth: 2 })
      )
      const first = yield* openCreated(local, table)
      yield* first.stream.send(record(0))
      yield* first.stream.end
      const second = yield* openCreated(local, table)
      yield* second.stream.send(record(0))
      yield* second.stream.send(record(1))
      yield* second.stream.halfClose
      yield* second.stream.end
      const audit = yield* local.audit(table)
      // Two rows in the table, two records acknowledged, and one acknowledged record is missing.
      assert.deepInclude(audit, {
        ackedRecords: 2,
        durableRecords: 2,
        lostRecords: 1,
        ackedButMissing: 1
      })
    })
  )

  it.effect("dropMessages acknowledges nothing, and the next message is out of order", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      yield* local.inject(table, Faults.dropMessages({ nth: 2 }))
      const { stream } = yield* openCreated(local, table)
      for (let n = 0; n < 3; n++) yield* stream.send(record(n))
      const end = yield* stream.end
      assert.strictEqual(end.code, 3)
      assert.match(end.message, /Non-incremental offset: expected 1, got 2/)
      const audit = yield* local.audit(table)
      assert.deepInclude(audit, {
        receivedRecords: 1,
        ackedRecords: 1,
        lostRecords: 0,
        ackedButMissing: 0
      })
    })
  )

  it.effect("rawResponse sends the bytes", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      yield* local.inject(table, Faults.rawResponse(Uint8Array.of(0x7a, 0), { at: "create" }))
      const stream = yield* openRaw(local.serverEndpoint, yield* headersFor(local, table))
      yield* stream.send({ createStream: { tableName: table, recordType: 2 } })
      const strange = yield* stream.next
      assert.isUndefined(strange.payload)
    })
  )

  it.effect("strike only the connection they name", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      yield* local.inject(table, Faults.reject({ status: "INTERNAL", connection: 2 }))
      assert.isString((yield* openCreated(local, table)).streamId)
      const second = yield* openRaw(local.serverEndpoint, yield* headersFor(local, table))
      yield* second.send({ createStream: { tableName: table, recordType: 2 } })
      assert.strictEqual((yield* second.end).code, 13)
      assert.isString((yield* openCreated(local, table)).streamId)
    })
  )

  it.effect("waitFor can be interrupted", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      const waited = yield* local.waitFor(table, "halfClose").pipe(Effect.timeoutOption("5 millis"))
      assert.isTrue(Option.isNone(waited))
    })
  )

  it.effect("of the token endpoint strike the next requests, which are counted", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      const before = yield* local.httpRequests("token")
      yield* local.injectHttp(
        Faults.httpStatus("token", 503, { times: 2, headers: { "retry-after": "1" } }),
        Faults.httpDelay("token", "20 millis")
      )
      assert.strictEqual((yield* postToken(local, tokenForm(table))).status, 503)
      assert.strictEqual((yield* postToken(local, tokenForm(table))).status, 503)
      assert.strictEqual((yield* postToken(local, tokenForm(table))).status, 200)
      yield* local.injectHttp(Faults.httpHang("token"))
      const hung = yield* postToken(local, tokenForm(table)).pipe(Effect.timeoutOption("30 millis"))
      assert.isTrue(Option.isNone(hung))
      yield* local.clearHttpFaults
      assert.strictEqual((yield* postToken(local, tokenForm(table))).status, 200)
      assert.strictEqual((yield* local.httpRequests("token")) - before, 5)
      assert.strictEqual(yield* local.httpRequests("catalog"), 0)
    })
  )

  it.effect("of the token endpoint are overcome by the client", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      yield* local.injectHttp(Faults.httpStatus("token", 500))
      const zerobus = yield* Zerobus
      yield* zerobus.withStream(
        TableProperties.json(table),
        { recoveryBackoff: "5 millis" },
        (stream) => stream.ingestRecord({ id: 1 })
      )
      assert.deepStrictEqual(yield* local.records(table), [{ id: 1n }])
    })
  )

  it.effect(
    "a connection lost between durable and acknowledged makes duplicates, and the audit counts " +
      "them",
    () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable
        yield* local.inject(table, Faults.disconnect({ at: "durable" }))
        const zerobus = yield* Zerobus
        const properties = TableProperties.json(table)
        yield* zerobus.withStream(
          properties,
          { recoveryBackoff: "5 millis", batching: "off" },
          (stream) =>
            Effect.forEach(
              Array.from({ length: 100 }, (_, id) => ({ id })),
              stream.ingestRecord,
              { discard: true }
            )
        )
        const audit = yield* local.audit(table)
        assert.strictEqual(audit.distinctRecords, 100)
        assert.isAbove(audit.duplicates, 0)
        assert.strictEqual(audit.ackedButMissing, 0)
        assert.strictEqual(audit.durableRecords, 100 + audit.duplicates)
        assert.strictEqual(audit.connections, 2)
        assert.strictEqual(audit.perConnection[0]!.ended, "cut")
        assert.strictEqual(audit.perConnection[0]!.ackedMessages, 0)
        assert.strictEqual((yield* local.records(table)).length, 100 + audit.duplicates)
      })
  )
})
