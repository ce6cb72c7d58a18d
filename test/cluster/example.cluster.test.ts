/**
 * Two nodes of `examples/cluster.ts` in processes of their own, with the variables that `cluster.compose.yaml` gives them.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Path from "node:path"
import { text } from "node:stream/consumers"
import { type LocalServer, startServer } from "../support/commandLine.ts"
import { freePort } from "./clusterRun.ts"
import { compose, nodes, root } from "./exampleCompose.ts"
import { type Postgres, startPostgres } from "./postgres.ts"

const programs = process.env["CLUSTER_POSTGRES"] ?? ""

describe.skipIf(programs === "")("the cluster of the examples", () => {
  let server: LocalServer
  let postgres: Postgres
  beforeAll(async () => {
    const table = compose.services["zerobus"]!.command!.find((flag) => flag.startsWith("--table="))!
    server = await startServer(["--memory", table])
    postgres = await startPostgres(programs, await freePort())
  }, 120_000)
  afterAll(async () => {
    server.child.kill("SIGTERM")
    await Promise.all([server.end, postgres.stop()])
  })

  const run = async (environment: Readonly<Record<string, string>>) => {
    // What is there under another name here; the server of the test has no TLS.
    const { NODE_EXTRA_CA_CERTS, ...rest } = { ...environment, ...server.environment }
    assert.isDefined(NODE_EXTRA_CA_CERTS)
    // Both nodes are on this machine.
    const port = String(await freePort())
    const child = spawn(process.execPath, ["--conditions=effect-zerobus-source", "examples/cluster.ts"], {
      cwd: Path.resolve(root),
      env: {
        ...process.env,
        ...rest,
        HOST: "127.0.0.1",
        LISTEN_HOST: "127.0.0.1",
        PORT: port,
        LISTEN_PORT: port,
        DATABASE_URL: postgres.url,
        READINGS: "100"
      }
    })
    child.stdin.end()
    const [output, errors, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")])
    return { output, errors, status: Number(status) }
  }

  it("takes readings at two nodes", async () => {
    const ended = await Promise.all(nodes.slice(0, 2).map(([, { environment }]) => run(environment)))
    for (const { errors, output, status } of ended) {
      assert.strictEqual(status, 0, output + errors)
      assert.include(output, "100 readings durable\n")
    }
  }, 180_000)
})
