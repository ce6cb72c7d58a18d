/**
 * Checks that `docs/doctor.md` shows the output of `zerobus doctor` word for word, except times and
 * ports. If ZEROBUS_WRITE_RECORDING is set, the test writes the page anew (`npm run docs:doctor`).
 */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { ZerobusLocal } from "effect-zerobus/testing"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { type Environment, zerobus } from "../support/commandLine.ts"
import { connectProxy } from "../support/connectProxy.ts"

const page = Path.join(import.meta.dirname, "../../docs/doctor.md")
const table = "main.default.t"
const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

/**
 * A recorded case: a title, one sentence on what is wrong, the variables that differ, and the
 * table.
 */
interface Case {
  readonly title: string
  readonly about: string
  readonly change: Environment
  readonly table?: string
}

let environment: Environment
let cases: ReadonlyArray<Case>
/** Placeholders for the ports of this run. */
const ports = new Map<string, string>()

/** A port on which nothing listens. */
const closedPort = async (): Promise<number> => {
  const server = Net.createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as Net.AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

beforeAll(async () => {
  const { local, proxy } = await Effect.gen(function* () {
    const server = ZerobusLocal.layerServerMemory({
      principals: [{ clientId: "reader", clientSecret: Redacted.make("secret"), grants: [] }]
    })
    const local = Context.get(yield* Layer.build(server), ZerobusLocal)
    yield* local.createTable(`${table}(id BIGINT NOT NULL, name STRING)`)
    return { local, proxy: yield* connectProxy({ refuse: 403 }) }
  }).pipe(Scope.provide(scope), Effect.runPromise)
  environment = {
    ZEROBUS_SERVER_ENDPOINT: local.serverEndpoint,
    DATABRICKS_WORKSPACE_URL: local.workspaceUrl,
    DATABRICKS_CLIENT_ID: local.clientId,
    DATABRICKS_CLIENT_SECRET: Redacted.value(local.clientSecret)
  }
  const closed = await closedPort()
  ports.set(new URL(local.serverEndpoint).port, "7170")
  ports.set(new URL(local.workspaceUrl).port, "7171")
  ports.set(String(closed), "7270")
  ports.set(String(proxy.port), "3128")
  const endpoint = "https://1.zerobus.eu-west-1.cloud.databricks.com"
  const workspace = "https://dbc-1.cloud.databricks.com"
  cases = [
    { title: "Right settings", about: "Everything is as it should be.", change: {} },
    {
      title: "Swapped URLs",
      about:
        "`ZEROBUS_SERVER_ENDPOINT` has the workspace, `DATABRICKS_WORKSPACE_URL` the endpoint.",
      change: {
        ZEROBUS_SERVER_ENDPOINT: local.workspaceUrl,
        DATABRICKS_WORKSPACE_URL: local.serverEndpoint
      }
    },
    {
      title: "A wrong secret",
      about: "`DATABRICKS_CLIENT_SECRET` is not that of the service principal.",
      change: { DATABRICKS_CLIENT_SECRET: "wrong" }
    },
    {
      title: "No privilege",
      about: "The service principal may neither read the table nor write to it.",
      change: { DATABRICKS_CLIENT_ID: "reader", DATABRICKS_CLIENT_SECRET: "secret" }
    },
    {
      title: "A wrong table",
      about: "There is no table of this name.",
      change: {},
      table: "main.default.tt"
    },
    {
      title: "A proxy that refuses",
      about: "`https_proxy` names a proxy that answers 403.",
      change: {
        ZEROBUS_SERVER_ENDPOINT: endpoint,
        DATABRICKS_WORKSPACE_URL: workspace,
        https_proxy: `http://127.0.0.1:${proxy.port}`
      }
    },
    {
      title: "A server that is down",
      about: "Nothing listens where `ZEROBUS_SERVER_ENDPOINT` leads.",
      change: { ZEROBUS_SERVER_ENDPOINT: `http://127.0.0.1:${closed}` }
    }
  ]
})

const withoutChance = (text: string): string => {
  let shown = text.replace(/ {2,}\d+ ms/g, (time) => "n ms".padStart(time.length))
  for (const [port, name] of ports) shown = shown.replaceAll(`:${port}`, `:${name}`)
  return shown.trimEnd()
}

const recorded = async ({ about, change, table: name = table, title }: Case): Promise<string> => {
  const { code, err, out } = await zerobus(["doctor", "--table", name], {
    ...environment,
    ...change
  })
  const said = [out.trimEnd(), ...(err.trim() === "" ? [] : ["", err.trim()])].join("\n")
  return (
    `## ${title}\n\n${about}\n\n` +
    `\`\`\`\n$ zerobus doctor --table ${name}\n${withoutChance(said)}\n\`\`\`\n\nThe exit code ` +
    `is ${code}.\n`
  )
}

it("the page shows the command's current output", async () => {
  const before = Fs.readFileSync(page, "utf8")
  const opening = before.slice(0, (before.indexOf("\n## ") + 1 || before.length + 1) - 1).trimEnd()
  const sections: Array<string> = []
  for (const each of cases) sections.push(await recorded(each))
  const now = `${[opening, ...sections].join("\n\n").replace(/\n{3,}/g, "\n\n")}`
  if (process.env["ZEROBUS_WRITE_RECORDING"] !== undefined) Fs.writeFileSync(page, now)
  assert.strictEqual(Fs.readFileSync(page, "utf8"), now, "npm run docs:doctor rewrites the page")
}, 120_000)
