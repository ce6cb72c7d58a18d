#!/usr/bin/env node
/**
 * The executable `zerobus`: runs the commands with what Node gives, and ends with their exit code.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Runtime from "effect/Runtime"
import { readFileSync } from "node:fs"
import { zerobus } from "./Commands.ts"

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string
}

/** Standard output is for results, which programs may read; what is logged goes to standard error, over a line of progress. */
const logLine = Logger.map(Logger.formatLogFmt, (line) => (process.stderr.isTTY ? `\r\u001b[K${line}` : line))
const logs = Logger.layer([Logger.withConsoleError(logLine)])

/** An interrupted command ends with 130, unless it says that being interrupted is how it ends well, as a server does. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Runtime.defaultTeardown(exit, (code) => onExit(code === 130 && process.exitCode === 0 ? 0 : code))

zerobus.pipe(Command.run({ version }), Effect.provide([NodeServices.layer, logs]), (main) =>
  NodeRuntime.runMain(main, { teardown })
)
