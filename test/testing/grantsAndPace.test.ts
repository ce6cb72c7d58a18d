/** Service principals with grants, rate limits of a stream, and backpressure. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Redacted } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { type Grant, ZerobusLocal, type ZerobusLocalShape } from "effect-zerobus/testing"
import { makePrincipals } from "../../src/local/auth/principals.ts"
import { openCreated, openRaw, postToken, tokenForm } from "../support/rawStream.ts"

const table = "main.default.orders"
const all = ["USE CATALOG", "USE SCHEMA", "SELECT", "MODIFY"] as const
const secret = Redacted.make("reader-secret")
const withGrants = (grants: ReadonlyArray<Grant>) =>
  ZerobusLocal.layerServerMemory({
    principals: [{ clientId: "reader", clientSecret: secret, grants }]
  })

const tokenOf = (local: ZerobusLocalShape, form: Record<string, string>) =>
  Effect.map(
    postToken(local, form, `reader:${Redacted.value(secret)}`),
    ({ body }) => `Bearer ${body["access_token"]}`
  )

describe("grants", () => {
  const cases: ReadonlyArray<
    readonly [title: string, grants: ReadonlyArray<Grant>, missing: ReadonlyArray<string>]
  > = [
    ["nothing", [], all],
    ["everything on the catalog", [{ on: "main", privileges: all }], []],
    [
      "everything on the schema but the catalog's",
      [{ on: "main.default", privileges: all }],
      ["USE CATALOG"]
    ],
    [
      "everything on the table only",
      [{ on: table, privileges: all }],
      ["USE CATALOG", "USE SCHEMA"]
    ],
    [
      "each where it belongs, in other letters",
      [
        { on: "MAIN", privileges: ["USE CATALOG"] },
        { on: "main.DEFAULT", privileges: ["USE SCHEMA"] },
        { on: "main.default.Orders", privileges: ["SELECT", "MODIFY"] }
      ],
      []
    ],
    [
      "reading only",
      [{ on: "main", privileges: ["USE CATALOG", "USE SCHEMA", "SELECT"] }],
      ["MODIFY"]
    ],
    [
      "another table",
      [
        { on: "main", privileges: ["USE CATALOG", "USE SCHEMA"] },
        { on: "main.default.other", privileges: all }
      ],
      ["SELECT", "MODIFY"]
    ]
  ]
  for (const [title, grants, missing] of cases) {
    it(`of ${title} lack ${missing.length === 0 ? "nothing" : missing.join(", ")}`, () => {
      const principals = makePrincipals([{ clientId: "reader", clientSecret: secret, grants }])
      assert.deepStrictEqual(principals.missing("reader", table, all), missing)
    })
  }

  it.live(
    "without MODIFY refuse the stream with PERMISSION_DENIED, and let the table be read",
    () =>
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        yield* local.createTable(`${table}(id BIGINT)`)
        const stream = yield* openRaw(local.serverEndpoint, {
          "authorization": yield* tokenOf(local, tokenForm(table)),
          "x-databricks-zerobus-table-name": table
        })
        const end = yield* stream.end
        assert.strictEqual(end.code, 7)
        assert.match(end.message, /lacks MODIFY for main\.default\.orders/)
        const authorization = yield* tokenOf(local, {
          grant_type: "client_credentials",
          scope: "all-apis"
        })
        const url = `${local.workspaceUrl}/api/2.1/unity-catalog/tables`
        const get = (name: string) =>
          Effect.promise(() => fetch(`${url}/${name}`, { headers: { authorization } }))
        assert.strictEqual((yield* get(table)).status, 200)
        assert.strictEqual((yield* get("other.default.orders")).status, 403)
      }).pipe(
        Effect.provide(
          withGrants([{ on: "main", privileges: ["USE CATALOG", "USE SCHEMA", "SELECT"] }])
        )
      )
  )
})

describe("the pace of a stream", () => {
  it.live("slows it down, and loses nothing", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      yield* local.createTable(`${table}(id BIGINT)`)
      const zerobus = yield* Zerobus
      const start = yield* Clock.currentTimeMillis
      yield* zerobus.withStream(
        TableProperties.json(table),
        { batching: { maxRecords: 100 } },
        (stream) =>
          Effect.forEach(
            Array.from({ length: 3000 }, (_, id) => ({ id })),
            stream.ingestRecord,
            { discard: true }
          )
      )
      const seconds = ((yield* Clock.currentTimeMillis) - start) / 1000
      // 3,000 records at 10,000 a second take 0.3 s; the last ones may be early by one burst.
      assert.isAtLeast(seconds, 0.25)
      const audit = yield* local.audit(table)
      assert.strictEqual(audit.distinctRecords, 3000)
      assert.strictEqual(audit.duplicates, 0)
    }).pipe(Effect.provide(ZerobusLocal.layerMemoryWith({ rateLimit: { records: 10_000 } })))
  )
})

describe("acknowledgements", () => {
  it.live("wait for the interval that was asked for, and come at once at the half-close", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      yield* local.createTable(`${table}(id BIGINT)`)
      const { stream } = yield* openCreated(local, table)
      const send = (n: number) =>
        stream.send({ ingestRecord: { offsetId: n, jsonRecord: `{"id":${n}}` } })
      yield* send(0)
      assert.strictEqual((yield* stream.next).ingestRecordResponse?.durabilityAckUpToOffset, 0)
      for (let n = 1; n < 500; n++) yield* send(n)
      yield* local.waitFor(table, "message", 500)
      yield* stream.halfClose
      assert.strictEqual((yield* stream.end).code, 0)
      assert.strictEqual((yield* stream.next).ingestRecordResponse?.durabilityAckUpToOffset, 499)
      assert.strictEqual(yield* local.count(table, "acked"), 2)
    }).pipe(Effect.provide(ZerobusLocal.layerServerMemory({ ackInterval: "1 hour" })))
  )
})
