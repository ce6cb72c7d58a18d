/**
 * The official Python SDK for the interop scripts: creates an environment in .cache from PyPI on
 * first use, and runs programs in it.
 */
import { Console, Data, Effect, FileSystem } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

/** A Python program failed, or its result is wrong. */
export class PythonFailed extends Data.TaggedError("PythonFailed")<{ readonly message: string }> {}

const root = fileURLToPath(new URL("..", import.meta.url))
const version = "1.10.0"
const venv = `${root}.cache/python-sdk/${version}-arrow`

const run = (command: string, args: ReadonlyArray<string>): Effect.Effect<string, PythonFailed> =>
  Effect.callback((resume) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] })
    const out: Array<Buffer> = []
    const err: Array<Buffer> = []
    child.stdout.on("data", (chunk) => out.push(chunk))
    child.stderr.on("data", (chunk) => err.push(chunk))
    child.on("error", (error) => resume(Effect.fail(new PythonFailed({ message: error.message }))))
    child.on("close", (code) =>
      resume(
        code === 0
          ? Effect.succeed(Buffer.concat(out).toString())
          : Effect.fail(new PythonFailed({ message: Buffer.concat(err).toString().slice(-2000) }))
      )
    )
    return Effect.sync(() => child.kill())
  })

/** The environment's interpreter, which may not exist yet. */
export const python = `${venv}/bin/python`

/** Creates the environment if it does not exist. */
export const preparePython = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  if (yield* files.exists(`${venv}/bin/python`)) return
  yield* Console.log("Fetching the Python SDK from PyPI ...")
  yield* run("python3", ["-m", "venv", venv])
  yield* run(`${venv}/bin/pip`, [
    "install",
    "-q",
    `databricks-zerobus-ingest-sdk[arrow,avro]==${version}`
  ])
})

/** Runs a program of `test/support` in the environment, and returns its output. */
export const runPython = (
  script: string,
  args: ReadonlyArray<string>
): Effect.Effect<string, PythonFailed> =>
  run(`${venv}/bin/python`, [`${root}test/support/${script}`, ...args])
