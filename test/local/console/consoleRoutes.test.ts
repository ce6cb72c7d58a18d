/** The HTTP routes of the console: access, headers, and the view of a table. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { ZerobusLocal, type ZerobusLocalShape } from "effect-zerobus/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import type { ConsoleMessage } from "../../../src/local/console/consoleMessages.ts"
import { pageFiles } from "../../../scripts/consolePage.mjs"
import { eventStream, type HttpCall, httpCall } from "../../support/httpCall.ts"

const json = { "content-type": "application/json" }

const call = (local: ZerobusLocalShape, path: string, options: HttpCall = {}) =>
  httpCall(`${local.workspaceUrl}${path}`, options)

const tokenOf = (local: ZerobusLocalShape): string =>
  new URL(Redacted.value(local.consoleUrl!)).hash.slice(7)

/** A request of the page itself. */
const post = (
  local: ZerobusLocalShape,
  path: string,
  body: unknown,
  headers: Record<string, string> = {}
) =>
  call(local, path, {
    method: "POST",
    headers: { ...json, origin: local.workspaceUrl, ...headers },
    body: JSON.stringify(body)
  })

/** The cookie header of a session. */
const logIn = (local: ZerobusLocalShape) =>
  Effect.map(post(local, "/console/session", { token: tokenOf(local) }), ({ headers, status }) => {
    assert.strictEqual(status, 204)
    return { cookie: headers["set-cookie"]![0]!.split(";")[0]! }
  })

const server = ZerobusLocal.layerMemoryWith({ console: true })

layer(server, { excludeTestServices: true })("the page", (it) => {
  it.effect("comes without a session, under a policy that lets it load from its server alone", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      for (const path of [
        "/",
        "/console/console.js",
        "/console/console.css",
        "/console/icon.svg"
      ]) {
        const { headers, status } = yield* call(local, path)
        assert.strictEqual(status, 200, path)
        const policy = headers["content-security-policy"] as string
        assert.include(policy, "default-src 'none'")
        assert.include(policy, "frame-ancestors 'none'")
        assert.notMatch(policy, /unsafe|https?:|\*|data:/)
        assert.strictEqual(headers["x-content-type-options"], "nosniff")
        assert.strictEqual(headers["referrer-policy"], "no-referrer")
        assert.strictEqual(headers["cache-control"], "no-store")
        assert.isUndefined(headers["access-control-allow-origin"])
      }
    })
  )

  it.effect("has no script or style in its HTML, and no address of another server", () =>
    Effect.gen(function* () {
      const { text } = yield* call(yield* ZerobusLocal, "/")
      assert.notMatch(text, /<script(?![^>]*\bsrc="\/console\/)|<style|\sstyle=|\son\w+=|https?:/)
    })
  )

  it.effect.each([
    "/console",
    "/console/",
    "/console/index.html",
    "/console/nothing",
    "/console/../x",
    "/console/events/"
  ])("answers 404 to %s", (path) =>
    Effect.gen(function* () {
      const { status } = yield* call(yield* ZerobusLocal, path)
      assert.strictEqual(status, 404)
    })
  )

  it.effect("answers 405 to another method", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const wrong = [
        ["POST", "/"],
        ["DELETE", "/console/console.js"],
        ["POST", "/console/events"],
        ["GET", "/console/session"],
        ["GET", "/console/secret"],
        ["PUT", "/console/faults"]
      ] as const
      for (const [method, path] of wrong) {
        assert.strictEqual((yield* call(local, path, { method })).status, 405, `${method} ${path}`)
      }
    })
  )

  it.effect("has less than 60 KB to load, compressed", () =>
    Effect.gen(function* () {
      const files = yield* Effect.promise(pageFiles)
      const sizes = Object.values(files).map((text) => gzipSync(text, { level: 9 }).length)
      assert.isBelow(
        sizes.reduce((sum, size) => sum + size),
        60_000
      )
      assert.strictEqual(
        (yield* call(yield* ZerobusLocal, "/console/console.js")).text,
        files["console.js"]
      )
      assert.include(files["console.js"], "Permission is hereby granted")
    })
  )
})

layer(server, { excludeTestServices: true })("the session", (it) => {
  it.effect(
    "is given for the token of the link, in a cookie that scripts and other sites do not get",
    () =>
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        const { headers, status } = yield* post(local, "/console/session", {
          token: tokenOf(local)
        })
        assert.strictEqual(status, 204)
        const port = new URL(local.workspaceUrl).port
        assert.match(
          headers["set-cookie"]![0]!,
          new RegExp(
            `^zerobus_console_${port}=[\\w-]{43}; Path=/console; HttpOnly; SameSite=Strict$`
          )
        )
        assert.notInclude(headers["set-cookie"]![0]!, tokenOf(local))
      })
  )

  it.effect("is not given for anything else", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const token = tokenOf(local)
      for (const wrong of ["", `${token}x`, token.slice(1), null, 1, [token], { token }]) {
        const { headers, status } = yield* post(local, "/console/session", { token: wrong })
        assert.strictEqual(status, 401)
        assert.isUndefined(headers["set-cookie"])
      }
      const bodies = [
        ["application/json", "{", 400],
        ["application/json", "null", 400],
        ["text/plain", JSON.stringify({ token }), 415],
        ["application/x-www-form-urlencoded", `token=${token}`, 415],
        ["application/json", `{"token":"${"x".repeat(2 * 1024 * 1024)}"}`, 413]
      ] as const
      for (const [type, body, expected] of bodies) {
        const headers = { "content-type": type, "origin": local.workspaceUrl }
        const { status } = yield* call(local, "/console/session", { method: "POST", headers, body })
        assert.strictEqual(status, expected, type)
      }
    })
  )

  it.effect(
    "is needed for every data and fault request, and what has the wrong cookie has none",
    () =>
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        const { cookie } = yield* logIn(local)
        const [name, value] = cookie.split("=") as [string, string]
        const cookies = [
          undefined,
          "",
          `${name}=`,
          `${name}=${value}x`,
          `x${cookie}`,
          `${name}x=${value}`,
          `a=b;${name}=1`
        ]
        for (const wrong of cookies) {
          const headers: Record<string, string> = wrong === undefined ? {} : { cookie: wrong }
          for (const path of ["/console/events", "/console/table?name=a.b.c"]) {
            assert.strictEqual(
              (yield* call(local, path, { headers })).status,
              401,
              `${path} ${wrong}`
            )
          }
          for (const path of ["/console/secret", "/console/faults"]) {
            const { status, text } = yield* post(
              local,
              path,
              { table: "a.b.c", fault: "stall" },
              headers
            )
            assert.strictEqual(status, 401, `${path} ${wrong}`)
            assert.notInclude(text, Redacted.value(local.clientSecret))
          }
        }
        assert.strictEqual(
          (yield* post(local, "/console/secret", {}, { cookie: `a=b; ${cookie}; c=d` })).status,
          200
        )
      })
  )

  it.effect("is accepted from pages of this origin only", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const session = yield* logIn(local)
      const port = new URL(local.workspaceUrl).port
      const foreign: ReadonlyArray<Record<string, string>> = [
        { origin: "http://evil.example" },
        { origin: "null" },
        { origin: "http://127.0.0.1:1" },
        { origin: `https://127.0.0.1:${port}` },
        { origin: `http://localhost:${port}` },
        { "sec-fetch-site": "same-site", "origin": local.workspaceUrl },
        { "sec-fetch-site": "cross-site", "origin": local.workspaceUrl },
        { "sec-fetch-site": "none", "origin": local.workspaceUrl }
      ]
      for (const headers of foreign) {
        const told = JSON.stringify(headers)
        for (const path of ["/console/secret", "/console/faults", "/console/session"]) {
          const { status } = yield* post(
            local,
            path,
            { token: tokenOf(local) },
            { ...session, ...headers }
          )
          assert.strictEqual(status, 403, `${path} ${told}`)
        }
        for (const path of ["/console/events", "/console/table?name=a.b.c"]) {
          const { status } = yield* call(local, path, { headers: { ...session, ...headers } })
          assert.strictEqual(status, 403, `${path} ${told}`)
        }
      }
      // A change without an Origin header does not come from a page.
      const { status } = yield* call(local, "/console/secret", {
        method: "POST",
        headers: { ...json, ...session }
      })
      assert.strictEqual(status, 403)
    })
  )

  it.effect("and the page are refused under another host name", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      for (const path of ["/", "/console/console.js", "/console/events"]) {
        const { status } = yield* call(local, path, { headers: { host: "rebound.example" } })
        assert.strictEqual(status, 421, path)
      }
    })
  )
})

layer(server, { excludeTestServices: true })("the data", (it) => {
  it.effect("are a live stream of messages, which holds no secret", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        const table = "main.default.live"
        yield* local.createTable(`${table}(id INT)`)
        const next = yield* eventStream(`${local.workspaceUrl}/console/events`, yield* logIn(local))
        const texts: Array<string> = []
        const message = Effect.map(next, (text) => {
          texts.push(text)
          return JSON.parse(text) as ConsoleMessage
        })
        const first = yield* message
        assert.strictEqual(first.server?.storage, "memory")
        assert.strictEqual(first.server?.environment["DATABRICKS_CLIENT_ID"], local.clientId)
        const zerobus = yield* Zerobus
        yield* zerobus.withStream(TableProperties.json(table), (stream) =>
          stream.ingestRecords([{ id: 1 }, { id: 2 }])
        )
        const seen = new Set<string>()
        while (!seen.has("Stream closed"))
          for (const { title } of (yield* message).events) seen.add(title)
        assert.isTrue(seen.has("Stream opened"))
        const rows = texts.flatMap((text) => (JSON.parse(text) as ConsoleMessage).tables)
        assert.strictEqual(rows.findLast(({ name }) => name === table)?.records, 2)
        assert.notInclude(texts.join(), Redacted.value(local.clientSecret))
        assert.notInclude(texts.join(), tokenOf(local))
      })
    )
  )

  it.effect("are refused to more pages than the server takes, until one is gone", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        const headers = yield* logIn(local)
        const url = `${local.workspaceUrl}/console/events`
        yield* Effect.scoped(
          Effect.gen(function* () {
            for (let n = 0; n < 16; n++) yield* yield* eventStream(url, headers)
            assert.strictEqual((yield* httpCall(url, { headers })).status, 503)
          })
        )
        // The server detects the closed connections one by one.
        const opened = yield* eventStream(url, headers).pipe(
          Effect.flatMap((next) => Effect.timeoutOption(next, 500)),
          Effect.repeat({ until: (found) => found._tag === "Some", times: 20 })
        )
        assert.strictEqual(opened._tag, "Some")
      })
    )
  )

  it.effect("give the secret to a request of its own", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const { body, headers } = yield* post(local, "/console/secret", {}, yield* logIn(local))
      assert.deepStrictEqual(body, { secret: Redacted.value(local.clientSecret) })
      assert.strictEqual(headers["cache-control"], "no-store")
    })
  )

  it.effect("show a table with its last rows, escaped and cut", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const table = "main.default.shown"
      yield* local.createTable(`${table}(id INT NOT NULL, text STRING, d DECIMAL(5,2))`)
      const records = Array.from({ length: 70 }, (_, id) => ({
        id,
        text: `<b>${id}</b>`,
        d: "1.5"
      }))
      records.push({ id: 70, text: `\u202e${"x".repeat(500)}`, d: "-2.25" })
      const zerobus = yield* Zerobus
      yield* zerobus.withStream(TableProperties.json(table), (stream) =>
        stream.ingestRecords(records)
      )
      const session = yield* logIn(local)
      const { body, status } = yield* call(local, `/console/table?name=MAIN.default.shown`, {
        headers: session
      })
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(body.columns[0], {
        name: "id",
        type: "int",
        nullable: false,
        partition: false
      })
      assert.strictEqual(body.rows.length, 50)
      assert.deepStrictEqual(body.rows[0], ["70", `\\u{202e}${"x".repeat(159)}…`, "-2.25"])
      assert.deepStrictEqual(body.rows[1], ["69", "<b>69</b>", "1.50"])
      assert.strictEqual(body.sql, `SELECT *\nFROM ${table}\nLIMIT 20`)
      for (const name of ["main.default.none", "", "..%2f..%2fetc", "%00"]) {
        assert.strictEqual(
          (yield* call(local, `/console/table?name=${name}`, { headers: session })).status,
          404,
          name
        )
      }
    })
  )

  it.effect("show no more than sixty columns of values", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const names = Array.from({ length: 500 }, (_, n) => `${"c".repeat(240)}_${n}`)
      yield* local.createTable(
        `main.default.wide(${names.map((name) => `${name} INT`).join(", ")})`
      )
      const zerobus = yield* Zerobus
      yield* zerobus.withStream(TableProperties.json("main.default.wide"), (stream) =>
        stream.ingestRecord({ [names[0]!]: 1 })
      )
      const { body } = yield* call(local, "/console/table?name=main.default.wide", {
        headers: yield* logIn(local)
      })
      assert.strictEqual(body.columns.length, 500)
      assert.strictEqual(body.rows[0].length, 60)
      assert.strictEqual(body.columnsLeftOut, 440)
    })
  )
})

layer(server, { excludeTestServices: true })("the faults", (it) => {
  it.effect.each([
    ["disconnect", 1],
    ["refuse", 1],
    ["expireToken", 1]
  ] as const)("%s strikes the next message, and the client goes on", ([fault, strikes]) =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const table = `main.default.${fault}`
      yield* local.createTable(`${table}(id INT)`)
      const zerobus = yield* Zerobus
      const stream = yield* zerobus.createStream(TableProperties.json(table))
      assert.strictEqual(
        (yield* post(local, "/console/faults", { table, fault }, yield* logIn(local))).status,
        204
      )
      yield* stream.ingestRecord({ id: 1 })
      yield* stream.flush
      assert.strictEqual(yield* local.count(table, "fault"), strikes)
      assert.strictEqual((yield* local.records(table)).length, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("stall holds acknowledgements until the faults are cleared", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const table = "main.default.stalled"
      yield* local.createTable(`${table}(id INT)`)
      const session = yield* logIn(local)
      const zerobus = yield* Zerobus
      const stream = yield* zerobus.createStream(TableProperties.json(table))
      yield* post(local, "/console/faults", { table, fault: "stall" }, session)
      const ack = yield* stream.ingestRecord({ id: 1 })
      yield* local.waitFor(table, "held")
      assert.strictEqual((yield* local.audit(table)).ackedRecords, 0)
      yield* post(local, "/console/faults", { table, fault: "clear" }, session)
      yield* ack.await
      yield* Effect.flatMap(stream.ingestRecord({ id: 2 }), (next) => next.await)
      assert.strictEqual(yield* local.count(table, "held"), 1)
    }).pipe(Effect.scoped)
  )

  it.effect("are refused for invalid tables and names", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const session = yield* logIn(local)
      const wrong = [
        [{ table: "main.default.none", fault: "stall" }, 404],
        [{ table: "main.default.none", fault: "toString" }, 400],
        [{ table: 7, fault: "stall" }, 400],
        [{ fault: "stall" }, 400],
        [[], 400]
      ] as const
      for (const [body, expected] of wrong) {
        assert.strictEqual((yield* post(local, "/console/faults", body, session)).status, expected)
      }
    })
  )
})

const serverOf = (dataDir: string) => ZerobusLocal.layer({ dataDir, console: true })

/**
 * The last commit is the one before the restart; its time may differ by the delay until it was
 * noted.
 */
const afterRestart = Effect.fnUntraced(function* (writtenAt: number) {
  const local = yield* ZerobusLocal
  const next = yield* eventStream(`${local.workspaceUrl}/console/events`, yield* logIn(local))
  const [row] = (JSON.parse(yield* next) as ConsoleMessage).tables
  assert.isAtMost(row!.writtenAt!, writtenAt)
  assert.isAbove(row!.writtenAt!, 0)
}, Effect.scoped)

describe("a server", () => {
  it.effect("has no console by default", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      assert.isUndefined(local.consoleUrl)
      for (const path of ["/", "/console/console.js", "/console/events"]) {
        assert.strictEqual((yield* call(local, path)).status, 404, path)
      }
    }).pipe(Effect.provide(Layer.fresh(ZerobusLocal.layerServerMemory())))
  )

  it.live(
    "on disk shows the size of its tables, rows of the newest files, and where they are",
    () => {
      const dataDir = mkdtempSync(join(tmpdir(), "zerobus-console-"))
      return Effect.gen(function* () {
        const local = yield* ZerobusLocal
        const table = "main.default.t"
        yield* local.createTable(`${table}(id INT)`)
        const zerobus = yield* Zerobus
        for (const from of [0, 40]) {
          yield* zerobus.withStream(TableProperties.json(table), (stream) =>
            stream.ingestRecords(Array.from({ length: 40 }, (_, n) => ({ id: from + n })))
          )
          yield* local.flush(table)
        }
        const session = yield* logIn(local)
        const { body } = yield* call(local, `/console/table?name=${table}`, { headers: session })
        assert.deepStrictEqual(
          body.rows.flat(),
          Array.from({ length: 50 }, (_, n) => String(79 - n))
        )
        assert.strictEqual(body.location, join(dataDir, "main/default/t"))
        const next = yield* eventStream(`${local.workspaceUrl}/console/events`, session)
        const { server, tables } = JSON.parse(yield* next) as ConsoleMessage
        assert.deepStrictEqual([server?.storage, server?.dataDir], ["disk", dataDir])
        const [row] = tables
        assert.deepStrictEqual([row?.rows, row?.files, row?.version], [80, 2, 2])
        assert.isNumber(row?.writtenAt)
        return row!.writtenAt!
      }).pipe(
        Effect.scoped,
        Effect.provide(serverOf(dataDir)),
        Effect.flatMap((writtenAt) => Effect.provide(afterRestart(writtenAt), serverOf(dataDir))),
        Effect.ensuring(Effect.sync(() => rmSync(dataDir, { recursive: true })))
      )
    }
  )
})
