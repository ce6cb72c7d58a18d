/** The OAuth client with a real HTTP server on loopback. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Logger, Redacted, References, Schedule } from "effect"
import { TestClock } from "effect/testing"
import {
  HeadersProvider,
  Retryable,
  RetryableReason,
  TableProperties,
  Zerobus,
  type ZerobusOptions
} from "effect-zerobus"
import * as Credentials from "../../src/Credentials.ts"
import * as MemoryTransport from "../../src/testing/MemoryTransport.ts"
import * as A from "../support/acceptance.ts"
import { code, type Script, ScriptedServer } from "../support/scriptedServer.ts"
import { minted, type TokenAnswer, tokenServer } from "../support/tokenServer.ts"

const clientId = "client-7"
const clientSecret = "canary-secret"
const tableName = "main.default.readings"

const optionsFor = (workspaceUrl: string): ZerobusOptions => ({
  serverEndpoint: "https://1234.zerobus.us-west-2.cloud.databricks.com",
  workspaceUrl,
  clientId,
  clientSecret: Redacted.make(clientSecret),
  proxy: false
})

/** The headers provider of OAuth credentials, with a token endpoint that returns these answers. */
const oauth = (answers: ReadonlyArray<TokenAnswer>, options: Partial<ZerobusOptions> = {}) =>
  Effect.gen(function* () {
    const tokens = yield* tokenServer(...answers)
    const context = yield* Layer.build(Credentials.layer({ ...optionsFor(tokens.url), ...options }))
    const provider = Context.get(context, HeadersProvider)
    const token = (table = tableName) =>
      Effect.map(provider.getHeaders(table), (headers) => headers["authorization"])
    return { tokens, provider, token, options: { ...optionsFor(tokens.url), ...options } }
  })

/** A client with real credentials and an in-memory transport. */
const clientWith = (answers: ReadonlyArray<TokenAnswer>, ...scripts: ReadonlyArray<Script>) =>
  Effect.gen(function* () {
    const parts = yield* oauth(answers)
    const server = new ScriptedServer(scripts)
    const context = yield* Layer.build(
      Zerobus.layerNoDeps.pipe(
        Layer.provide([
          MemoryTransport.layer(server.serve),
          Layer.succeed(HeadersProvider, parts.provider)
        ])
      )
    )
    return { ...parts, server, zerobus: Context.get(context, Zerobus) }
  })

const rejecting = A.refusing(code.UNAUTHENTICATED)

describe("OAuth credentials", () => {
  it.live("HA-58 request with Basic auth a token narrowed to one table of one workspace", () =>
    Effect.gen(function* () {
      const { token, tokens } = yield* oauth([minted("t0")])
      assert.strictEqual(yield* token(), "Bearer t0")
      const [request] = tokens.requests
      assert.deepStrictEqual([request!.method, request!.path], ["POST", "/oidc/v1/token"])
      const basic = Buffer.from(`${clientId}:${clientSecret}`).toString("base64")
      assert.strictEqual(request!.headers.authorization, `Basic ${basic}`)
      assert.strictEqual(request!.headers["content-type"], "application/x-www-form-urlencoded")
      const { authorization_details, ...form } = Object.fromEntries(request!.form)
      assert.deepStrictEqual(form, {
        grant_type: "client_credentials",
        scope: "all-apis",
        resource: "api://databricks/workspaces/1234/zerobusDirectWriteApi"
      })
      const type = "unity_catalog_privileges"
      assert.deepStrictEqual(JSON.parse(authorization_details!), [
        { type, privileges: ["USE CATALOG"], object_type: "CATALOG", object_full_path: "main" },
        {
          type,
          privileges: ["USE SCHEMA"],
          object_type: "SCHEMA",
          object_full_path: "main.default"
        },
        {
          type,
          privileges: ["SELECT", "MODIFY"],
          object_type: "TABLE",
          object_full_path: tableName,
          operations: ["zerobuswrite"]
        }
      ])
    })
  )

  it.live(
    "HA-25 request one token for all streams of a table that open at the same time",
    () =>
      Effect.gen(function* () {
        const { server, tokens, zerobus } = yield* clientWith(
          [minted("t0"), minted("t1"), minted("t2")],
          {}
        )
        const other = TableProperties.json("main.default.others")
        yield* Effect.forEach(
          Array.from({ length: 1000 }, (_, n) => (n % 10 === 0 ? other : A.table)),
          (table) => zerobus.createStream(table),
          { concurrency: "unbounded", discard: true }
        )
        assert.lengthOf(tokens.requests, 2)
        const used = server.connections.map(({ headers }) => headers["authorization"]!)
        const counts = ["Bearer t0", "Bearer t1"].map(
          (token) => used.filter((value) => value === token).length
        )
        assert.deepStrictEqual(counts.sort(), [100, 900])
        assert.lengthOf(used, 1000)
      }),
    60_000
  )

  it.live("HA-24 HA-26 HA-27 HA-28 keep a token whose life is a number or text, and no other", () =>
    Effect.gen(function* () {
      for (const life of [3600, "3600", " 3600 ", 2 ** 60]) {
        const { token } = yield* oauth([minted("t0", { expires_in: life }), minted("t1")])
        assert.deepStrictEqual([yield* token(), yield* token()], ["Bearer t0", "Bearer t0"])
      }
      for (const life of [
        {},
        ...[null, 0, -5, 1.5, "soon", ""].map((expires_in) => ({ expires_in }))
      ]) {
        const { token } = yield* oauth([minted("t0", life), minted("t1", life)])
        assert.deepStrictEqual([yield* token(), yield* token()], ["Bearer t0", "Bearer t1"])
      }
    })
  )

  it.live(
    "HA-29 HA-31 fail retryably for 5xx, 408, 429 and an endpoint that cannot be reached",
    () =>
      Effect.gen(function* () {
        for (const status of [500, 502, 503, 504, 408, 429]) {
          const { token } = yield* oauth([
            { status, body: "busy", headers: { "retry-after": "7" } }
          ])
          const error = A.tagged(yield* Effect.flip(token()), "Retryable")
          assert.strictEqual(error.reason._tag, "TokenServiceUnavailable")
          assert.include(error.message, `${status}: busy`)
          if (error.reason._tag === "TokenServiceUnavailable")
            assert.strictEqual(error.reason.retryAfterMillis, 7000)
        }
        const gone = yield* Effect.scoped(tokenServer(minted("t0")))
        const { token } = yield* oauth([], { workspaceUrl: gone.url })
        assert.strictEqual(
          A.tagged(yield* Effect.flip(token()), "Retryable").reason._tag,
          "TokenServiceUnavailable"
        )
      })
  )

  it.effect(
    "HA-31 wait as long as the token endpoint requires, also beyond an attempt's limit",
    () =>
      Effect.gen(function* () {
        let asked = 0
        const busy = (retryAfterMillis: number) =>
          HeadersProvider.make({
            getHeaders: Effect.suspend(() => {
              const reason = RetryableReason.TokenServiceUnavailable({
                message: "Busy.",
                retryAfterMillis
              })
              return asked++ === 0
                ? Effect.fail(new Retryable({ reason, attempts: 1 }))
                : Effect.succeed({})
            })
          })
        const { zerobus } = yield* A.client()
        const options = { recoverySchedule: Schedule.spaced(10), scopeCloseTimeout: 0 }
        const creating = yield* A.started(
          zerobus.createStream(A.table, { ...options, headersProvider: busy(7000) })
        )
        yield* A.advance(6999, 1000)
        assert.isFalse(creating.done())
        yield* A.advance(1)
        creating.value()
        // Longer than the limit of one attempt, and it spends one retry.
        asked = 0
        const once = {
          recoverySchedule: Schedule.spaced(10).pipe(Schedule.upTo({ times: 1 })),
          scopeCloseTimeout: 0
        }
        const minutes = yield* A.started(
          zerobus.createStream(A.table, { ...once, headersProvider: busy(120_000) })
        )
        yield* A.advance(119_999, 10_000)
        assert.isFalse(minutes.done())
        yield* A.advance(1)
        minutes.value()
      })
  )

  it.live(
    "HA-30 HA-32 are permanently refused by 4xx, with status and body, without a secret in it",
    () =>
      Effect.gen(function* () {
        for (const status of [400, 401, 403, 404]) {
          const basic = Buffer.from(`${clientId}:${clientSecret}`).toString("base64")
          const { token, tokens } = yield* oauth([
            { status, body: { error: "invalid_client", seen: `${clientSecret} Basic ${basic}` } }
          ])
          const error = A.tagged(yield* Effect.flip(token()), "InvalidToken")
          assert.include(error.message, `${status}`)
          assert.include(error.message, "invalid_client")
          assert.notInclude(error.message, clientSecret)
          assert.notInclude(error.message, basic)
          assert.strictEqual(tokens.requests.length, 1)
        }
      })
  )

  it.live(
    "S-11 HA-07 HA-30 refuse answers that are no token: redirects, other JSON, illegal header " +
      "values, endless bodies",
    () =>
      Effect.gen(function* () {
        const bad: ReadonlyArray<TokenAnswer> = [
          { status: 302, headers: { location: "http://127.0.0.1:1/elsewhere" }, body: "" },
          { body: "<html>" },
          { body: [] },
          { body: {} },
          { body: { access_token: 5 } },
          { body: { access_token: "" } },
          { body: { access_token: "a\nb" } },
          { body: { access_token: "a\u010d" } },
          { body: { access_token: "x".repeat(20_000) } }
        ]
        for (const answer of bad) {
          const { token, tokens } = yield* oauth([answer])
          A.tagged(yield* Effect.flip(token()), "InvalidToken")
          assert.strictEqual(tokens.requests.length, 1)
        }
        const { token } = yield* oauth([
          { body: { access_token: "t", padding: "x".repeat(100_000) } }
        ])
        assert.include(A.tagged(yield* Effect.flip(token()), "Retryable").message, "larger")
      })
  )

  it.live("S-02 quote nothing of a success other than 200, and no secret by its name", () =>
    Effect.gen(function* () {
      for (const status of [201, 202, 203, 206]) {
        const { token } = yield* oauth([
          { status, body: { access_token: "opaque-canary", expires_in: 3600 } }
        ])
        const error = A.tagged(yield* Effect.flip(token()), "InvalidToken")
        assert.include(error.message, `answered ${status}.`)
        assert.notInclude(error.message, "canary")
      }
      const body = {
        error: "no",
        refresh_token: "opaque-canary",
        said: "client_secret=canary-2&id_token=canary-3"
      }
      for (const status of [400, 500]) {
        const { token } = yield* oauth([{ status, body }])
        const { message } = yield* Effect.flip(token())
        assert.include(message, '"error":"no"')
        assert.notInclude(message, "canary")
      }
    })
  )

  it.live(
    "HA-29 fail retryably for an answer that was cut off, and permanently for one that " +
      "is something else",
    () =>
      Effect.gen(function* () {
        for (const [body, tag] of [
          ['{"access_tok', "Retryable"],
          ['{"access_token":"t"', "Retryable"],
          ["", "Retryable"],
          ["<html>", "InvalidToken"],
          ["[", "InvalidToken"]
        ] as const) {
          const { token, tokens } = yield* oauth([{ body }])
          const error = yield* Effect.flip(token())
          assert.strictEqual(error._tag, tag, body)
          if (tag === "Retryable") assert.include(error.message, `${tokens.url} was cut off`)
        }
      })
  )

  it.effect(
    "HA-39 fall back to the valid token after half the stream's own limit when their renewal hangs",
    () =>
      Effect.gen(function* () {
        const { server, tokens, zerobus } = yield* clientWith([
          minted("t0", { expires_in: 600 }),
          "hang"
        ])
        const options = {
          recoveryTimeout: "2 seconds",
          recovery: false,
          scopeCloseTimeout: 0
        } as const
        const opened = yield* A.started(zerobus.createStream(A.table, options))
        yield* A.until("the first stream is open", opened.done)
        // Four minutes remain, and the renewal is due.
        yield* TestClock.adjust("6 minutes")
        const opening = yield* A.started(zerobus.createStream(A.table, options))
        yield* A.until("the token endpoint was asked", () => tokens.requests.length === 2)
        yield* A.advance(999)
        assert.isFalse(opening.done())
        yield* A.advance(1)
        opening.value()
        assert.deepStrictEqual(
          server.connections.map((connection) => connection.headers["authorization"]),
          ["Bearer t0", "Bearer t0"]
        )
      })
  )

  it.live("S-12 are never those of another client, of the same endpoint or of another", () =>
    Effect.gen(function* () {
      const tokens = yield* tokenServer(minted("t0"), minted("t1"), minted("t2"), minted("t3"))
      const elsewhere = yield* tokenServer(minted("other"))
      const seen: Array<string | undefined> = []
      const principals: ReadonlyArray<Partial<ZerobusOptions>> = [
        {},
        { clientId: "client-8" },
        { clientSecret: Redacted.make("rotated-secret") },
        { serverEndpoint: "https://5678.zerobus.us-west-2.cloud.databricks.com" },
        { workspaceUrl: elsewhere.url }
      ]
      for (const principal of principals) {
        const context = yield* Layer.build(
          Credentials.layer({ ...optionsFor(tokens.url), ...principal })
        )
        const { getHeaders } = Context.get(context, HeadersProvider)
        for (let n = 0; n < 2; n++) seen.push((yield* getHeaders(tableName))["authorization"])
      }
      const each = ["t0", "t1", "t2", "t3", "other"].map((token) => `Bearer ${token}`)
      assert.deepStrictEqual(
        seen,
        each.flatMap((token) => [token, token])
      )
    })
  )

  it.live("S-09 are not sent to where the endpoint redirects", () =>
    Effect.gen(function* () {
      const elsewhere = yield* tokenServer(minted("stolen"))
      for (const status of [301, 302, 303, 307, 308]) {
        const { token, tokens } = yield* oauth([
          { status, headers: { location: `${elsewhere.url}/oidc/v1/token` }, body: "" }
        ])
        assert.include(A.tagged(yield* Effect.flip(token()), "InvalidToken").message, "redirect")
        assert.strictEqual(tokens.requests.length, 1)
      }
      assert.strictEqual(elsewhere.requests.length, 0)
    })
  )

  it.effect(
    "HA-33 name the endpoint that does not answer, in the stream's limit and in their own",
    () =>
      Effect.gen(function* () {
        const { token, tokens, zerobus } = yield* clientWith(["hang"])
        const opening = yield* A.started(zerobus.createStream(A.table, { recovery: false }))
        yield* A.until("the token endpoint was asked", () => tokens.requests.length === 1)
        yield* A.advance(15_000)
        const limit = "Opening the stream took longer than 15000 ms (recoveryTimeout)"
        assert.strictEqual(
          A.tagged(opening.error(), "Retryable").message,
          `${limit}, waiting for the token endpoint at ${tokens.url}.`
        )
        const asking = yield* A.started(token())
        yield* A.advance(30_000)
        const ofCatalog = yield* A.started(Credentials.catalogToken(optionsFor(tokens.url)))
        yield* A.until("a token for the catalog was requested", () => tokens.requests.length === 3)
        yield* A.advance(30_000)
        assert.strictEqual(ofCatalog.error().message, asking.error().message)
        assert.strictEqual(
          asking.error().message,
          `The token endpoint at ${tokens.url} did not answer within 30000 ms.`
        )
      })
  )

  it.live("HA-33 end with the caller's own limit when the endpoint hangs", () =>
    Effect.gen(function* () {
      const { token } = yield* oauth(["hang"])
      const exit = yield* Effect.exit(Effect.timeout(token(), "30 millis"))
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(A.failureOf(exit)._tag, "TimeoutError")
    })
  )

  it.live("S-13 leave no request running when their caller has given up", () =>
    Effect.gen(function* () {
      const { token, tokens } = yield* oauth(["hang"])
      yield* Effect.exit(Effect.timeout(token(), "200 millis"))
      yield* tokens.abandoned
    })
  )

  it.live(
    "HA-57 request a separate token for the catalog, and leave the tables' tokens as they are",
    () =>
      Effect.gen(function* () {
        const { options, token, tokens } = yield* oauth([minted("t0"), minted("catalog")])
        yield* token()
        assert.strictEqual(Redacted.value(yield* Credentials.catalogToken(options)), "catalog")
        assert.deepStrictEqual(Object.fromEntries(tokens.requests[1]!.form), {
          grant_type: "client_credentials",
          scope: "all-apis"
        })
        assert.strictEqual(yield* token(), "Bearer t0")
        assert.strictEqual(tokens.requests.length, 2)
      })
  )

  it.live(
    "HA-59 accept https and loopback workspaces, and refuse anything else when the layer is built",
    () =>
      Effect.gen(function* () {
        const build = (workspaceUrl: string) =>
          Effect.exit(Effect.scoped(Layer.build(Credentials.layer(optionsFor(workspaceUrl)))))
        for (const good of [
          "https://dbc.cloud.databricks.com",
          "dbc.cloud.databricks.com",
          "http://127.0.0.1:8080",
          "http://localhost",
          "http://[::1]:1"
        ]) {
          assert.isTrue(Exit.isSuccess(yield* build(good)), good)
        }
        for (const bad of [
          "http://dbc.cloud.databricks.com",
          "ftp://host",
          "https://",
          "",
          "https://u:p@host",
          "https://host/path",
          "https://host?q"
        ]) {
          assert.strictEqual(A.failureOf(yield* build(bad))._tag, "InvalidEndpoint", bad)
        }
      })
  )

  it.effect("HA-60 log why a token could not be renewed, never a token or a secret", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ cause, message }) =>
        lines.push(JSON.stringify([message, String(cause)]))
      )
      yield* Effect.gen(function* () {
        const { token } = yield* oauth([
          minted("canary-token"),
          { status: 503, body: "canary-token" }
        ])
        yield* token()
        yield* TestClock.adjust("56 minutes")
        assert.strictEqual(yield* token(), "Bearer canary-token")
      }).pipe(
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, "All")
      )
      assert.include(lines.join("\n"), "could not be renewed")
      assert.notInclude(lines.join("\n"), "canary")
    })
  )

  it.live(
    "HA-63 HA-25 are tried again while a stream opens, and serve every stream of a client",
    () =>
      Effect.gen(function* () {
        const { server, tokens, zerobus } = yield* clientWith([
          { status: 503, body: "" },
          minted("t0")
        ])
        const options = { recoverySchedule: Schedule.spaced(1) }
        yield* zerobus.createStream(A.table, options)
        yield* zerobus.createStream(A.table, options)
        assert.deepStrictEqual(
          server.connections.map((connection) => connection.headers["authorization"]),
          ["Bearer t0", "Bearer t0"]
        )
        assert.strictEqual(tokens.requests.length, 2)
      })
  )

  it.live("HA-34 HA-64 HA-65 HA-53 are minted anew after a refusal, for that table only", () =>
    Effect.gen(function* () {
      const { provider, server, token, tokens, zerobus } = yield* clientWith(
        [minted("t0"), minted("b0"), minted("t1")],
        {},
        rejecting,
        {}
      )
      yield* zerobus.createStream(A.table)
      assert.strictEqual(yield* token("main.default.other"), "Bearer b0")
      yield* zerobus.createStream(A.table)
      assert.deepStrictEqual(
        server.connections.map((connection) => connection.headers["authorization"]),
        ["Bearer t0", "Bearer t0", "Bearer t1"]
      )
      // A late refusal of the old token leaves the new one alone.
      yield* provider.invalidate!(A.table.tableName, { authorization: "Bearer t0" })
      assert.strictEqual(yield* token(), "Bearer t1")
      assert.strictEqual(yield* token("main.default.other"), "Bearer b0")
      assert.strictEqual(tokens.requests.length, 3)
    })
  )
})
