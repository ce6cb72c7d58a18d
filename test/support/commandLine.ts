/**
 * The command line as a user runs it: processes from source with their output and exit codes, a
 * server that can be killed, and the same commands inside this process, for the many cases that
 * need no separate one.
 */
import { NodeServices } from "@effect/platform-node"
import { ConfigProvider, Console, Effect } from "effect"
import { Command } from "effect/cli"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { exitCodes } from "../../src/cli/terminal/CommandFailed.ts"
import { zerobus as commands } from "../../src/cli/Commands.ts"

const root = Path.resolve(import.meta.dirname, "../..")
const program = ["--conditions=effect-zerobus-source", Path.join(root, "src/cli/main.ts")]

/** The environment of a client. */
export type Environment = Readonly<Record<string, string>>

/** A finished command. `code` is the name of the signal that ended it, if any. */
export interface Finished {
  readonly code: number | string | null
  readonly out: string
  readonly err: string
}

/** A running command. */
export interface Running {
  readonly child: ChildProcess
  readonly out: () => string
  readonly err: () => string
  /** Waits for output on either channel. Fails when the command ends without it. */
  readonly says: (pattern: RegExp) => Promise<void>
  readonly end: Promise<Finished>
}

/** The environment of this process without variables that could redirect a command. */
const plainEnvironment = (): Record<string, string | undefined> =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !/^(ZEROBUS|DATABRICKS)_|^NODE_(ENV|OPTIONS|EXTRA_CA_CERTS)$|_proxy$|^VITEST/i.test(name)
    )
  )

/**
 * Starts `zerobus` with these arguments. Standard input is empty, `input`, or written by the
 * caller. `uid` is the user of the process, by default the current one.
 */
export const start = (
  args: ReadonlyArray<string>,
  environment: Environment = {},
  input?: string | "caller",
  uid?: number
): Running => {
  const child = spawn(process.execPath, [...program, ...args], {
    env: { ...plainEnvironment(), ...environment, NO_COLOR: "1" },
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    ...(uid === undefined ? {} : { uid })
  })
  let out = ""
  let err = ""
  child.stdout!.on("data", (data) => (out += data))
  child.stderr!.on("data", (data) => (err += data))
  if (input !== undefined) {
    // A command that exits early closes its end of the pipe.
    child.stdin!.on("error", () => {})
    if (input !== "caller") child.stdin!.end(input)
  }
  const end = once(child, "close").then(([code, signal]): Finished => ({
    code: signal ?? code,
    out,
    err
  }))
  const says = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (pattern.test(out) || pattern.test(err)) resolve()
      }
      child.stdout!.on("data", look)
      child.stderr!.on("data", look)
      look()
      void end.then(({ code }) =>
        reject(new Error(`ended with ${code} before it said ${pattern}\n${out}${err}`))
      )
    })
  return { child, out: () => out, err: () => err, says, end }
}

/** Runs `zerobus` as a process until it ends. */
export const zerobusProcess = (
  args: ReadonlyArray<string>,
  environment: Environment = {},
  input?: string
): Promise<Finished> => start(args, environment, input).end

/**
 * Runs the same commands in this process, which takes milliseconds. The exit code is that of
 * `main.ts`.
 */
export const zerobus = async (
  args: ReadonlyArray<string>,
  environment: Environment = {}
): Promise<Finished> => {
  let out = ""
  let err = ""
  const output: Console.Console = Object.assign(Object.create(console), {
    log: (...parts: ReadonlyArray<unknown>) => (out += `${parts.join(" ")}\n`),
    error: (...parts: ReadonlyArray<unknown>) => (err += `${parts.join(" ")}\n`)
  })
  const exit = await Command.runWith(commands, { version: "0.0.0" })(args).pipe(
    Effect.provide(NodeServices.layer),
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(environment)),
    Effect.provideService(Console.Console, output),
    Effect.runPromiseExit
  )
  let code = 0
  exitCodes(exit, (ended) => (code = ended))
  return { code, out, err }
}

/** A running `zerobus local`. */
export interface LocalServer extends Running {
  readonly environment: Environment
}

/**
 * Starts `zerobus local --json` and waits until it is ready. Uses free ports unless `args` name
 * them.
 */
export const startServer = async (
  args: ReadonlyArray<string>,
  uid?: number,
  variables: Environment = {}
): Promise<LocalServer> => {
  const free = (flag: string) => (args.includes(flag) ? [] : [flag, "0"])
  const running = start(
    ["local", "--json", ...free("--port"), ...free("--http-port"), ...args],
    variables,
    undefined,
    uid
  )
  await running.says(/^\{"environment".*\}$/m)
  const { environment } = JSON.parse(/^\{"environment".*\}$/m.exec(running.out())![0]) as {
    readonly environment: Environment
  }
  return { ...running, environment }
}

/** A folder for one test file. */
export const temporaryFolder = (): string => Fs.mkdtempSync(Path.join(Os.tmpdir(), "zerobus-cli-"))

/** A file of the package vega-datasets. */
export const dataset = (name: string): string =>
  Path.join(root, "node_modules/vega-datasets/data", name)
