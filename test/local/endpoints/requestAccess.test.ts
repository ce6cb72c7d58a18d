/**
 * Which HTTP requests are accepted, by Host, Origin and Content-Type, with and without token
 * checks.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option } from "effect"
import {
  ZerobusLocal,
  type ZerobusLocalOptions,
  type ZerobusLocalShape
} from "effect-zerobus/testing"
import * as Http from "node:http"
import * as Os from "node:os"
import { postToken, tokenForm } from "../../support/rawStream.ts"

const table = "main.default.orders"
const tables = "/api/2.1/unity-catalog/tables"
const insert = `/zerobus/v1/tables/${table}/insert`

const serve = (options: ZerobusLocalOptions) =>
  Effect.map(Layer.build(ZerobusLocal.layerServerMemory(options)), (context) =>
    Context.get(context, ZerobusLocal)
  )

/** Sends a request; `host` is the address to connect to, if it differs from the server's URL. */
const send = (
  local: ZerobusLocalShape,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  { body = "", host }: { readonly body?: string; readonly host?: string } = {}
) =>
  Effect.callback<{ readonly status: number; readonly text: string }, Error>((resume) => {
    const url = new URL(path, local.workspaceUrl)
    if (host !== undefined) url.hostname = host
    const call = Http.request(
      url,
      { method, headers: { "content-length": String(body.length), ...headers } },
      (answer) => {
        let text = ""
        answer.on("data", (chunk: Buffer) => (text += chunk.toString()))
        answer.on("end", () => resume(Effect.succeed({ status: answer.statusCode!, text })))
      }
    )
    call.on("error", (error) => resume(Effect.fail(error)))
    call.end(body)
  })

const columns = [{ name: "id", type_text: "bigint", position: 0 }]
const other = JSON.stringify({
  catalog_name: "main",
  schema_name: "default",
  name: "made",
  columns
})

const catalogForm = { grant_type: "client_credentials", scope: "all-apis" }

/** All requests that change something, as a program sends them. */
const changes = [
  ["POST", tables, other],
  ["PATCH", `${tables}/${table}`, JSON.stringify({ columns })],
  ["DELETE", `${tables}/${table}`, ""],
  ["POST", insert, '[{"id":1}]']
] as const

describe.each([true, false])("with auth %s", (auth) => {
  const headersOf = (local: ZerobusLocalShape, path: string) =>
    Effect.map(
      path === insert ? postToken(local, tokenForm(table)) : postToken(local, catalogForm),
      ({ body }) => ({
        "authorization": `Bearer ${body["access_token"]}`,
        "content-type": "application/json"
      })
    )

  it.live("a request of a page of another origin changes nothing, whatever its token", () =>
    Effect.gen(function* () {
      const local = yield* serve({ auth })
      yield* local.createTable(`${table}(id BIGINT)`)
      for (const [method, path, body] of changes) {
        const headers = yield* headersOf(local, path)
        for (const foreign of [
          { origin: "http://evil.example" },
          { origin: "null" },
          { origin: local.serverEndpoint },
          { origin: local.workspaceUrl.replace("127.0.0.1", "localhost") },
          { "sec-fetch-site": "cross-site" },
          { "sec-fetch-site": "same-site" }
        ] satisfies ReadonlyArray<Record<string, string>>) {
          const { status, text } = yield* send(
            local,
            method,
            path,
            { ...headers, ...foreign },
            { body }
          )
          assert.deepStrictEqual(
            [status, JSON.parse(text).error_code],
            [403, "CROSS_ORIGIN"],
            `${method} ${path}`
          )
        }
      }
      const token = yield* send(local, "POST", "/oidc/v1/token", { origin: "http://evil.example" })
      assert.strictEqual(token.status, 403)
      assert.deepStrictEqual(yield* local.records(table), [])
      assert.isTrue(Option.isNone(yield* local.getTable("main.default.made")))
    })
  )

  it.live("a body of the kind that pages may post without asking is refused", () =>
    Effect.gen(function* () {
      const local = yield* serve({ auth })
      yield* local.createTable(`${table}(id BIGINT)`)
      for (const [method, path, body] of changes.filter(([method]) => method !== "DELETE")) {
        const { authorization } = yield* headersOf(local, path)
        for (const type of [
          "text/plain",
          "application/x-www-form-urlencoded",
          "multipart/form-data; boundary=a",
          ""
        ]) {
          const { status, text } = yield* send(
            local,
            method,
            path,
            { authorization, ...(type === "" ? {} : { "content-type": type }) },
            { body }
          )
          assert.strictEqual(status, 415, `${method} ${path} ${type}`)
          assert.match(JSON.parse(text).message, /Content-Type: application\/json/)
        }
      }
      const form = new URLSearchParams(catalogForm).toString()
      const plain = yield* send(
        local,
        "POST",
        "/oidc/v1/token",
        { "content-type": "text/plain" },
        { body: form }
      )
      assert.strictEqual(plain.status, 415)
      assert.deepStrictEqual(yield* local.records(table), [])
    })
  )

  it.live("programs, and pages of this very server, change what they may", () =>
    Effect.gen(function* () {
      const local = yield* serve({ auth })
      yield* local.createTable(`${table}(id BIGINT)`)
      for (const own of [
        {},
        { "origin": local.workspaceUrl, "sec-fetch-site": "same-origin" },
        { "sec-fetch-site": "none" }
      ] satisfies ReadonlyArray<Record<string, string>>) {
        const headers = {
          ...(yield* headersOf(local, insert)),
          "content-type": "application/json; charset=utf-8"
        }
        assert.strictEqual(
          (yield* send(local, "POST", insert, { ...headers, ...own }, { body: '[{"id":1}]' }))
            .status,
          200
        )
      }
      assert.lengthOf(yield* local.records(table), 3)
      // A page of another origin cannot read responses, because none has CORS headers.
      const health = yield* send(local, "GET", "/health", { origin: "http://evil.example" })
      assert.strictEqual(health.status, 200)
    })
  )
})

/** An address of this machine that is not loopback. */
const ownAddress = Object.values(Os.networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address

describe("a server that others may reach", () => {
  const options = { host: "0.0.0.0", allowRemote: true, hostNames: ["zerobus.test", "::9"] }

  it.live.runIf(ownAddress !== undefined)("answers under its address", () =>
    Effect.gen(function* () {
      const local = yield* serve(options)
      assert.strictEqual(
        (yield* send(local, "GET", "/health", {}, { host: ownAddress! })).status,
        200
      )
    })
  )

  it.live("answers under any address and the given names, and under no others", () =>
    Effect.gen(function* () {
      const local = yield* serve(options)
      const status = (host: string) =>
        Effect.map(send(local, "GET", "/health", { host }), (answer) => answer.status)
      for (const host of [
        "192.0.2.7:7171",
        "[2001:db8::1]:1",
        "zerobus.test",
        "ZEROBUS.test:80",
        "localhost:1",
        "[::9]"
      ]) {
        assert.strictEqual(yield* status(host), 200, host)
      }
      for (const host of [
        "machine",
        "a.zerobus.test",
        "zerobus.test.",
        "192.0.2.7.evil.example",
        "1.2.3",
        "[::1"
      ]) {
        assert.include([400, 421], yield* status(host), host)
      }
    })
  )

  it.live("on loopback answers under the given names, and under no other address", () =>
    Effect.gen(function* () {
      const local = yield* serve({ hostNames: ["host.docker.internal"] })
      const status = (host: string) =>
        Effect.map(send(local, "GET", "/health", { host }), (answer) => answer.status)
      assert.strictEqual(yield* status("host.docker.internal:7171"), 200)
      for (const host of ["192.0.2.7:7171", "[2001:db8::1]:1", "other.docker.internal"]) {
        assert.strictEqual(yield* status(host), 421, host)
      }
    })
  )

  it.live("refuses invalid names", () =>
    Effect.gen(function* () {
      for (const name of [
        "",
        "a b",
        "a:1",
        "http://a",
        "*.a",
        "1.2.3",
        "a..b",
        "-a",
        "é",
        "fe80::1%eth0",
        "a".repeat(64)
      ]) {
        const { message } = yield* Effect.flip(Effect.scoped(serve({ hostNames: [name] })))
        assert.match(
          message,
          /option hostNames of the local server must be names and addresses/,
          name
        )
      }
    })
  )
})
