/**
 * Records through REST: durable when answered, all or none, with the same tokens and checks as a
 * stream.
 */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { ZerobusLocal } from "effect-zerobus/testing"
import { headersFor, postToken } from "../../support/rawStream.ts"

const table = "main.default.rest"

const post = Effect.fnUntraced(function* (body: string, name = table, authorization?: string) {
  const local = yield* ZerobusLocal
  const headers = {
    "authorization": authorization ?? (yield* headersFor(local, name)).authorization,
    "content-type": "application/json"
  }
  return yield* Effect.promise(async () => {
    const url = `${local.workspaceUrl}/zerobus/v1/tables/${encodeURIComponent(name)}/insert`
    const response = await fetch(url, { method: "POST", headers, body: Buffer.from(body) })
    return { status: response.status, body: (await response.json()) as Record<string, any> }
  })
})

layer(ZerobusLocal.layerServerMemory(), { excludeTestServices: true })("REST ingest", (it) => {
  it.effect("stores an array as it stands, strings with brackets included", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      yield* local.createTable(`${table}(id BIGINT, note STRING, tags ARRAY<STRING>)`)
      const body = ` [ {"id": "9007199254740993", "note": "a, ]} \\" [{", "tags": ["x", "y"]},
        {"id":2,"note":"\\\\","tags":[]} , {"id": 3} ]`
      assert.deepStrictEqual(yield* post(body), { status: 200, body: {} })
      assert.deepStrictEqual(yield* local.records(table), [
        { id: 9007199254740993n, note: 'a, ]} " [{', tags: ["x", "y"] },
        { id: 2n, note: "\\", tags: [] },
        { id: 3n, note: null, tags: null }
      ])
      assert.strictEqual((yield* local.counters).records, 3)
    })
  )

  it.effect("stores nothing of an array with one bad record", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      yield* local.createTable("main.default.rest_bad(id INT)")
      const answer = yield* post('[{"id":1},{"id":"two"},{"id":3}]', "main.default.rest_bad")
      assert.strictEqual(answer.status, 400)
      assert.strictEqual(answer.body["error_code"], "INVALID_PARAMETER_VALUE")
      assert.match(answer.body["message"], /Record 1 .*column id/)
      assert.notInclude(answer.body["message"], "two")
      assert.deepStrictEqual(yield* local.records("main.default.rest_bad"), [])
    })
  )

  const bad: ReadonlyArray<readonly [title: string, body: string, text: RegExp]> = [
    ["one object", '{"id":1}', /must be a JSON array/],
    ["an empty array", "[]", /no record/],
    ["no JSON", "[{", /not JSON/],
    ["an array of numbers", "[1]", /Record 0/],
    [
      "a number that would not survive reading",
      '[{"id":1},{"id":9007199254740993}]',
      /Record 1 .*beyond 2\^53/
    ]
  ]
  for (const [title, body, text] of bad) {
    it.effect(`refuses ${title}`, () =>
      Effect.gen(function* () {
        const answer = yield* post(body)
        assert.strictEqual(answer.status, 400)
        assert.match(answer.body["message"], text)
      })
    )
  }

  it.effect("refuses an unknown table, a foreign token, and none", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      assert.strictEqual((yield* post('[{"id":1}]', "main.default.nowhere")).status, 404)
      assert.strictEqual((yield* post('[{"id":1}]', "no-table")).status, 400)
      const other = (yield* headersFor(local, "main.default.other")).authorization
      assert.strictEqual((yield* post('[{"id":1}]', table, other)).status, 401)
      assert.strictEqual((yield* post('[{"id":1}]', table, "")).status, 401)
      const catalog = yield* postToken(local, {
        grant_type: "client_credentials",
        scope: "all-apis"
      })
      assert.strictEqual(
        (yield* post('[{"id":1}]', table, `Bearer ${catalog.body["access_token"]}`)).status,
        401
      )
    })
  )

  it.effect("bounds the body", () =>
    Effect.gen(function* () {
      const answer = yield* post(" ".repeat(11 * 1024 * 1024)).pipe(
        Effect.map(({ status }) => status),
        // The server may close the connection while the rest is still being sent.
        Effect.catchCause(() => Effect.succeed(413))
      )
      assert.strictEqual(answer, 413)
    })
  )
})
