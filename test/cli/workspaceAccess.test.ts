/**
 * How every command connects to the workspace: through the environment's proxy, with the
 * authorities that Node trusts, and with the limits of the client's own requests.
 *
 * The servers have names that only the proxy resolves: a command that bypasses the proxy fails.
 */
import { afterAll, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { ZerobusLocal } from "effect-zerobus/testing"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Tls from "node:tls"
import { makeCertificates } from "../../src/local/endpoints/certificates.ts"
import {
  type Environment,
  temporaryFolder,
  zerobus,
  zerobusProcess
} from "../support/commandLine.ts"
import { type ConnectProxy, connectProxy } from "../support/connectProxy.ts"
import {
  answer,
  endless,
  type Misbehaviour,
  type WorkspaceServer,
  workspaceServer
} from "../support/workspaceServer.ts"

const folder = temporaryFolder()
const name = "main.default.readings"
const hosts = {
  workspace: "workspace.example.com",
  zerobus: "1.zerobus.example.com",
  other: "other.example.com"
}
const authorities = Tls.getCACertificates("default")
const scope = Scope.makeUnsafe()

let proxy: ConnectProxy
let workspace: WorkspaceServer
/** The target of redirects. */
let other: WorkspaceServer
let environment: Environment
let caPath: string

const records = Path.join(folder, "records.ndjson")

/** Each command that uses the workspace, in a working order, and its output. */
const commands: ReadonlyArray<readonly [args: ReadonlyArray<string>, prints: RegExp]> = [
  [
    ["table", "create", `${name}(id BIGINT, note STRING)`],
    /^Created main\.default\.readings with 2 columns\./
  ],
  [["table", "create", `${name}(id BIGINT, note STRING)`], /exists already with these columns/],
  [["table", "list", "main.default"], /^main\.default\.readings {2}2 columns$/m],
  [["ingest", records, "--table", name], /^1 record durable/],
  [["table", "show", name], /^main\.default\.readings\n {2}id {4}bigint/],
  [["table", "snippet", name], /readings/],
  [["query", `SELECT count(*) AS n FROM ${name}`, "--json"], /^\{"n":1\}/],
  [
    ["generate", "--table", name, "--output-dir", Path.join(folder, "generated")],
    /readings\.proto written/
  ],
  [["table", "drop", name, "--yes"], /^Dropped main\.default\.readings\./]
]
/** The same without the second `create`, and with a `drop` that only reads. */
const everyCommand = [
  ...commands.filter((_, index) => index !== 1).map(([args]) => args),
  ["table", "drop", name]
]

beforeAll(async () => {
  Fs.writeFileSync(records, '{"id":1,"note":"a"}\n')
  const made = makeCertificates([...Object.values(hosts), "127.0.0.1"], Date.now())
  const tls = { ...made, key: Redacted.value(made.key) }
  caPath = Path.join(folder, "ca.pem")
  Fs.writeFileSync(caPath, made.ca)
  // Applies the effect of NODE_EXTRA_CA_CERTS to this process.
  Tls.setDefaultCACertificates([...authorities, made.ca])
  await Effect.gen(function* () {
    const server = ZerobusLocal.layerServer({
      dataDir: Path.join(folder, "data"),
      visibleOnceAcked: true,
      tls: { key: made.key, cert: made.cert, ca: made.ca }
    })
    const local = Context.get(yield* Layer.build(server), ZerobusLocal)
    proxy = yield* connectProxy()
    workspace = yield* workspaceServer(tls, local.workspaceUrl)
    other = yield* workspaceServer(tls, local.workspaceUrl)
    environment = {
      ZEROBUS_SERVER_ENDPOINT: `https://${hosts.zerobus}:${new URL(local.serverEndpoint).port}`,
      DATABRICKS_WORKSPACE_URL: `https://${hosts.workspace}:${workspace.port}`,
      DATABRICKS_CLIENT_ID: local.clientId,
      DATABRICKS_CLIENT_SECRET: Redacted.value(local.clientSecret),
      https_proxy: `http://127.0.0.1:${proxy.port}`
    }
  }).pipe(Scope.provide(scope), Effect.runPromise)
}, 60_000)

afterAll(async () => {
  Tls.setDefaultCACertificates(authorities)
  await Effect.runPromise(Scope.close(scope, Exit.void))
  Fs.rmSync(folder, { recursive: true, force: true })
})

beforeEach(() => {
  workspace.tokens = undefined
  workspace.tables = undefined
})

/**
 * Runs a command. Returns its exit and the targets of the tunnels that it requested from the proxy.
 */
const watched = async (
  args: ReadonlyArray<string>,
  run: (
    args: ReadonlyArray<string>,
    environment: Environment
  ) => ReturnType<typeof zerobus> = zerobus
) => {
  const [tunnels, requests] = [proxy.tunnels.length, workspace.requests.length]
  const ended = await run(args, environment)
  return {
    ...ended,
    tunnels: proxy.tunnels.slice(tunnels),
    requests: workspace.requests.slice(requests)
  }
}

describe("a workspace that only the proxy reaches", () => {
  it("is reached by every command, one tunnel for each request", async () => {
    const target = `${hosts.workspace}:${workspace.port}`
    for (const [args, prints] of commands) {
      const { code, err, out, requests, tunnels } = await watched(args)
      assert.strictEqual(code, 0, `${args.join(" ")}: ${err}`)
      assert.match(out, prints)
      const toWorkspace = tunnels.filter((one) => one === target)
      assert.isAbove(toWorkspace.length, 1, args.join(" "))
      assert.strictEqual(toWorkspace.length, requests.length, args.join(" "))
      // The remaining tunnel is the stream of an ingest.
      const rest = tunnels.filter((one) => one !== target)
      const endpoint = environment["ZEROBUS_SERVER_ENDPOINT"]!.slice("https://".length)
      assert.deepStrictEqual(rest, args[0] === "ingest" ? [endpoint] : [], args.join(" "))
    }
  }, 120_000)

  it("is trusted by a process with NODE_EXTRA_CA_CERTS, and by no other", async () => {
    const trusting = await watched(["table", "list"], (args, variables) =>
      zerobusProcess(args, { ...variables, NODE_EXTRA_CA_CERTS: caPath })
    )
    assert.deepStrictEqual(
      [trusting.code, trusting.out],
      [0, "No tables in main.default.\n"],
      trusting.err
    )
    assert.strictEqual(trusting.tunnels.length, 2)
    const distrusting = await watched(["table", "list"], (args, variables) =>
      zerobusProcess(args, variables)
    )
    assert.strictEqual(distrusting.code, 2)
    assert.match(
      distrusting.err,
      /TLS handshake with https:\/\/workspace\.example\.com:\d+ was refused/
    )
    assert.match(distrusting.err, /tls\.ca or the variable NODE_EXTRA_CA_CERTS/)
    assert.notInclude(distrusting.err, "use-system-ca")
    assert.deepStrictEqual(distrusting.requests, [])
  }, 120_000)
})

const opaque = "canary-token-of-no-shape"
const granted = answer(200, { access_token: opaque, expires_in: 3600 })
const table = { name: "readings", columns: [{ name: "id", type_name: "LONG", position: 0 }] }

/** All secrets of a request. */
const credentials = (environment: Environment): ReadonlyArray<string> => {
  const { DATABRICKS_CLIENT_ID: id, DATABRICKS_CLIENT_SECRET: secret } = environment
  return [opaque, secret!, Buffer.from(`${id}:${secret}`).toString("base64")]
}

const escaped = (text: string) =>
  [...text].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")
const echoing =
  (status: number, body: (authorization: string) => string): Misbehaviour =>
  (request, response) =>
    answer(status, body(request.headers.authorization ?? ""))(request, response)
const bare = (authorization: string) => authorization.replace(/^\w+ /, "")

const redirect =
  (status: number): Misbehaviour =>
  (request, response) =>
    answer(status, "", { location: `https://${hosts.other}:${other.port}${request.url}` })(
      request,
      response
    )
const notFollowed =
  /answered with a redirect \(30[27]\), which is not followed\. Check the workspace URL\./
const tooLarge = /sent an answer that is larger than \d+ bytes/
const unused = /contains the credentials of the request, so it is not used/

/** Behaviours of a hostile workspace, and the command's messages. */
const hostile: ReadonlyArray<
  readonly [what: string, part: "tokens" | "tables", does: Misbehaviour, says: RegExp]
> = [
  ["redirects requests for tokens", "tokens", redirect(307), notFollowed],
  ["redirects requests for tables", "tables", redirect(302), notFollowed],
  ["never ends an answer with a token", "tokens", endless, tooLarge],
  ["never ends an answer with tables", "tables", endless, tooLarge],
  ["echoes the secret as text", "tokens", echoing(400, bare), /answered 400: <redacted>/],
  [
    "echoes the secret in escapes",
    "tokens",
    echoing(401, (text) => `{"a": "${escaped(bare(text))}"}`),
    /answered 401/
  ],
  ["echoes the token as text", "tables", echoing(500, bare), /answered 500 for \S+: <redacted>/],
  [
    "echoes the token in a message, in escapes",
    "tables",
    echoing(403, (text) => `{"message": "no: ${escaped(bare(text))}"}`),
    /answered 403 for \S+: no: <redacted>/
  ],
  [
    "echoes the header in JSON",
    "tables",
    echoing(404, (text) => JSON.stringify({ a: text })),
    /answered 404 for/
  ],
  [
    "describes tables with the token",
    "tables",
    echoing(200, (text) => JSON.stringify({ ...table, a: bare(text) })),
    unused
  ],
  [
    "describes tables with the token in escapes",
    "tables",
    echoing(200, (text) => `["${escaped(bare(text))}"]`),
    unused
  ]
]

describe("a workspace that", () => {
  it.each(hostile)(
    "%s gets no further request, and no command shows a credential",
    async (_, part, does, says) => {
      workspace.tokens = granted
      workspace[part] = does
      const [before, secrets] = [other.requests.length, credentials(environment)]
      for (const args of everyCommand) {
        const { code, err, out, requests } = await watched(args)
        assert.include([2, 75], code, `${args.join(" ")}: ${out}`)
        assert.match(err, says, args.join(" "))
        assert.notMatch(err, /\n\s+at /, "no stack trace")
        for (const secret of secrets) assert.notInclude(out + err, secret, args.join(" "))
        assert.strictEqual(requests.length, part === "tokens" ? 1 : 2, args.join(" "))
      }
      assert.strictEqual(other.requests.length, before)
    },
    120_000
  )

  it("lists pages without end is given up", async () => {
    workspace.tokens = granted
    let pages = 0
    workspace.tables = (request, response) =>
      answer(200, { tables: [table], next_page_token: `page-${++pages}` })(request, response)
    const { code, err, requests } = await watched(["table", "list"])
    assert.strictEqual(code, 2)
    assert.match(
      err,
      /lists main\.default in more than 500 pages or 100000 tables\. Check the workspace URL\./
    )
    // All pages use one token.
    assert.deepStrictEqual([pages, requests.length], [500, 501])
  }, 120_000)

  it("keeps its tables elsewhere names the place, and makes no local path of it", async () => {
    workspace.tokens = granted
    for (const storage_location of ["s3://bucket/x", "file://host/x", "file:///a%2Fb", "file://"]) {
      workspace.tables = answer(200, { ...table, storage_location })
      const shown = await watched(["table", "show", name])
      assert.strictEqual(shown.code, 0, shown.err)
      assert.include(shown.out, "location ")
      const code = await watched(["table", "snippet", name])
      assert.strictEqual(code.code, 2)
      assert.match(code.err, /is not on this machine|holds no Delta table/)
      assert.notMatch(code.err, /\n\s+at /, "no stack trace")
    }
  }, 120_000)

  it("lists more tables than a schema has is given up", async () => {
    workspace.tokens = granted
    let pages = 0
    const tables = Array.from({ length: 30_000 }, () => table)
    workspace.tables = (request, response) =>
      answer(200, { tables, next_page_token: `page-${++pages}` })(request, response)
    const { code, err } = await watched(["table", "list"])
    assert.strictEqual(code, 2)
    assert.match(err, /in more than 500 pages or 100000 tables/)
    assert.strictEqual(pages, 4)
  }, 120_000)
})
