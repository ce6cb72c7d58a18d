/**
 * Two nodes of `examples/cluster.ts` in separate processes, with the variables from
 * `cluster.compose.yaml`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { text } from "node:stream/consumers"
import { startServer } from "../support/commandLine.ts"
import { freePort } from "../support/freePort.ts"
import { postgresPrograms, startPostgres } from "../support/postgres.ts"
import { compose, nodes, root } from "./exampleCompose.ts"

const table = compose.services["zerobus"]!.command!.find((flag) => flag.startsWith("--table="))!

/** The in-memory server, which stops with the scope. */
const server = Effect.acquireRelease(
  Effect.promise(() => startServer(["--memory", table])),
  ({ child, end }) =>
    Effect.promise(() => {
      child.kill("SIGTERM")
      return end
    })
)

/** Runs the program to its end. */
const run = async (environment: Readonly<Record<string, string>>) => {
  const child = spawn(
    process.execPath,
    ["--conditions=effect-zerobus-source", "examples/cluster.ts"],
    {
      cwd: root,
      env: { ...process.env, ...environment }
    }
  )
  child.stdin.end()
  const [output, errors, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit")
  ])
  return { printed: output + errors, status: Number(status) }
}

describe.skipIf(postgresPrograms === undefined)("the cluster of the examples", () => {
  it.live(
    "takes readings at two nodes",
    Effect.fnUntraced(function* () {
      const { url } = yield* startPostgres
      const local = yield* server
      const ended = yield* Effect.forEach(
        nodes.slice(0, 2),
        ([, { environment }]) =>
          Effect.promise(async () => {
            // Both nodes are on this machine, and the test's server has no TLS.
            const port = String(await freePort())
            const { NODE_EXTRA_CA_CERTS, ...named } = environment
            assert.isDefined(NODE_EXTRA_CA_CERTS)
            const here = {
              HOST: "127.0.0.1",
              LISTEN_HOST: "127.0.0.1",
              PORT: port,
              LISTEN_PORT: port
            }
            return run({
              ...named,
              ...local.environment,
              ...here,
              DATABASE_URL: url,
              READINGS: "100"
            })
          }),
        { concurrency: 2 }
      )
      for (const { printed, status } of ended) {
        assert.strictEqual(status, 0, printed)
        assert.include(printed, "100 readings durable\n")
      }
    }),
    180_000
  )
})
