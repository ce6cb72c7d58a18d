/**
 * A sustained run: a client in one process sends rows of eleven columns at a steady rate (`--rate`,
 * default 100,000 a second) for a time (`--seconds`, default 60) to a local server on disk in
 * another process. Prints the measurements of both and the load of the machine, which the figures
 * depend on. Exits with 1 when a row is missing in the table.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, FileSystem } from "effect"
import { Command, Flag } from "effect/cli"
import { type ChildProcess, spawn } from "node:child_process"
import * as Os from "node:os"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

const start = (script: string, args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const path = fileURLToPath(new URL(script, import.meta.url))
      const child = spawn(process.execPath, ["--conditions=effect-zerobus-source", path, ...args], {
        stdio: ["pipe", "pipe", "inherit"]
      })
      return { child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() }
    }),
    ({ child }) => Effect.sync(() => void child.kill())
  )

const line = ({ lines }: { readonly child: ChildProcess; readonly lines: AsyncIterator<string> }) =>
  Effect.promise(async () => {
    const next = await lines.next()
    if (next.done === true) throw new Error("The process ended without a report")
    return next.value
  })

const sustained = Command.make(
  "sustained",
  {
    rate: Flag.Int("rate").pipe(Flag.withDefault(100_000)),
    seconds: Flag.Int("seconds").pipe(Flag.withDefault(60))
  },
  Effect.fnUntraced(function* ({ rate, seconds }) {
    const files = yield* FileSystem.FileSystem
    const folder = yield* files.makeTempDirectoryScoped({ prefix: "zerobus-sustained-" })
    const load = Os.loadavg()[0]!
    const server = yield* start("./server.ts", [folder])
    const client = yield* start("./client.ts", [yield* line(server), String(rate), String(seconds)])
    const sent = yield* line(client)
    server.child.stdin!.end()
    const stored = yield* line(server)
    yield* Console.log(`client  ${sent}\nserver  ${stored}`)
    const cores = Os.availableParallelism()
    yield* Console.log(
      `machine ${cores} cores, load ${load.toFixed(1)} before and ` +
        `${Os.loadavg()[0]!.toFixed(1)} after the run`
    )
    if (JSON.parse(sent).sent !== JSON.parse(stored).rows) {
      yield* Console.error("Rows are missing in the table.")
      process.exitCode = 1
    }
  }, Effect.scoped)
)

sustained.pipe(
  Command.run({ version: "0" }),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain
)
