/**
 * Runs the command named by the arguments on Node's services, and exits with its code.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import type * as Runtime from "effect/Runtime"
import { readFileSync } from "node:fs"
import { zerobus } from "./Commands.ts"
import { exitCodes } from "./terminal/CommandFailed.ts"
import { logLine } from "./terminal/logLine.ts"
import { presenter } from "./terminal/mistakes.ts"

const { version } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8")
) as {
  version: string
}

/**
 * Standard output carries only results, which other programs may read. Logs go to standard error
 * and overwrite the progress line.
 */
const overProgress = Logger.map(logLine, (line) =>
  process.stderr.isTTY ? `\r\u001b[K${line}` : line
)
const logs = Logger.layer([Logger.withConsoleError(overProgress)])

/**
 * An interrupted command exits with 130, unless it has set the exit code to 0, as the server does.
 */
const teardown: Runtime.Teardown = (exit, onExit) =>
  exitCodes(exit, (code) => onExit(code === 130 && process.exitCode === 0 ? 0 : code))

/**
 * Seconds within which two signals count as one. npm forwards SIGINT to a command that the terminal
 * has already signalled, so one Ctrl-C can arrive twice.
 */
const sameSignal = 0.3

/**
 * The first signal ends a command gracefully. The second one ends it immediately, even during
 * startup or while data is being made durable.
 */
const endAtOnce = (): void => {
  let first: number | undefined
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      const now = process.uptime()
      if (first === undefined) {
        first = now
        setTimeout(
          () => console.error("Still stopping; a second Ctrl-C ends it at once."),
          2000
        ).unref()
      }
      if (now - first < sameSignal) return
      // A signal ends the process even when file operations hang; `process.exit` would wait for
      // them. The exit is for platforms where signals have no effect.
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
      process.exit(signal === "SIGINT" ? 130 : 143)
    })
  }
}

/** Runs the command named by the process arguments. */
export const run = (): void => {
  endAtOnce()
  zerobus.pipe(
    Command.run({ version }),
    Effect.provide([NodeServices.layer, logs, CliOutput.layerPresenter(presenter)]),
    (main) => NodeRuntime.runMain(main, { teardown })
  )
}
