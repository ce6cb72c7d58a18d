/**
 * The Dockerfile and compose.yaml: no complaints of a Dockerfile linter, only keys that Compose
 * supports, and a command and variables with which the server starts and its client connects. No
 * image is built here.
 */
import { assert, describe, it } from "@effect/vitest"
import { validate } from "dockerfile-utils"
import * as Fs from "node:fs"
import * as Https from "node:https"
import * as Path from "node:path"
import { parse } from "yaml"
import { startServer, temporaryFolder, zerobusProcess } from "../../support/commandLine.ts"

const root = Path.join(import.meta.dirname, "../../..")
const read = (name: string) => Fs.readFileSync(Path.join(root, name), "utf8")
const manifest = JSON.parse(read("package.json")) as {
  readonly engines: { readonly node: string }
  readonly files: ReadonlyArray<string>
}

interface Service {
  readonly command?: ReadonlyArray<string>
  readonly environment: Readonly<Record<string, string>>
  readonly ports?: ReadonlyArray<string>
  readonly volumes: ReadonlyArray<string>
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
}
interface Compose {
  readonly services: Readonly<Record<"zerobus" | "client", Service>>
  readonly volumes: Readonly<Record<string, unknown>>
}
const compose = parse(read("compose.yaml"), { strict: true, uniqueKeys: true }) as Compose

/** The value that Compose substitutes for `${NAME:-otherwise}` when NAME is not set. */
const withDefaults = (text: string): string => text.replace(/\$\{\w+:-([^}]*)\}/g, "$1")

describe("the Dockerfile", () => {
  const lines = read("Dockerfile").replaceAll("\\\n", " ").split("\n")
  const args = (instruction: string) =>
    lines
      .filter((line) => line.startsWith(`${instruction} `))
      .map((line) => line.slice(instruction.length + 1))

  it("has no mistake that the linter finds, and one that is put in is found", () => {
    assert.deepStrictEqual(validate(read("Dockerfile")), [])
    assert.isAbove(validate(`${read("Dockerfile")}EXPOSED 1\n`).length, 0)
  })

  it(
    "runs a Node that the package supports, as a user without rights, and no server for " +
      "production",
    () => {
      const [least = 0] = /\d+/.exec(manifest.engines.node)!.map(Number)
      for (const image of args("FROM"))
        assert.isAtLeast(Number(/^node:(\d+)-slim/.exec(image)![1]), least)
      assert.deepStrictEqual(args("USER"), ["node"])
      assert.notMatch(read("Dockerfile"), /NODE_ENV/)
    }
  )

  it("starts the server with flags that there are, and copies no secrets or builds", async () => {
    const words = JSON.parse(args("CMD").at(-1)!) as ReadonlyArray<string>
    const data = Path.join(temporaryFolder(), "data")
    const [, ...flags] = words.map((word) => (word === "/data" ? data : word))
    assert.strictEqual(words[0], "local")
    const server = await startServer(flags)
    server.child.kill("SIGTERM")
    assert.strictEqual((await server.end).code, 0)
    for (const name of [".git", "node_modules", "dist", "zerobus-data"]) {
      assert.include(read(".dockerignore").split("\n"), name)
    }
  }, 60_000)

  it("is not in the npm package", () => {
    for (const name of ["Dockerfile", "compose.yaml", ".dockerignore"])
      assert.notInclude(manifest.files, name)
  })
})

describe("compose.yaml", () => {
  it("has services of known keys, and names only volumes and services that there are", () => {
    const known = ["build", "command", "environment", "ports", "volumes", "profiles", "depends_on"]
    assert.deepStrictEqual(Object.keys(compose).sort(), ["services", "volumes"])
    for (const [name, service] of Object.entries(compose.services)) {
      assert.includeMembers(known, Object.keys(service), name)
      for (const volume of service.volumes) {
        assert.match(volume, /^\w+:\/\w+(?::ro)?$/)
        assert.property(compose.volumes, volume.split(":")[0]!)
      }
      for (const other of Object.keys(service.depends_on ?? {}))
        assert.property(compose.services, other)
      // Reachable only from this machine.
      for (const port of service.ports ?? []) assert.match(port, /^127\.0\.0\.1:(\d+):\1$/)
    }
  })

  it("starts a server that its client reaches, by the name of the service", async () => {
    const { client, zerobus } = compose.services
    const data = Path.join(temporaryFolder(), "data")
    const [command, ...flags] = zerobus.command!.map((flag) => flag.replace("=/data", `=${data}`))
    assert.strictEqual(command, "local")
    const environment = Object.fromEntries(
      Object.entries(zerobus.environment).map(([name, value]) => [name, withDefaults(value)])
    )
    const server = await startServer(flags, undefined, environment)
    try {
      const inHost = (text: string) => withDefaults(text).replace("/data", data)
      const asked: Record<string, string> = {}
      for (const [name, value] of Object.entries(client.environment)) asked[name] = inHost(value)
      for (const name of ["ZEROBUS_SERVER_ENDPOINT", "DATABRICKS_WORKSPACE_URL"]) {
        // The name of the service does not resolve here, but the certificate includes it.
        assert.strictEqual(new URL(asked[name]!).hostname, "zerobus")
        asked[name] = server.environment[name]!
      }
      const table = /main\.\w+\.\w+/.exec(zerobus.command!.join(" "))![0]
      const { code, err, out } = await zerobusProcess(["doctor", "--table", table], asked)
      assert.strictEqual(code, 0, out + err)
      const port = Number(new URL(asked["DATABRICKS_WORKSPACE_URL"]!).port)
      const ca = Fs.readFileSync(asked["NODE_EXTRA_CA_CERTS"]!, "utf8")
      const headers = { host: `zerobus:${port}` }
      const status = await new Promise((resolve, reject) => {
        Https.get({ port, ca, servername: "zerobus", path: "/health", headers }, (answer) => {
          answer.resume()
          resolve(answer.statusCode)
        }).on("error", reject)
      })
      assert.strictEqual(status, 200)
    } finally {
      server.child.kill("SIGTERM")
      await server.end
    }
  }, 60_000)
})
