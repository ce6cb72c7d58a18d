/** The link to the console: when `zerobus local` prints one, and that it opens the page. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { type LocalServer, start, startServer } from "../support/commandLine.ts"

const servers: Array<LocalServer> = []
const started = async (...args: ReadonlyArray<string>) => {
  const server = await startServer(["--memory", ...args])
  servers.push(server)
  const line = /^\{"environment".*\}$/m.exec(server.out())![0]
  const { console } = JSON.parse(line) as { readonly console: string | null }
  return { link: console, workspaceUrl: server.environment["DATABRICKS_WORKSPACE_URL"]! }
}

afterAll(async () => {
  for (const { child, end } of servers) {
    child.kill("SIGTERM")
    await end
  }
})

describe("the console of zerobus local", () => {
  it("has a link, which opens the page and its session", async () => {
    const { link, workspaceUrl } = await started()
    const { hash, origin } = new URL(link!)
    assert.strictEqual(origin, workspaceUrl)
    const page = await fetch(link!)
    assert.include(await page.text(), "/console/console.js")
    const body = JSON.stringify({ token: hash.slice("#token=".length) })
    const headers = { "content-type": "application/json", origin }
    const session = await fetch(`${origin}/console/session`, { method: "POST", headers, body })
    assert.strictEqual(session.status, 204)
  }, 30_000)

  it("is left out with --no-console", async () => {
    const { link, workspaceUrl } = await started("--no-console")
    assert.isNull(link)
    assert.strictEqual((await fetch(workspaceUrl)).status, 404)
  }, 30_000)

  it("is on an address that others reach with --console alone", async () => {
    const remote = ["--host", "0.0.0.0", "--allow-remote"]
    assert.isNull((await started(...remote)).link)
    assert.match(
      (await started(...remote, "--console")).link!,
      /^http:\/\/127\.0\.0\.1:\d+\/#token=/
    )
  }, 30_000)

  it("has a line of its own among those to read", async () => {
    const running = start(["local", "--memory", "--port", "0", "--http-port", "0"])
    await running.says(/Ctrl-C stops it/)
    assert.match(running.out(), /^Console: http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{43}$/m)
    running.child.kill("SIGINT")
    assert.strictEqual((await running.end).code, 0)
  }, 30_000)
})
