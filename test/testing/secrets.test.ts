/** No message or log line of the server contains a secret, a token, a header or a record (V8). */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Redacted, References } from "effect"
import { ZerobusLocal } from "effect-zerobus/testing"
import { inspect } from "node:util"
import { headersFor, openCreated, openRaw, postToken, tokenForm } from "../support/rawStream.ts"

const table = "main.default.orders"
const canaries = {
  secret: "canary-secret-4711",
  record: "canary-record-4712",
  header: "canary-header-4713"
}

describe("secrets", () => {
  it.live("appear in no log, no answer, no metric and no audit text", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const collect = Logger.make(
        (entry) => void said.push(inspect([entry.message, entry.cause], { depth: 10 }))
      )
      const layer = ZerobusLocal.layerServerMemory({ clientSecret: Redacted.make(canaries.secret) })
      const tokens: Array<string> = []
      yield* Effect.gen(function* () {
        const local = yield* ZerobusLocal
        said.push(inspect(local, { depth: 10 }), JSON.stringify(local), String(local.clientSecret))
        yield* local.createTable(`${table}(id BIGINT)`)
        const { authorization } = yield* headersFor(local, table)
        tokens.push(authorization.slice("Bearer ".length))
        const attempts: ReadonlyArray<Record<string, string>> = [
          { authorization, "x-databricks-zerobus-table-name": "main.default.other" },
          {
            "authorization": `Bearer ${canaries.header}`,
            "x-databricks-zerobus-table-name": table
          },
          { "authorization": canaries.header, "x-databricks-zerobus-table-name": table }
        ]
        for (const headers of attempts)
          said.push(
            (yield* Effect.flatMap(openRaw(local.serverEndpoint, headers), (stream) => stream.end))
              .message
          )
        for (const jsonRecord of [
          `{"id":"${canaries.record}"}`,
          canaries.record,
          `{"${canaries.record}":1}`
        ]) {
          const { stream } = yield* openCreated(local, table)
          yield* stream.send({ ingestRecord: { offsetId: 0, jsonRecord } })
          const end = yield* stream.end
          assert.strictEqual(end.code, 3)
          // The name of an unknown column belongs to the client's schema and is not a value.
          if (!jsonRecord.startsWith(`{"${canaries.record}"`)) said.push(end.message)
        }
        const wrong = yield* postToken(
          local,
          tokenForm(table),
          `${local.clientId}:${canaries.header}`
        )
        said.push(JSON.stringify(wrong.body))
        const form = yield* postToken(local, {
          ...tokenForm(table),
          authorization_details: canaries.header
        })
        said.push(JSON.stringify(form.body))
        said.push(
          yield* Effect.promise(async () => (await fetch(`${local.workspaceUrl}/metrics`)).text())
        )
        const audit = yield* local.audit(table)
        said.push(inspect(audit, { depth: 10 }))
      }).pipe(
        Effect.scoped,
        Effect.provide(layer),
        Effect.provide(Logger.layer([collect])),
        Effect.provideService(References.MinimumLogLevel, "All")
      )
      const text = said.join("\n")
      for (const canary of [...Object.values(canaries), ...tokens]) assert.notInclude(text, canary)
      // The scan works: other text is found.
      assert.include(text, "not issued by this server")
      assert.include(text, "zerobus_local_records_total")
    })
  )
})
