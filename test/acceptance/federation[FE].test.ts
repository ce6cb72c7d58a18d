/** Credentials of another identity provider: the exchange of its token at a real HTTP server. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, ConfigProvider, Context, Data, Effect, Layer, Redacted, Result } from "effect"
import { TestClock } from "effect/testing"
import {
  Credentials,
  type FederatedCredentials,
  HeadersProvider,
  InvalidToken,
  type StreamFailure,
  UnityCatalog,
  unityCatalogConfig,
  Zerobus,
  zerobusConfig,
  type ZerobusOptions
} from "effect-zerobus"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import * as MemoryTransport from "../../src/testing/MemoryTransport.ts"
import * as A from "../support/acceptance.ts"
import { paddedJwt, unsignedJwt } from "../support/jwt.ts"
import { ScriptedServer } from "../support/scriptedServer.ts"
import { minted, type TokenAnswer, tokenServer } from "../support/tokenServer.ts"

const tableName = "main.default.readings"
const exchange = "urn:ietf:params:oauth:grant-type:token-exchange"

class VaultSealed extends Data.TaggedError("VaultSealed")<{ readonly message: string }> {}
class Vault extends Context.Service<Vault, { readonly jwt: Effect.Effect<string> }>()(
  "test/Vault"
) {}

/**
 * A supplier that returns these tokens in turn, and then repeats the last one. `state` is not part
 * of the credentials.
 */
const supplier = (...tokens: ReadonlyArray<string>) => {
  const state = { calls: 0 }
  const subjectToken = Effect.sync(() =>
    Redacted.make(tokens[Math.min(state.calls++, tokens.length - 1)]!)
  )
  return { state, subjectToken }
}

const settings = (workspaceUrl: string, credentials: FederatedCredentials): ZerobusOptions => ({
  serverEndpoint: "https://1234.zerobus.us-west-2.cloud.databricks.com",
  workspaceUrl,
  credentials,
  proxy: false
})

/** The provider of federated credentials, with a token endpoint that returns these answers. */
const federated = (
  credentials: FederatedCredentials,
  answers: ReadonlyArray<TokenAnswer>,
  options: Partial<ZerobusOptions> = {}
) =>
  Effect.gen(function* () {
    const tokens = yield* tokenServer(...answers)
    const provider = yield* Credentials.make({ ...settings(tokens.url, credentials), ...options })
    const token = Effect.map(provider.getHeaders(tableName), (headers) => headers["authorization"])
    return { provider, token, tokens }
  })

describe("federated credentials", () => {
  it.live(
    "HA-61 FE-01 FE-02 FE-03 exchange the subject token, with a client_id for a workload alone",
    () =>
      Effect.gen(function* () {
        const { subjectToken } = supplier("idp.jwt.token")
        const account = yield* federated(Credentials.federated({ subjectToken }), [minted("t0")])
        assert.strictEqual(yield* account.token, "Bearer t0")
        const workload = yield* federated(
          Credentials.federated({ subjectToken, clientId: "sp-7" }),
          [minted("t1")]
        )
        assert.strictEqual(yield* workload.token, "Bearer t1")

        const { credentials: _, ...plain } = settings("", {})
        const clientSecret = Redacted.make("secret")
        const oauth = yield* tokenServer(minted("t2"))
        const client = { ...plain, workspaceUrl: oauth.url, clientId: "c", clientSecret }
        yield* Effect.flatMap(Credentials.make(client), (provider) =>
          provider.getHeaders(tableName)
        )
        const { grant_type: __, ...scope } = Object.fromEntries(oauth.requests[0]!.form)
        assert.sameMembers(Object.keys(scope), ["scope", "resource", "authorization_details"])

        const form = {
          ...scope,
          grant_type: exchange,
          subject_token: "idp.jwt.token",
          subject_token_type: "urn:ietf:params:oauth:token-type:jwt"
        }
        assert.deepStrictEqual(Object.fromEntries(account.tokens.requests[0]!.form), form)
        assert.deepStrictEqual(Object.fromEntries(workload.tokens.requests[0]!.form), {
          ...form,
          client_id: "sp-7"
        })
        for (const { tokens } of [account, workload])
          assert.isUndefined(tokens.requests[0]!.headers.authorization)
      })
  )

  it.live(
    "FE-04 FE-05 run the supplier on a miss alone, and again once the token was rejected",
    () =>
      Effect.gen(function* () {
        const { state, subjectToken } = supplier("a.b.c", "d.e.f")
        const { provider, token, tokens } = yield* federated({ subjectToken }, [
          minted("t0"),
          minted("t1")
        ])
        const all = yield* Effect.all(
          Array.from({ length: 16 }, () => token),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual([...new Set(all), yield* token], ["Bearer t0", "Bearer t0"])
        assert.deepStrictEqual([state.calls, tokens.requests.length], [1, 1])
        yield* provider.invalidate!(tableName, { authorization: "Bearer other" })
        assert.strictEqual(yield* token, "Bearer t0")
        yield* provider.invalidate!(tableName, { authorization: "Bearer t0" })
        assert.strictEqual(yield* token, "Bearer t1")
        assert.deepStrictEqual(
          tokens.requests.map(({ form }) => form.get("subject_token")),
          ["a.b.c", "d.e.f"]
        )
      })
  )

  it.live("FE-06 share no token between two suppliers or two modes, also on one client", () =>
    Effect.gen(function* () {
      const tokens = yield* tokenServer(minted("t0"), minted("t1"), minted("t2"))
      const { subjectToken } = supplier("a.b.c")
      const server = new ScriptedServer([])
      const context = yield* Layer.build(
        Zerobus.layerNoDeps.pipe(
          Layer.provide([
            MemoryTransport.layer(server.serve),
            Credentials.layer(settings(tokens.url, Credentials.federated({ subjectToken })))
          ])
        )
      )
      const zerobus = Context.get(context, Zerobus)
      yield* zerobus.createStream(A.table)
      for (const other of [
        Credentials.federated({ subjectToken, clientId: "sp-7" }),
        Credentials.federated({ subjectToken: supplier("d.e.f").subjectToken })
      ]) {
        const headersProvider = yield* Credentials.make(settings(tokens.url, other))
        yield* zerobus.createStream(A.table, { headersProvider })
      }
      yield* zerobus.createStream(A.table)
      assert.deepStrictEqual(
        server.connections.map(({ headers }) => headers["authorization"]),
        ["Bearer t0", "Bearer t1", "Bearer t2", "Bearer t0"]
      )
    })
  )

  it.live("FE-07 FE-17 pass the failure of the supplier, typed, and do not keep it", () =>
    Effect.gen(function* () {
      let calls = 0
      const failures: ReadonlyArray<Effect.Effect<Redacted.Redacted<string>, unknown>> = [
        Effect.fail(new InvalidToken({ message: "The identity provider is not set up." })),
        Effect.fail(new VaultSealed({ message: "sealed, token eyJhbGciOi.eyJzdWIi.c2ln" })),
        Effect.die(new Error("no such file")),
        Effect.succeed("plain" as never),
        Effect.succeed(Redacted.make(" \n")),
        Effect.succeed(Redacted.make("two\nlines")),
        Effect.succeed(Redacted.make("x".repeat(16 * 1024 + 1)))
      ]
      const subjectToken = Effect.suspend(
        () => failures[calls++] ?? Effect.succeed(Redacted.make("a.b.c\n"))
      )
      const { token, tokens } = yield* federated(Credentials.federated({ subjectToken }), [
        minted("t0")
      ])
      const texts: Array<string> = []
      for (let n = 0; n < failures.length; n++) {
        const { _tag, message } = yield* Effect.flip(token)
        texts.push(`${_tag}: ${message}`)
      }
      assert.deepStrictEqual(texts, [
        "InvalidToken: The identity provider is not set up.",
        "Retryable: The supplier of the subject token failed: VaultSealed: sealed, token " +
          "<redacted>.",
        "Retryable: The supplier of the subject token failed: Error: no such file.",
        "InvalidToken: The subject token must be a text that is wrapped with Redacted.make.",
        "InvalidToken: The subject token is empty.",
        "InvalidToken: The subject token must be printable ASCII without blanks, at most 16384 " +
          "characters.",
        "InvalidToken: The subject token must be printable ASCII without blanks, at most 16384 " +
          "characters."
      ])
      assert.strictEqual(yield* token, "Bearer t0")
      assert.deepStrictEqual([calls, tokens.requests.length], [failures.length + 1, 1])
    })
  )

  it.effect(
    "FE-17 give a supplier that hangs 30 seconds, also one that cannot be interrupted",
    () =>
      Effect.gen(function* () {
        for (const subjectToken of [Effect.never, Effect.uninterruptible(Effect.never)]) {
          const { token } = yield* federated({ subjectToken }, [minted("t0")])
          const asked = yield* A.started(Effect.flip(token))
          yield* A.advance(29_999)
          assert.isFalse(asked.done())
          yield* A.advance(1)
          assert.strictEqual(
            A.tagged(asked.value(), "Retryable").message,
            "The supplier of the subject token took longer than 30000 ms."
          )
        }
      })
  )

  /** How many seconds the exchanged token is used; a renewal takes it up to its end. */
  const life = (subject: string, expires_in: number | undefined, upTo: number) =>
    Effect.gen(function* () {
      const { subjectToken } = supplier(subject)
      const answers = [minted("t0", { expires_in }), minted("t1", { expires_in })]
      const { token } = yield* federated({ subjectToken }, answers, {
        tokenCache: { refreshBuffer: 0 }
      })
      assert.strictEqual(yield* token, "Bearer t0")
      for (let seconds = 0; seconds <= upTo; seconds += 0.5) {
        // The subject token may have ended by then, so that there is no next token.
        if ((yield* Effect.orElseSucceed(token, () => "none")) !== "Bearer t0") return seconds
        yield* TestClock.adjust("500 millis")
      }
      return Infinity
    })

  it.effect(
    "FE-08 FE-09 FE-10 FE-11 FE-13 FE-14 use a token until the earlier of its own end and the " +
      "subject's",
    () =>
      Effect.gen(function* () {
        // The virtual clock starts at the epoch.
        assert.strictEqual(yield* life(unsignedJwt({ exp: 120 }), 3600, 130), 120)
        const later = (seconds: number) =>
          Effect.map(Clock.currentTimeMillis, (now) => now / 1000 + seconds)
        assert.strictEqual(yield* life(unsignedJwt({ exp: yield* later(7200) }), 60, 70), 60)
        assert.strictEqual(yield* life("opaque-not-a-jwt", 60, 70), 60)
        assert.strictEqual(yield* life("a.b.c", 60, 70), 60)
        assert.strictEqual(yield* life(unsignedJwt({ exp: "120" }), 60, 70), 60)
        assert.strictEqual(yield* life(unsignedJwt({ sub: "s" }), 60, 70), 60)
        assert.strictEqual(yield* life(unsignedJwt({ exp: yield* later(120) }), undefined, 10), 0)
        const padded = paddedJwt({ exp: yield* later(120), iss: "z", a: "" })
        assert.include(padded, "=")
        assert.strictEqual(yield* life(padded, 3600, 130), 120)
        assert.strictEqual(
          yield* life(unsignedJwt({ exp: (yield* later(120)) + 0.5 }), 3600, 130),
          120.5
        )
      })
  )

  it.effect("FE-12 fail retryably for a subject token past its end, and take the next one", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      const { subjectToken } = supplier(
        unsignedJwt({ exp: 3540 }),
        unsignedJwt({ exp: 3600 }),
        unsignedJwt({ exp: 7200 })
      )
      const { token, tokens } = yield* federated({ subjectToken }, [minted("t2")])
      for (let n = 0; n < 2; n++) {
        const { message, reason } = A.tagged(yield* Effect.flip(token), "Retryable")
        assert.strictEqual(reason._tag, "TokenServiceUnavailable")
        assert.include(message, "The subject token is past its end (exp).")
      }
      // An endpoint would refuse them with `invalid_grant`, which is final.
      assert.strictEqual(tokens.requests.length, 0)
      assert.deepStrictEqual([yield* token, yield* token], ["Bearer t2", "Bearer t2"])
    })
  )

  it.effect("HA-62 FE-15 refuse a client id and a secret beside them", () =>
    Effect.gen(function* () {
      const { subjectToken } = supplier("a.b.c")
      const given = settings("https://w.example.com", Credentials.federated({ subjectToken }))
      const { serverEndpoint: _, ...catalog } = { ...given, workspaceUrl: "https://w.example.com" }
      const refused = (layer: Layer.Layer<any, StreamFailure>) =>
        Effect.map(
          Effect.flip(Effect.scoped(Layer.build(layer))),
          (error) => A.tagged(error, "InvalidArgument").message
        )
      for (const more of [{ clientId: "c" }, { clientSecret: Redacted.make("s") }]) {
        for (const layer of [
          Zerobus.layer({ ...given, ...more }),
          Credentials.layer({ ...given, ...more }),
          UnityCatalog.layer({ ...catalog, ...more })
        ]) {
          assert.match(yield* refused(layer), /leave them out.*Credentials\.federated/)
        }
      }
      const none = yield* Effect.flip(Credentials.make(settings("https://w.example.com", {})))
      assert.include(none.message, "needs one of subjectToken and subjectTokenFile")
    })
  )

  it.live("FE-16 open no persistent stream", () =>
    Effect.gen(function* () {
      const tokens = yield* tokenServer(minted("t0"))
      const { state, subjectToken } = supplier("a.b.c")
      const provider = yield* Credentials.make(settings(tokens.url, { subjectToken }))
      const server = new ScriptedServer([])
      const client = (own: HeadersProvider["Service"]) =>
        Effect.map(
          Layer.build(
            Zerobus.layerNoDeps.pipe(
              Layer.provide([
                MemoryTransport.layer(server.serve),
                Layer.succeed(HeadersProvider, own)
              ])
            )
          ),
          Context.get(Zerobus)
        )
      const ofClient = yield* client(provider)
      const ofStream = yield* client(HeadersProvider.make({ getHeaders: Effect.succeed({}) }))
      for (const refused of [
        ofClient.createPersistentStream(A.table),
        ofClient.resumePersistentStream(A.table, "id"),
        ofStream.createPersistentStream(A.table, { headersProvider: provider })
      ]) {
        assert.deepStrictEqual(A.tagged(yield* Effect.flip(refused), "InvalidArgument").path, [
          "headersProvider"
        ])
      }
      assert.deepStrictEqual([state.calls, server.connections.length], [0, 0])
    })
  )

  it.live("FE-18 say what to check when the exchange is refused, without the subject token", () =>
    Effect.gen(function* () {
      const canary = "canary-subject.a=b.c"
      const { subjectToken } = supplier(canary)
      const body = {
        error: "invalid_grant",
        error_description: `no policy for ${canary}, ${encodeURIComponent(canary)}`
      }
      const { token, tokens } = yield* federated({ subjectToken }, [{ status: 400, body }])
      const { message } = A.tagged(yield* Effect.flip(token), "InvalidToken")
      assert.match(
        message,
        /400.*invalid_grant.*Check the federation policy: issuer, audience and subject/
      )
      assert.notInclude(message, "canary")
      assert.strictEqual(tokens.requests.length, 1)
    })
  )

  it.effect("FE-19 are read from the environment, where a secret takes precedence", () =>
    Effect.gen(function* () {
      const read = (env: Record<string, string>) =>
        Effect.provideService(
          Effect.all([zerobusConfig, Effect.result(unityCatalogConfig)]),
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromEnv({
            env: {
              ZEROBUS_SERVER_ENDPOINT: "https://1.example.com",
              DATABRICKS_WORKSPACE_URL: "https://w",
              ...env
            }
          })
        )
      const file = { DATABRICKS_OIDC_TOKEN_FILEPATH: "/var/run/secrets/token" }
      const id = { DATABRICKS_CLIENT_ID: "sp-7" }
      const [ofFile, catalog] = yield* read({ ...file, DATABRICKS_OIDC_TOKEN: "a.b.c" })
      assert.deepStrictEqual(ofFile.credentials, {
        subjectTokenFile: "/var/run/secrets/token",
        clientId: undefined
      })
      assert.isUndefined(ofFile.clientId)
      assert.deepStrictEqual(Result.getOrThrow(catalog).credentials, ofFile.credentials)
      const [ofToken] = yield* read({ ...id, DATABRICKS_OIDC_TOKEN: "a.b.c" })
      assert.strictEqual(ofToken.credentials!.clientId, "sp-7")
      assert.strictEqual(Redacted.value(yield* ofToken.credentials!.subjectToken!), "a.b.c")
      const [ofSecret] = yield* read({ ...file, ...id, DATABRICKS_CLIENT_SECRET: "s" })
      assert.isUndefined(ofSecret.credentials)
      assert.strictEqual(ofSecret.clientId, "sp-7")
      const [, lacking] = yield* read(id)
      assert.isTrue(Result.isFailure(lacking))
    })
  )

  it.live("FE-20 read a file for each exchange, which the platform may replace", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "zerobus-token-"))),
        (path) => Effect.promise(() => Fs.rm(path, { recursive: true }))
      )
      const subjectTokenFile = Path.join(folder, "token")
      const { provider, token, tokens } = yield* federated(
        Credentials.federated({ subjectTokenFile }),
        [minted("t0"), minted("t1")]
      )
      assert.match(
        A.tagged(yield* Effect.flip(token), "Retryable").message,
        /cannot be read: ENOENT/
      )
      yield* Effect.promise(() => Fs.writeFile(subjectTokenFile, "a.b.c\n"))
      assert.strictEqual(yield* token, "Bearer t0")
      yield* Effect.promise(() => Fs.writeFile(subjectTokenFile, "d.e.f"))
      yield* provider.invalidate!(tableName, { authorization: "Bearer t0" })
      assert.strictEqual(yield* token, "Bearer t1")
      assert.deepStrictEqual(
        tokens.requests.map(({ form }) => form.get("subject_token")),
        ["a.b.c", "d.e.f"]
      )
    })
  )

  it.live("FE-04 take the services of the supplier where the client is built", () =>
    Effect.gen(function* () {
      const tokens = yield* tokenServer(minted("t0"))
      const subjectToken = Effect.flatMap(Vault, ({ jwt }) =>
        Effect.map(jwt, (text) => Redacted.make(text))
      )
      const { credentials: _, ...rest } = settings(tokens.url, {})
      const layer = Credentials.layer({
        ...rest,
        credentials: Credentials.federated({ subjectToken })
      })
      const vault = Layer.succeed(Vault, { jwt: Effect.succeed("vault.jwt.x") })
      const context = yield* Layer.build(Layer.provide(layer, vault))
      yield* Context.get(context, HeadersProvider).getHeaders(tableName)
      assert.strictEqual(tokens.requests[0]!.form.get("subject_token"), "vault.jwt.x")
    })
  )
})
