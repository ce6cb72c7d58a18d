/**
 * The commands with the token of another identity provider instead of a secret.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { type LocalServer, startServer, temporaryFolder, zerobus } from "../support/commandLine.ts"
import { unsignedJwt } from "../support/jwt.ts"
import { readings } from "../support/readingsServer.ts"

const folder = temporaryFolder()
const file = (name: string, content: string): string => {
  const path = Path.join(folder, name)
  Fs.writeFileSync(path, content)
  return path
}

let server: LocalServer
beforeAll(async () => {
  server = await startServer(["--memory", "--table", readings])
}, 30_000)
afterAll(async () => {
  server.child.kill("SIGTERM")
  await server.end
  Fs.rmSync(folder, { recursive: true, force: true })
})

describe("commands with federated credentials", () => {
  it("read and write tables, and generate modules", async () => {
    const token = file("token", unsignedJwt({ sub: "local-client" }))
    const { DATABRICKS_CLIENT_ID: _, DATABRICKS_CLIENT_SECRET: __, ...rest } = server.environment
    const federated = { ...rest, DATABRICKS_OIDC_TOKEN_FILEPATH: token }
    const run = async (...args: ReadonlyArray<string>) => {
      const { code, err, out } = await zerobus(args, federated)
      assert.strictEqual(code, 0, `${args.join(" ")}: ${err}`)
      return out
    }
    const table = "main.default.readings"
    assert.include(await run("table", "list"), table)
    await run("table", "show", table)
    await run("ingest", file("rows.ndjson", '{"device":"a","temp":1}\n'), "-t", table)
    await run("generate", "--table", table, "--output-dir", folder)
    assert.include(Fs.readdirSync(folder), "readings.proto")
  })
})
