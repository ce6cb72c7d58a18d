/**
 * `zerobus doctor`: its results with correct settings, and with each kind of wrong setting.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { connectProxy } from "../../support/connectProxy.ts"
import { unsignedJwt } from "../../support/jwt.ts"
import { type Environment, zerobus } from "../../support/commandLine.ts"
import { ZerobusLocal } from "../../../src/testing/index.ts"

interface Report {
  readonly ok: boolean
  readonly checks: ReadonlyArray<{
    readonly name: string
    readonly result: string
    readonly detail: string
    readonly advice?: string
  }>
}

const scope = Scope.makeUnsafe()
const served: Record<string, string> = {}
let reader: Environment
let refusing: Environment
let trusting: Environment

const environmentOf = (local: Context.Service.Shape<typeof ZerobusLocal>): Environment => ({
  ZEROBUS_SERVER_ENDPOINT: local.serverEndpoint,
  DATABRICKS_WORKSPACE_URL: local.workspaceUrl,
  DATABRICKS_CLIENT_ID: local.clientId,
  DATABRICKS_CLIENT_SECRET: Redacted.value(local.clientSecret)
})

beforeAll(() =>
  Effect.gen(function* () {
    const start = (options: Parameters<typeof ZerobusLocal.layerServerMemory>[0]) =>
      Effect.map(
        Layer.build(Layer.fresh(ZerobusLocal.layerServerMemory(options))),
        Context.get(ZerobusLocal)
      )
    const plain = yield* start({
      principals: [
        {
          clientId: "reader",
          clientSecret: Redacted.make("canary-reader"),
          grants: [{ on: "main", privileges: ["USE CATALOG", "USE SCHEMA", "SELECT"] }]
        },
        { clientId: "nobody", clientSecret: Redacted.make("canary-nobody"), grants: [] }
      ]
    })
    yield* plain.createTable("main.default.t(id BIGINT NOT NULL, name STRING)")
    Object.assign(served, environmentOf(plain))
    reader = {
      ...served,
      DATABRICKS_CLIENT_ID: "reader",
      DATABRICKS_CLIENT_SECRET: "canary-reader"
    }
    const proxy = yield* connectProxy({ refuse: 403 })
    refusing = {
      ...served,
      ZEROBUS_SERVER_ENDPOINT: "https://1.zerobus.eu.cloud.databricks.com",
      DATABRICKS_WORKSPACE_URL: "https://dbc-1.cloud.databricks.com",
      https_proxy: `http://user:canary@127.0.0.1:${proxy.port}`
    }
    trusting = environmentOf(yield* start({ tls: true }))
  }).pipe(Scope.provide(scope), Effect.runPromise)
)
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const table = ["--table", "main.default.t"]

/** Runs it twice: as JSON, and returns the report with the exit code, and as text. */
const examined = async (environment: Environment, args: ReadonlyArray<string> = table) => {
  const json = await zerobus(["doctor", ...args, "--json"], environment)
  const text = await zerobus(["doctor", ...args], environment)
  assert.strictEqual(text.code, json.code)
  const report = JSON.parse(json.out) as Report
  const all = json.out + json.err + text.out + text.err
  assert.notMatch(all, /canary|\n\s+at /)
  assert.notInclude(all, served["DATABRICKS_CLIENT_SECRET"]!)
  for (const { advice, detail, result } of report.checks) {
    if (result === "skipped") continue
    assert.include(text.out, detail)
    if (advice !== undefined) assert.include(text.out, advice)
  }
  const failed = report.checks.filter(({ result }) => result === "failed")
  const skipped = report.checks.filter(({ result }) => result === "skipped").map(({ name }) => name)
  return { code: json.code, report, failed, skipped, text: text.out }
}

describe("zerobus doctor", () => {
  it("finds nothing wrong with right settings, with a time for each check", async () => {
    const { code, report, skipped, text } = await examined(served)
    assert.deepStrictEqual(
      [code, report.ok, skipped],
      [0, true, ["workspace: TLS", "endpoint: TLS"]]
    )
    assert.deepStrictEqual(
      report.checks.map(({ name }) => name),
      [
        "settings",
        "endpoint form",
        "workspace form",
        "workspace: proxy",
        "workspace: name",
        "workspace: TCP",
        "workspace: TLS",
        "endpoint: proxy",
        "endpoint: name",
        "endpoint: TCP",
        "endpoint: TLS",
        "token",
        "privileges",
        "table",
        "schema",
        "stream"
      ]
    )
    assert.match(text, /^ok +stream +\d+ ms {2}opened and closed, without a record$/m)
    assert.match(text, /^ok +schema +\d+ ms {2}2 columns, 1 NOT NULL$/m)
  })

  it("accepts an identity provider's token instead of a secret, and names the checks", async () => {
    const { DATABRICKS_CLIENT_ID: _, DATABRICKS_CLIENT_SECRET: __, ...rest } = served
    const federated = (sub: string) => ({ ...rest, DATABRICKS_OIDC_TOKEN: unsignedJwt({ sub }) })
    const { code, report } = await examined(federated("local-client"))
    assert.deepStrictEqual([code, report.ok], [0, true])
    assert.strictEqual(
      report.checks[0]!.detail,
      "2 of 2 are set, and the token of an identity provider in place of a secret"
    )
    const [refused] = (await examined(federated("canary-somebody"))).failed
    assert.strictEqual(refused!.name, "token")
    assert.match(refused!.advice!, /federation policy that takes it: issuer, audience and subject/)
  })

  it("leaves out what needs a table when none is named", async () => {
    const { code, skipped } = await examined(served, [])
    assert.strictEqual(code, 0)
    assert.includeMembers([...skipped], ["privileges", "table", "schema", "stream"])
  })

  it("names settings that are missing", async () => {
    const { code, failed, skipped } = await examined({ DATABRICKS_CLIENT_ID: "me" })
    assert.deepStrictEqual([code, skipped.length], [2, 15])
    const missing =
      "ZEROBUS_SERVER_ENDPOINT, DATABRICKS_WORKSPACE_URL, DATABRICKS_CLIENT_SECRET are not set"
    assert.strictEqual(failed[0]!.detail, missing)
  })

  const swapped = (environment: Environment): Environment => ({
    ...environment,
    ZEROBUS_SERVER_ENDPOINT: environment["DATABRICKS_WORKSPACE_URL"]!,
    DATABRICKS_WORKSPACE_URL: environment["ZEROBUS_SERVER_ENDPOINT"]!
  })

  it("knows URLs that are swapped, by their form or by what answers", async () => {
    const [form] = (await examined({ ...swapped(refusing), https_proxy: "" })).failed
    assert.strictEqual(form!.name, "workspace form")
    assert.strictEqual(
      form!.advice,
      "ZEROBUS_SERVER_ENDPOINT and DATABRICKS_WORKSPACE_URL are swapped."
    )
    const local = await examined(swapped(served))
    assert.strictEqual(local.failed[0]!.name, "token")
    assert.match(
      local.failed[0]!.advice!,
      /Are ZEROBUS_SERVER_ENDPOINT and DATABRICKS_WORKSPACE_URL swapped\?/
    )
    const workspaceUrl = served["DATABRICKS_WORKSPACE_URL"]!
    const [same] = (await examined({ ...served, ZEROBUS_SERVER_ENDPOINT: workspaceUrl })).failed
    assert.strictEqual(same!.detail, `${workspaceUrl} is the endpoint of Zerobus too`)
  })

  it.each<readonly [what: string, change: Environment, name: string, says: RegExp]>([
    [
      "a URL with a path",
      { DATABRICKS_WORKSPACE_URL: "https://a.example/x" },
      "workspace form",
      /path/
    ],
    [
      "an endpoint that is none",
      { ZEROBUS_SERVER_ENDPOINT: "ftp://a" },
      "endpoint form",
      /scheme ftp/
    ],
    [
      "a host without an address",
      { ZEROBUS_SERVER_ENDPOINT: "https://no.invalid" },
      "endpoint: name",
      /no address/
    ],
    [
      "a server that is down",
      { ZEROBUS_SERVER_ENDPOINT: "http://127.0.0.1:1" },
      "endpoint: TCP",
      /ECONNREFUSED/
    ],
    [
      "a wrong secret",
      { DATABRICKS_CLIENT_SECRET: "wrong-secret" },
      "token",
      /unknown client id or wrong secret/
    ]
  ])("finds %s", async (_, change, name, says) => {
    const { code, failed } = await examined({ ...served, ...change })
    assert.strictEqual(failed[0]!.name, name)
    assert.match(failed[0]!.detail, says)
    const retryable = ["endpoint: name", "endpoint: TCP"].includes(name)
    assert.strictEqual(code, retryable ? 75 : 2)
  })

  it("finds a table that does not exist, and a name that is none", async () => {
    const missing = await examined(served, ["--table", "main.default.missing"])
    assert.deepStrictEqual(
      missing.failed.map(({ name }) => name),
      ["table", "stream"]
    )
    assert.match(missing.failed[0]!.advice!, /zerobus table create/)
    assert.notStrictEqual((await examined(served, ["--table", "nonsense\u001b[31m"])).code, 0)
  })

  it("finds privileges that are missing, with the statements that grant them", async () => {
    const nobody = {
      ...served,
      DATABRICKS_CLIENT_ID: "nobody",
      DATABRICKS_CLIENT_SECRET: "canary-nobody"
    }
    for (const [environment, name, client] of [
      [reader, "stream", "reader"],
      [nobody, "privileges", "nobody"]
    ] as const) {
      const { failed } = await examined(environment)
      assert.strictEqual(failed[0]!.name, name)
      assert.include(
        failed[0]!.advice!,
        `GRANT SELECT, MODIFY ON TABLE main.default.t TO \`${client}\`;`
      )
    }
  })

  it("finds a proxy that refuses, and a certificate that is not trusted", async () => {
    const { code, failed } = await examined(refusing)
    assert.strictEqual(code, 2)
    assert.match(failed[0]!.advice!, /Ask the proxy's administrators .*no_proxy/)
    assert.deepStrictEqual(
      failed.map(({ name }) => name),
      ["workspace: TLS", "endpoint: TLS"]
    )
    assert.match(
      failed[0]!.detail,
      /the proxy 127\.0\.0\.1:\d+ \(set by https_proxy\) refused the tunnel with 403/
    )
    const [untrusted] = (await examined(trusting)).failed
    assert.strictEqual(untrusted!.name, "workspace: TLS")
    assert.match(untrusted!.advice!, /NODE_EXTRA_CA_CERTS/)
  })
})
