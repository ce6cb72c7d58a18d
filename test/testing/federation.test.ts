/**
 * The token exchange of the local server, and the client's federated credentials against it, over
 * real sockets.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, FileSystem, Layer, Redacted } from "effect"
import { Credentials, StreamPool, TableProperties, UnityCatalog, Zerobus } from "effect-zerobus"
import {
  ZerobusLocal,
  type ZerobusLocalOptions,
  type ZerobusLocalShape
} from "effect-zerobus/testing"
import { createSecretKey, generateKeyPairSync } from "node:crypto"
import { testIssuer, unsignedJwt } from "../support/jwt.ts"
import { tokenForm } from "../support/rawStream.ts"

const table = "main.default.orders"
const issuer = "https://idp.example.com"
const idp = testIssuer("EdDSA")
const inAnHour = Math.floor(Date.now() / 1000) + 3600
const claims = { iss: issuer, sub: "system:serviceaccount:apps:writer", exp: inAnHour }
const trusting: ZerobusLocalOptions = {
  trustedIssuers: [{ issuer, keys: idp.pem, audience: "zerobus" }],
  subjects: [claims.sub],
  principals: [{ clientId: "reader", subjects: ["reader@idp"], grants: [] }]
}
const jwt = idp.sign({ ...claims, aud: ["other", "zerobus"] })

const form = (change: Record<string, string | undefined> = {}): Record<string, string> => {
  const all = {
    ...tokenForm(table),
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    subject_token: jwt,
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    ...change
  }
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined)
  )
}

/** Posts a form without HTTP Basic. */
const post = (local: ZerobusLocalShape, body: Record<string, string>) =>
  Effect.promise(async () => {
    const response = await fetch(`${local.workspaceUrl}/oidc/v1/token`, {
      method: "POST",
      body: new URLSearchParams(body)
    })
    return { status: response.status, body: (await response.json()) as Record<string, any> }
  })

const onServer = <A, E, R>(options: ZerobusLocalOptions, program: Effect.Effect<A, E, R>) =>
  program.pipe(Effect.scoped, Effect.provide(ZerobusLocal.layerServerMemory(options)))

const subject = (text: string) => Effect.succeed(Redacted.make(text))

describe("a local server that trusts an identity provider", () => {
  it.live(
    "FE-22 FE-21 takes streams, pools, shared connections and catalog reads with its tokens",
    () =>
      onServer(
        trusting,
        Effect.gen(function* () {
          const local = yield* ZerobusLocal
          yield* local.createTable(`${table}(n INT)`)
          const { serverEndpoint, workspaceUrl } = local
          let number = 0
          for (const credentials of [
            Credentials.federated({ subjectToken: subject(jwt) }),
            Credentials.federated({ subjectToken: subject(jwt), clientId: local.clientId })
          ]) {
            const settings = {
              serverEndpoint,
              workspaceUrl,
              credentials,
              proxy: false,
              connectionPerStream: false
            } as const
            const context = yield* Layer.build(
              Layer.merge(
                Zerobus.layer(settings),
                UnityCatalog.layer({ workspaceUrl, credentials, proxy: false })
              )
            )
            yield* Effect.gen(function* () {
              const zerobus = yield* Zerobus
              const properties = TableProperties.json(table)
              const streams = yield* Effect.forEach([0, 1], () => zerobus.createStream(properties))
              for (const stream of streams) yield* stream.ingestRecord({ n: number++ })
              for (const stream of streams) yield* stream.close
              const pool = yield* StreamPool.make({ maxOpen: 1, idleTimeToLive: "1 minute" })
              yield* pool.ingest(properties, { n: number++ })
              yield* pool.flush
              const { definition } = yield* UnityCatalog.use((catalog) => catalog.getTable(table))
              assert.deepStrictEqual(
                definition.columns.map(({ name }) => name),
                ["n"]
              )
            }).pipe(Effect.provide(context))
          }
          const rows = yield* local.records({ tableName: table })
          assert.sameMembers(
            rows.map(({ n }) => n as number),
            [0, 1, 2, 3, 4, 5]
          )
        })
      )
  )

  it.live("FE-26 finds the principal by subject, with its grants", () =>
    onServer(
      trusting,
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        yield* local.createTable(`${table}(n INT)`)
        const { serverEndpoint, workspaceUrl } = local
        const as = (sub: string, clientId?: string) => {
          const subjectToken = subject(idp.sign({ ...claims, sub, aud: "zerobus" }))
          const credentials = Credentials.federated({ subjectToken, clientId })
          return Layer.build(
            Zerobus.layer({ serverEndpoint, workspaceUrl, credentials, proxy: false })
          ).pipe(
            Effect.flatMap((context) =>
              Context.get(context, Zerobus).createStream(TableProperties.json(table))
            ),
            Effect.result,
            Effect.map((result) => (result._tag === "Success" ? "opened" : result.failure._tag))
          )
        }
        assert.deepStrictEqual(
          [
            yield* as(claims.sub),
            yield* as("local-client"),
            yield* as("reader@idp"),
            yield* as("reader"),
            yield* as("nobody"),
            yield* as("reader@idp", "local-client"),
            yield* as("reader@idp", "nobody")
          ],
          [
            "opened",
            "opened",
            "PermissionDenied",
            "PermissionDenied",
            "InvalidToken",
            "InvalidToken",
            "InvalidToken"
          ]
        )
      })
    )
  )

  const forms: ReadonlyArray<
    readonly [
      title: string,
      change: Record<string, string | undefined>,
      status: number,
      error: string,
      text: RegExp
    ]
  > = [
    [
      "no subject_token",
      { subject_token: undefined },
      400,
      "invalid_request",
      /subject_token is missing/
    ],
    [
      "no type",
      { subject_token_type: undefined },
      400,
      "invalid_request",
      /subject_token_type is missing/
    ],
    ["another type", { subject_token_type: "urn:x" }, 400, "invalid_request", /token-type:jwt/],
    [
      "another grant",
      { grant_type: "password" },
      400,
      "unsupported_grant_type",
      /client_credentials or .*token-exch/
    ],
    ["no grant", { grant_type: undefined }, 400, "invalid_request", /grant_type is missing/],
    ["a secret's grant", { grant_type: "client_credentials" }, 401, "invalid_client", /HTTP Basic/],
    ["no JWT", { subject_token: "opaque" }, 400, "invalid_request", /is not a JWT/],
    ["an unknown client", { client_id: "nobody" }, 401, "invalid_client", /no service principal/],
    ["no scope", { scope: undefined }, 400, "invalid_request", /scope is missing/],
    ["another resource", { resource: "x" }, 400, "invalid_request", /resource/]
  ]
  for (const [title, change, status, error, text] of forms) {
    it.live(`FE-23 says what is wrong with ${title}`, () =>
      onServer(
        trusting,
        Effect.gen(function* () {
          const answer = yield* post(yield* ZerobusLocal, form(change))
          assert.deepStrictEqual([answer.status, answer.body["error"]], [status, error])
          assert.match(answer.body["error_description"], text)
        })
      )
    )
  }

  it.live(
    "FE-24 takes Ed25519, RSA and P-256 of PEM and JWKS, and bounds the token by the subject's end",
    () =>
      Effect.gen(function* () {
        for (const algorithm of ["EdDSA", "RS256", "ES256"] as const) {
          const own = testIssuer(algorithm)
          const other = testIssuer(algorithm)
          const jwk = { ...own.publicKey.export({ format: "jwk" }), kid: "k1", use: "sig" }
          const foreign = { kty: "oct", k: "c2VjcmV0", kid: "k2" }
          for (const keys of [
            own.pem,
            JSON.stringify({ keys: [foreign, jwk] }),
            JSON.stringify(jwk)
          ]) {
            yield* onServer(
              { trustedIssuers: [{ issuer, keys }] },
              Effect.gen(function* () {
                const local = yield* ZerobusLocal
                const ofSubject = {
                  iss: issuer,
                  sub: "local-client",
                  exp: Math.floor(Date.now() / 1000) + 600
                }
                const given = yield* post(
                  local,
                  form({ subject_token: own.sign(ofSubject, { kid: "k1" }) })
                )
                assert.strictEqual(given.status, 200, algorithm)
                assert.isAtMost(given.body["expires_in"], 600)
                assert.isAbove(given.body["expires_in"], 0)
                const forged = yield* post(
                  local,
                  form({ subject_token: other.sign(ofSubject, { kid: "k1" }) })
                )
                assert.deepStrictEqual(
                  [forged.status, forged.body["error"]],
                  [400, "invalid_grant"]
                )
              })
            )
          }
        }
      })
  )

  /** A token signed with the public key as the HMAC secret, which a careless check accepts. */
  const confused = (): string => {
    const hmac = createSecretKey(Buffer.from(idp.pem))
    assert.strictEqual(hmac.type, "secret")
    return idp.sign({ ...claims, aud: "zerobus" }, { alg: "HS256" })
  }
  const refusals: ReadonlyArray<readonly [title: string, token: () => string, text: RegExp]> = [
    [
      "another issuer",
      () => idp.sign({ ...claims, iss: "https://other", aud: "zerobus" }),
      /issuer \(iss\)/
    ],
    ["another audience", () => idp.sign({ ...claims, aud: "x" }), /audience/],
    ["no audience", () => idp.sign(claims), /audience/],
    ["an end in the past", () => idp.sign({ ...claims, aud: "zerobus", exp: 1 }), /has expired/],
    ["no end", () => idp.sign({ iss: issuer, sub: "local-client", aud: "zerobus" }), /no expiry/],
    [
      "a begin to come",
      () => idp.sign({ ...claims, aud: "zerobus", nbf: inAnHour }),
      /not valid yet/
    ],
    [
      "the subject of no principal",
      () => idp.sign({ ...claims, aud: "zerobus", sub: "nobody" }),
      /acts as no service principal\. .*--subject NAME=SUBJECT/
    ],
    ["no subject", () => idp.sign({ iss: issuer, exp: inAnHour, aud: "zerobus" }), /no subject/],
    ["an algorithm of another key", confused, /signature/],
    [
      "another key's id",
      () => testIssuer("ES256").sign({ ...claims, aud: "zerobus" }),
      /signature/
    ],
    ["no signature", () => unsignedJwt({ ...claims, aud: "zerobus" }), /no signature/],
    [
      "a changed claim",
      () => jwt.replace(/\.[^.]+\./, `.${unsignedJwt(claims).split(".")[1]}.`),
      /signature|audience/
    ]
  ]
  for (const [title, token, text] of refusals) {
    it.live(`FE-24 refuses a token with ${title}`, () =>
      onServer(
        trusting,
        Effect.gen(function* () {
          const answer = yield* post(yield* ZerobusLocal, form({ subject_token: token() }))
          assert.deepStrictEqual([answer.status, answer.body["error"]], [400, "invalid_grant"])
          assert.match(answer.body["error_description"], text)
        })
      )
    )
  }

  it.live("FE-25 takes unsigned tokens in memory without trusted issuers, and not on disk", () =>
    Effect.gen(function* () {
      const given = form({ subject_token: unsignedJwt({ sub: "local-client" }) })
      const ask = Effect.flatMap(ZerobusLocal, (local) =>
        Effect.map(post(local, given), ({ status }) => status)
      )
      assert.strictEqual(yield* onServer({}, ask), 200)
      assert.strictEqual(yield* onServer(trusting, ask), 400)
      const files = yield* FileSystem.FileSystem
      const dataDir = yield* files.makeTempDirectoryScoped({ prefix: "zerobus-unsigned-" })
      assert.strictEqual(yield* Effect.provide(ask, ZerobusLocal.layerServer({ dataDir })), 400)
      const expired = form({ subject_token: unsignedJwt({ sub: "local-client", exp: 1 }) })
      const refused = yield* onServer(
        {},
        Effect.flatMap(ZerobusLocal, (local) => post(local, expired))
      )
      assert.match(refused.body["error_description"], /has expired/)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("FE-24 refuses keys that it cannot use, and subjects that are not one principal's", () =>
    Effect.gen(function* () {
      const start = (options: ZerobusLocalOptions) =>
        Effect.map(
          Effect.flip(Effect.scoped(Layer.build(ZerobusLocal.layerServerMemory(options)))),
          ({ message }) => message
        )
      const weak = generateKeyPairSync("rsa", { modulusLength: 1024 })
      const keys = (key: { readonly export: (options: any) => string | Buffer }, type: string) =>
        start({
          trustedIssuers: [{ issuer, keys: key.export({ type, format: "pem" }).toString() }]
        })
      assert.include(yield* keys(weak.publicKey, "spki"), "no key that can be used")
      assert.include(
        yield* keys(weak.privateKey, "pkcs8"),
        "has a private key; give the public one"
      )
      for (const text of [
        "",
        "{}",
        "[]",
        "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"
      ]) {
        assert.match(
          yield* start({ trustedIssuers: [{ issuer, keys: text }] }),
          /trustedIssuers.*cannot be used/
        )
      }
      assert.include(
        yield* start({ trustedIssuers: [{ issuer: " ", keys: idp.pem }] }),
        "an issuer without a name"
      )
      assert.match(
        yield* start({ subjects: ["s"], principals: [{ clientId: "reader", subjects: ["s"] }] }),
        /Two principals .* subject "s"/
      )
    })
  )
})
