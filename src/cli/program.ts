/**
 * The program behind the executable: runs the commands with what Node gives, and ends with their
 * exit code.
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
 * Standard output is for results, which programs may read; what is logged goes to standard error,
 * over a line of progress.
 */
const overProgress = Logger.map(logLine, (line) =>
  process.stderr.isTTY ? `\r\u001b[K${line}` : line
)
const logs = Logger.layer([Logger.withConsoleError(overProgress)])

/**
 * An interrupted command ends with 130, unless it says that being interrupted is how it ends well,
 * as a server does.
 */
const teardown: Runtime.Teardown = (exit, onExit) =>
  exitCodes(exit, (code) => onExit(code === 130 && process.exitCode === 0 ? 0 : code))

/**
 * Seconds within which two signals count as one. npm forwards SIGINT to a command that the terminal
 * has already signalled, so one Ctrl-C can arrive twice.
 */
const sameSignal = 0.3

/**
 * The first signal ends a command in order, the second one at once, whatever is still being started
 * or made durable.
 */
const endAtOnce = (): void => {
  let first: number | undefined
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      const now = process.uptime()
      if (first === undefined) {
        first = now
        setTimeout(
          () => console.error("Not stopped yet; a second Ctrl-C ends it at once."),
          2000
        ).unref()
      }
      if (now - first < sameSignal) return
      // The signal itself does not wait for file operations that hang, as an exit does; the exit is
      // for where signals do nothing.
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
      process.exit(signal === "SIGINT" ? 130 : 143)
    })
  }
}

/** Runs the command that the arguments of the process name. */
export const run = (): void => {
  endAtOnce()
  zerobus.pipe(
    Command.run({ version }),
    Effect.provide([NodeServices.layer, logs, CliOutput.layerPresenter(presenter)]),
    (main) => NodeRuntime.runMain(main, { teardown })
  )
}
