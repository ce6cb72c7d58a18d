/**
 * The HTTP endpoint: the form of the token endpoint, the tables API in the service's JSON, and the
 * access checks.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { UnityCatalog } from "effect-zerobus"
import { ZerobusLocal, type ZerobusLocalShape } from "effect-zerobus/testing"
import * as Http from "node:http"
import { headersFor, postToken, tokenForm } from "../../support/rawStream.ts"

const table = "main.default.orders"
const tables = "/api/2.1/unity-catalog/tables"

interface Answer {
  readonly status: number
  readonly body: Record<string, any>
  readonly headers: Http.IncomingHttpHeaders
}

/** A request with `node:http`, which allows any Host header. */
const request = (
  local: ZerobusLocalShape,
  method: string,
  path: string,
  options: { readonly headers?: Record<string, string>; readonly body?: string | Buffer } = {}
) =>
  Effect.callback<Answer, Error>((resume) => {
    const call = Http.request(
      `${local.workspaceUrl}${path}`,
      { method, headers: options.headers ?? {} },
      (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString()
          const body = response.headers["content-type"]?.includes("json")
            ? JSON.parse(text)
            : { text }
          resume(Effect.succeed({ status: response.statusCode!, body, headers: response.headers }))
        })
      }
    )
    call.on("error", (error) => resume(Effect.fail(error)))
    call.end(options.body)
  })

const catalogHeaders = (local: ZerobusLocalShape) =>
  Effect.map(
    postToken(local, { grant_type: "client_credentials", scope: "all-apis" }),
    ({ body }) => ({
      "authorization": `Bearer ${body["access_token"]}`,
      "content-type": "application/json"
    })
  )

layer(ZerobusLocal.layerServerMemory(), { excludeTestServices: true })(
  "the token endpoint",
  (it) => {
    it.effect("gives a token for a complete form", () =>
      Effect.gen(function* () {
        const { body, status } = yield* postToken(yield* ZerobusLocal, tokenForm(table))
        assert.strictEqual(status, 200)
        assert.strictEqual(body["token_type"], "Bearer")
        assert.strictEqual(body["expires_in"], 3600)
        assert.match(body["access_token"], /^[\w-]+\.[\w-]+$/)
      })
    )

    const without = (name: string) => {
      const { [name]: _, ...rest } = tokenForm(table)
      return rest
    }
    const details = (change: (entries: Array<any>) => void) => {
      const entries = JSON.parse(tokenForm(table)["authorization_details"]!)
      change(entries)
      return { ...tokenForm(table), authorization_details: JSON.stringify(entries) }
    }
    const forms: ReadonlyArray<
      readonly [title: string, form: Record<string, string>, error: string, text: RegExp]
    > = [
      ["no grant_type", without("grant_type"), "invalid_request", /grant_type is missing/],
      [
        "another grant_type",
        { ...tokenForm(table), grant_type: "password" },
        "unsupported_grant_type",
        /grant_type/
      ],
      ["no scope", without("scope"), "invalid_request", /scope is missing/],
      ["another scope", { ...tokenForm(table), scope: "sql" }, "invalid_scope", /scope/],
      [
        "no authorization_details",
        without("authorization_details"),
        "invalid_request",
        /authorization_details is missing/
      ],
      [
        "another resource",
        { ...tokenForm(table), resource: "x" },
        "invalid_request",
        /resource must read api:/
      ],
      [
        "details that are no JSON",
        { ...tokenForm(table), authorization_details: "{" },
        "invalid_request",
        /is not JSON/
      ],
      [
        "details that are no array",
        { ...tokenForm(table), authorization_details: "{}" },
        "invalid_request",
        /array/
      ],
      [
        "null among the details",
        { ...tokenForm(table), authorization_details: "[null]" },
        "invalid_request",
        /TABLE/
      ],
      ["no table", details((entries) => entries.pop()), "invalid_request", /object_type TABLE/],
      [
        "no catalog",
        details((entries) => entries.shift()),
        "invalid_request",
        /object_type CATALOG/
      ],
      [
        "another schema",
        details((entries) => (entries[1].object_full_path = "main.other")),
        "invalid_request",
        /main\.default/
      ],
      [
        "no MODIFY",
        details((entries) => (entries[2].privileges = ["SELECT"])),
        "invalid_request",
        /MODIFY/
      ],
      [
        "no USE SCHEMA",
        details((entries) => (entries[1].privileges = [])),
        "invalid_request",
        /USE SCHEMA/
      ],
      [
        "another operation",
        details((entries) => (entries[2].operations = ["read"])),
        "invalid_request",
        /zerobuswrite/
      ],
      [
        "no type",
        details((entries) => delete entries[0].type),
        "invalid_request",
        /unity_catalog_privileges/
      ]
    ]
    for (const [title, form, error, text] of forms) {
      it.effect(`says what is wrong with ${title}`, () =>
        Effect.gen(function* () {
          const { body, status } = yield* postToken(yield* ZerobusLocal, form)
          assert.strictEqual(status, 400)
          assert.strictEqual(body["error"], error)
          assert.match(body["error_description"], text)
        })
      )
    }

    it.effect("refuses a wrong secret, an unknown client and no credentials with 401", () =>
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        for (const credentials of [
          `${local.clientId}:wrong`,
          `nobody:${Redacted.value(local.clientSecret)}`,
          "",
          ":"
        ]) {
          const { body, status } = yield* postToken(local, tokenForm(table), credentials)
          assert.strictEqual(status, 401)
          assert.strictEqual(body["error"], "invalid_client")
        }
      })
    )
  }
)

layer(ZerobusLocal.layerServerMemory(), { excludeTestServices: true })("the tables API", (it) => {
  it.effect("creates, gets, lists and deletes", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const headers = yield* catalogHeaders(local)
      const body = JSON.stringify({
        catalog_name: "main",
        schema_name: "default",
        name: "orders",
        comment: "what was bought",
        columns: [
          {
            name: "id",
            type_text: "bigint",
            type_json: JSON.stringify({ name: "id", type: "long", nullable: false }),
            nullable: false,
            position: 0
          },
          { name: "price", type_text: "decimal(10,2)", position: 1, comment: "in euros" },
          { name: "place", type_text: "struct<lat:double,lon:double>", position: 2 },
          { name: "note", type_json: "string", position: 3 }
        ]
      })
      const created = yield* request(local, "POST", tables, { headers, body })
      assert.strictEqual(created.status, 200)
      const got = yield* request(local, "GET", `${tables}/${table}`, { headers })
      assert.deepStrictEqual(got.body, created.body)
      assert.strictEqual(got.body["full_name"], table)
      assert.strictEqual(got.body["data_source_format"], "DELTA")
      assert.strictEqual(got.body["comment"], "what was bought")
      assert.match(got.body["table_id"], /^[0-9a-f-]{36}$/)
      assert.deepInclude(got.body["columns"][0], {
        name: "id",
        type_name: "LONG",
        type_text: "bigint",
        position: 0,
        nullable: false
      })
      assert.deepInclude(got.body["columns"][1], {
        type_name: "DECIMAL",
        type_precision: 10,
        type_scale: 2,
        comment: "in euros",
        nullable: true
      })
      assert.deepStrictEqual(JSON.parse(got.body["columns"][2].type_json).type.fields[0], {
        name: "lat",
        type: "double",
        nullable: true,
        metadata: {}
      })
      const list = yield* request(local, "GET", `${tables}?catalog_name=main&schema_name=default`, {
        headers
      })
      assert.deepStrictEqual(
        list.body["tables"].map((entry: any) => entry.full_name),
        [table]
      )
      const again = yield* request(local, "POST", tables, { headers, body })
      assert.strictEqual(again.status, 409)
      assert.strictEqual(again.body["error_code"], "TABLE_ALREADY_EXISTS")
      assert.strictEqual(
        (yield* request(local, "DELETE", `${tables}/${table}`, { headers })).status,
        200
      )
      const gone = yield* request(local, "GET", `${tables}/${table}`, { headers })
      assert.strictEqual(gone.status, 404)
      assert.strictEqual(gone.body["error_code"], "TABLE_DOES_NOT_EXIST")
    })
  )

  it.effect("lists in pages", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const headers = yield* catalogHeaders(local)
      for (let n = 0; n < 5; n++) yield* local.createTable(`main.paged.t${n}(a INT)`)
      const names: Array<string> = []
      let page = ""
      do {
        const next = page === "" ? "" : `&page_token=${page}`
        const path = `${tables}?catalog_name=main&schema_name=paged&max_results=2${next}`
        const { body } = yield* request(local, "GET", path, { headers })
        assert.isAtMost(body["tables"].length, 2)
        names.push(...body["tables"].map((entry: any) => entry.name))
        page = body["next_page_token"] ?? ""
      } while (page !== "")
      assert.deepStrictEqual(names.sort(), ["t0", "t1", "t2", "t3", "t4"])
    })
  )

  it.effect("is what the client's own catalog module reads", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      yield* local.createTable(
        "main.default.typed(id BIGINT NOT NULL, tags ARRAY<STRING>, m MAP<STRING, INT>)"
      )
      const { clientId, clientSecret, workspaceUrl } = local
      const found = yield* UnityCatalog.use((catalog) =>
        catalog.getTable("main.default.typed")
      ).pipe(
        Effect.provide(UnityCatalog.layer({ workspaceUrl, clientId, clientSecret, proxy: false }))
      )
      const record = yield* Effect.flatMap(local.getTable("main.default.typed"), Effect.fromOption)
      assert.deepStrictEqual(
        found.definition.columns.map(({ name, nullable, type }) => ({ name, nullable, type })),
        record.definition.columns.map(({ name, nullable, type }) => ({ name, nullable, type }))
      )
    })
  )

  const bad: ReadonlyArray<readonly [title: string, body: string, status: number, text: RegExp]> = [
    ["no JSON", "{", 400, /not JSON/],
    ["an array", "[]", 400, /JSON object/],
    ["no name", "{}", 400, /catalog_name is missing/],
    [
      "a location on another host",
      '{"table_type":"EXTERNAL","storage_location":"file://host/main/default/t"}',
      400,
      /needs the storage_location file:/
    ],
    [
      "a location that is no path",
      '{"table_type":"EXTERNAL","storage_location":"file:///a%2Fb"}',
      400,
      /storage_location/
    ],
    ["no columns", '{"catalog_name":"a","schema_name":"b","name":"c"}', 400, /columns/],
    [
      "a column without a type",
      '{"catalog_name":"a","schema_name":"b","name":"c","columns":[{"name":"x"}]}',
      400,
      /Column x/
    ],
    [
      "an unknown type",
      '{"catalog_name":"a","schema_name":"b","name":"c","columns":[{"name":"x",' +
        '"type_text":"blob"}]}',
      400,
      /Column x/
    ],
    [
      "a path as a name",
      '{"catalog_name":"x/y","schema_name":"b","name":"c","columns":[{"name":"x",' +
        '"type_text":"int"}]}',
      400,
      /not allowed/
    ]
  ]
  for (const [title, body, status, text] of bad) {
    it.effect(`refuses to create from ${title}`, () =>
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        const answer = yield* request(local, "POST", tables, {
          headers: yield* catalogHeaders(local),
          body
        })
        assert.strictEqual(answer.status, status)
        assert.match(answer.body["message"], text)
      })
    )
  }

  it.effect("requires a catalog token", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const path = `${tables}/${table}`
      assert.strictEqual((yield* request(local, "GET", path)).status, 401)
      const made = yield* request(local, "GET", path, {
        headers: { authorization: "Bearer made.up" }
      })
      assert.strictEqual(made.status, 401)
      const { authorization } = yield* headersFor(local, table)
      const ingest = yield* request(local, "GET", path, { headers: { authorization } })
      assert.strictEqual(ingest.status, 403)
      assert.match(ingest.body["message"], /Zerobus writes only/)
    })
  )
})

layer(ZerobusLocal.layerServerMemory(), { excludeTestServices: true })("the HTTP face", (it) => {
  it.effect("answers a health check and shows its counters", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      assert.deepStrictEqual((yield* request(local, "GET", "/health")).body, { status: "ok" })
      const metrics = yield* request(local, "GET", "/metrics")
      assert.match(metrics.body["text"], /^zerobus_local_records_total 0$/m)
    })
  )

  it.effect("refuses requests for another host (V2)", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      for (const host of [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.localhost",
        "[::2]:80"
      ]) {
        const answer = yield* request(local, "GET", "/health", { headers: { host } })
        assert.strictEqual(answer.status, 421, host)
        assert.isUndefined(answer.headers["access-control-allow-origin"])
      }
      for (const host of ["localhost", "127.0.0.1:1234", "127.9.9.9", "[::1]:80", "LOCALHOST:9"]) {
        assert.strictEqual(
          (yield* request(local, "GET", "/health", { headers: { host } })).status,
          200,
          host
        )
      }
      const preflight = yield* request(local, "OPTIONS", "/oidc/v1/token", {
        headers: { origin: "http://evil.example" }
      })
      assert.isUndefined(preflight.headers["access-control-allow-origin"])
    })
  )

  it.effect("bounds bodies and headers (V6)", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const large = yield* request(local, "POST", "/oidc/v1/token", {
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: Buffer.alloc(3 * 1024 * 1024, 97)
      }).pipe(
        Effect.map((answer) => answer.status),
        // The server may close the connection while the rest is still being sent.
        Effect.orElseSucceed(() => 413)
      )
      assert.strictEqual(large, 413)
      const header = yield* request(local, "GET", "/health", {
        headers: { "x-large": "y".repeat(64 * 1024) }
      }).pipe(
        Effect.map((answer) => answer.status),
        Effect.orElseSucceed(() => 431)
      )
      assert.strictEqual(header, 431)
      assert.strictEqual((yield* request(local, "GET", "/health")).status, 200)
    })
  )

  it.effect("answers 404 to paths that look like a host", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      for (const path of ["//", "///", "//:0", "//[", "/\\", "//metrics"]) {
        const { body, status } = yield* request(local, "GET", path)
        assert.deepStrictEqual([status, body["error_code"]], [404, "ENDPOINT_NOT_FOUND"], path)
      }
    })
  )

  it.effect("refuses other paths and methods", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      assert.strictEqual((yield* request(local, "GET", "/../../etc/passwd")).status, 404)
      assert.strictEqual((yield* request(local, "GET", "/oidc/v1/token")).status, 405)
      assert.strictEqual((yield* request(local, "PATCH", tables)).status, 405)
      assert.strictEqual((yield* request(local, "GET", `${tables}/%E0%A4%A`)).status, 400)
    })
  )
})
