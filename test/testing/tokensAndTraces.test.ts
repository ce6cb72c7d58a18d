/**
 * Token faults, the audit of a stream apart from its records, and the replay of a trace with
 * sockets and requests.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Scope, Exit } from "effect"
import { Column, Table, TableProperties, Zerobus, type ZerobusOptions } from "effect-zerobus"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import { headersFor, openCreated, openRaw, postToken, tokenForm } from "../support/rawStream.ts"

let tables = 0
const freshTable = Effect.gen(function* () {
  const local = yield* ZerobusLocal
  const table = TableProperties.json(`main.tokens.t${tables++}`)
  yield* local.createTable(`${table.tableName}(id BIGINT)`)
  return { local, table }
})
/** A separate client, whose token cache no other test has filled. */
const clientOf = (local: ZerobusLocal["Service"], options: Partial<ZerobusOptions> = {}) => {
  const { clientId, clientSecret, serverEndpoint, workspaceUrl } = local
  return Zerobus.layer({
    serverEndpoint,
    workspaceUrl,
    clientId,
    clientSecret,
    proxy: false,
    ...options
  })
}
const ingest = ({ tableName }: { readonly tableName: string }, total: number) =>
  Zerobus.use((zerobus) =>
    zerobus.withStream(
      TableProperties.json(tableName),
      { batching: "off", recoveryBackoff: "5 millis" },
      (stream) =>
        Effect.forEach(
          Array.from({ length: total }, (_, id) => ({ id })),
          stream.ingestRecord,
          { discard: true }
        )
    )
  )

layer(ZerobusLocal.layerServerMemory(), { excludeTestServices: true })("tokens", (it) => {
  it.effect(
    "that expire in the middle of a stream are refused from then on, and a fresh one is taken",
    () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable
        yield* local.inject(table, Faults.expireToken({ offset: 5 }))
        const headers = yield* headersFor(local, table.tableName)
        const stream = yield* openRaw(local.serverEndpoint, headers)
        yield* stream.send({ createStream: { tableName: table.tableName, recordType: 2 } })
        for (let n = 0; n < 6; n++)
          yield* stream.send({ ingestRecord: { offsetId: n, jsonRecord: `{"id":${n}}` } })
        assert.strictEqual((yield* stream.end).code, 16)
        const again = yield* openRaw(local.serverEndpoint, headers)
        const refused = yield* again.end
        assert.strictEqual(refused.code, 16)
        assert.match(refused.message, /expired/)
        assert.isString((yield* openCreated(local, table.tableName)).streamId)
      })
  )

  it.effect("that expire cost the client a new token and no record", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      yield* local.inject(table, Faults.expireToken({ offset: 20 }))
      const before = yield* local.httpRequests("token")
      yield* ingest(table, 100).pipe(Effect.provide(clientOf(local)))
      assert.strictEqual((yield* local.httpRequests("token")) - before, 2)
      const audit = yield* local.audit(table)
      assert.deepInclude(audit, {
        connections: 2,
        distinctRecords: 100,
        ackedButMissing: 0,
        unexplainedDuplicates: 0
      })
    })
  )

  it.effect("have the life that a script gives them, in its order", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      yield* local.injectHttp(
        Faults.httpOk("token"),
        Faults.tokenLife("90 seconds", 2),
        Faults.httpStatus("token", 503)
      )
      const answers = yield* Effect.forEach([1, 2, 3, 4, 5], () =>
        postToken(local, tokenForm(table.tableName))
      )
      assert.deepStrictEqual(
        answers.map(({ body, status }) => [status, body["expires_in"]]),
        [
          [200, 3600],
          [200, 90],
          [200, 90],
          [503, undefined],
          [200, 3600]
        ]
      )
    })
  )

  it.effect("refused at once are refused with trailers only", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      yield* local.inject(table, Faults.rejectTokens({ times: 2 }))
      const headers = yield* headersFor(local, table.tableName)
      const first = yield* openRaw(local.serverEndpoint, headers)
      assert.strictEqual((yield* first.end).code, 16)
      assert.isFalse(yield* first.hadHeaders)
      const second = yield* openRaw(local.serverEndpoint, headers)
      assert.strictEqual((yield* second.end).code, 16)
      const third = yield* openCreated(local, table.tableName)
      assert.isTrue(yield* third.stream.hadHeaders)
    })
  )
})

layer(ZerobusLocal.layerServerMemory(), { excludeTestServices: true })("the audit", (it) => {
  it.effect("tells what streams were created with, and which share a connection", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const typed = Table.make("main.tokens.typed", { id: Column.BigInt })
      yield* local.createTable(typed)
      yield* Effect.gen(function* () {
        const zerobus = yield* Zerobus
        yield* zerobus.createStream(typed)
        yield* zerobus.createStream(TableProperties.json("main.tokens.typed"))
      }).pipe(Effect.scoped, Effect.provide(clientOf(local, { connectionPerStream: false })))
      yield* ingest(TableProperties.json("main.tokens.typed"), 1).pipe(
        Effect.provide(clientOf(local))
      )
      const [one, other, third] = (yield* local.audit(typed)).perConnection
      assert.strictEqual(one?.created?.kind, "Proto")
      assert.isAbove(one?.created?.descriptor?.length ?? 0, 10)
      assert.deepStrictEqual(other?.created, { kind: "Json", descriptor: undefined })
      assert.match(one?.peer ?? "", /^127\.0\.0\.1:\d+$/)
      assert.strictEqual(other?.peer, one?.peer)
      assert.notStrictEqual(third?.peer, one?.peer)
    })
  )

  it.effect("counts clients that went away, and duplicates that nothing explains", () =>
    Effect.gen(function* () {
      const { local, table } = yield* freshTable
      const scope = yield* Scope.make()
      const { stream } = yield* openCreated(local, table.tableName).pipe(Scope.provide(scope))
      for (let n = 0; n < 3; n++)
        yield* stream.send({ ingestRecord: { offsetId: n, jsonRecord: '{"id":7}' } })
      yield* local.waitFor(table, "durable", 3)
      yield* Scope.close(scope, Exit.void)
      yield* local.waitFor(table, "cancelled")
      const audit = yield* local.audit(table)
      assert.strictEqual(audit.perConnection[0]?.ended, "cancelled")
      assert.deepInclude(audit, {
        durableRecords: 3,
        distinctRecords: 1,
        duplicates: 2,
        unexplainedDuplicates: 2
      })
      yield* ingest(table, 8).pipe(Effect.provide(clientOf(local)))
      // The eighth record is a duplicate that the lost connection explains.
      assert.deepInclude(yield* local.audit(table), { duplicates: 3, unexplainedDuplicates: 2 })
    })
  )
})

type Line = Readonly<Record<string, unknown>> & { readonly event: string }
const linesOf = (trace: string) =>
  trace
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line)

layer(ZerobusLocal.layerServerMemory(), { excludeTestServices: true })(
  "a trace over sockets",
  (it) => {
    it.effect("has sockets, requests and no secrets", () =>
      Effect.gen(function* () {
        const { local, table } = yield* freshTable
        yield* local.injectConnection(Faults.cutAfterBytes("up", 2000))
        yield* local.injectHttp(Faults.httpStatus("token", 503))
        yield* ingest(table, 100).pipe(Effect.provide(clientOf(local)))
        const trace = yield* local.trace
        const lines = linesOf(trace)
        assert.deepStrictEqual(
          lines
            .filter(({ event }) => event === "socket")
            .map(({ faults }) => (faults as Array<unknown>).length),
          [1, 0]
        )
        assert.isAtLeast(lines.filter(({ event }) => event === "http").length, 2)
        const { body } = yield* postToken(local, tokenForm(table.tableName))
        assert.notInclude(trace, String(body["access_token"]).split(".")[0]!.slice(0, 20))
        assert.notMatch(trace, /Bearer|Basic|client_credentials|\{\\"id/)
      })
    )
  }
)

const story = (trace: string) =>
  linesOf(trace)
    .filter(({ event }) => event !== "durable")
    .map(({ t: _, ...line }) => line)

const everything = Effect.gen(function* () {
  const local = yield* ZerobusLocal
  const table = TableProperties.json("main.tokens.replayed")
  yield* local.createTable("main.tokens.replayed(id BIGINT)")
  return { local, table, run: ingest(table, 60).pipe(Effect.provide(clientOf(local))) }
})

layer(ZerobusLocal.layerServerMemory(), { excludeTestServices: true })(
  "a replay over sockets",
  (it) => {
    it.effect("repeats faults and acknowledgements of streams, connections and requests", () =>
      Effect.gen(function* () {
        const first = yield* everything
        yield* first.local.injectHttp(Faults.httpStatus("token", 503))
        yield* first.local.injectConnection(Faults.goAway(0, { nthData: 40 }))
        yield* first.local.inject(
          first.table,
          Faults.reject({ status: "UNAVAILABLE", connection: 1 }),
          Faults.disconnect({ at: "durable", offset: 20, connection: 2 }),
          Faults.badAck("repeated", { nth: 2, connection: 3 })
        )
        yield* first.run
        const trace = yield* first.local.trace
        const again = yield* Effect.gen(function* () {
          const second = yield* everything
          yield* second.local.replay(trace)
          yield* second.run
          return yield* second.local.trace
        }).pipe(Effect.provide(ZerobusLocal.layerServerMemory()))
        const faults = linesOf(trace).filter(({ event }) => event === "fault")
        assert.deepStrictEqual(
          faults.map(({ at, connection }) => [at, connection]),
          [
            ["create", 1],
            ["durable", 2],
            ["ack", 3]
          ]
        )
        assert.deepStrictEqual(story(again), story(trace))
      })
    )
  }
)
