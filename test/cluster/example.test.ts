/**
 * Checks `examples/cluster.compose.yaml`: its keys are known to Compose, its services and volumes
 * exist, its table has the program's columns, and its nodes differ only in their address. The test
 * builds no image; `example.cluster.test.ts` runs the program.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { startServer, temporaryFolder } from "../support/commandLine.ts"
import { compose, nodes, root } from "./exampleCompose.ts"

const program = Fs.readFileSync(Path.join(root, "examples/cluster.ts"), "utf8")

describe("the cluster of the examples", () => {
  it("has services of known keys, and names only existing volumes and services", () => {
    const known = [
      "build",
      "image",
      "command",
      "environment",
      "volumes",
      "depends_on",
      "healthcheck"
    ]
    assert.deepStrictEqual(Object.keys(compose).sort(), ["services", "volumes"])
    for (const [name, service] of Object.entries(compose.services)) {
      assert.includeMembers(known, Object.keys(service), name)
      assert.isTrue(service.build !== undefined || service.image !== undefined, name)
      for (const volume of service.volumes ?? []) {
        assert.match(volume, /^\w+:\/\w+(?::ro)?$/)
        assert.property(compose.volumes, volume.split(":")[0]!)
      }
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        assert.property(compose.services, other)
        assert.strictEqual(condition, "service_healthy")
      }
    }
  })

  it("has three nodes that differ only in their address, and run an existing file", () => {
    assert.deepStrictEqual(
      nodes.map(([name]) => name),
      ["node-1", "node-2", "node-3"]
    )
    for (const [name, { build, environment, ...rest }] of nodes) {
      const [, first] = nodes[0]!
      assert.deepStrictEqual(environment, { ...first.environment, HOST: name })
      assert.deepStrictEqual({ build, ...rest }, { build: first.build, ...rest })
      const { context, dockerfile_inline } = build as {
        readonly context: string
        readonly dockerfile_inline: string
      }
      const command = JSON.parse(
        /^CMD (.*)$/m.exec(dockerfile_inline)![1]!
      ) as ReadonlyArray<string>
      assert.isTrue(Fs.existsSync(Path.join(root, "examples", context, command.at(-1)!)))
    }
  })

  it("starts a server with the table of the program", async () => {
    const data = Path.join(temporaryFolder(), "data")
    const [command, ...flags] = compose.services["zerobus"]!.command!.map((flag) =>
      flag.replace("=/data", `=${data}`)
    )
    assert.strictEqual(command, "local")
    const server = await startServer(flags)
    server.child.kill("SIGTERM")
    assert.strictEqual((await server.end).code, 0)
    const [, table, columns] = /--table=([\w.]+)\((.*)\)/.exec(flags.join(" "))!
    assert.include(program, `"${table}"`)
    const fields = /Schema\.Struct\(\{ (.*) \}\)/.exec(program)![1]!
    const names = (text: string) => text.split(", ").map((part) => /^\w+/.exec(part)![0])
    assert.deepStrictEqual(names(fields), names(columns!))
  }, 60_000)
})
