/**
 * `zerobus doctor`: checks everything a stream needs, step by step, and prints advice for each
 * failure. The checks are in `doctor/checks.ts`, which is loaded when the command runs.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { exitFix, exitTryAgain, failed } from "./terminal/CommandFailed.ts"
import { print, printJson } from "./terminal/print.ts"
import { jsonFlag } from "./terminal/sharedFlags.ts"

/** The command. */
export const doctor = Command.make(
  "doctor",
  {
    table: Flag.String("table").pipe(
      Flag.withAlias("t"),
      Flag.withDescription(
        "Check this table too: catalog.schema.table. A stream is opened and closed, no record " +
          "is sent"
      ),
      Flag.optional
    ),
    json: jsonFlag("Print the results as JSON")
  },
  Effect.fn(function* ({ json, table }) {
    const { examine } = yield* Effect.promise(() => import("./doctor/checks.ts"))
    const { reportJson, reportText } = yield* Effect.promise(() => import("./doctor/report.ts"))
    const results = yield* examine(Option.getOrUndefined(table))
    yield* json ? printJson(reportJson(results)) : print(reportText(results))
    const failures = results.filter(({ result }) => result === "failed")
    if (failures.length === 0) return
    const code = failures.every(({ isRetryable }) => isRetryable) ? exitTryAgain : exitFix
    return yield* failed(`Start with the first check that failed: ${failures[0]!.name}.`, code)
  })
).pipe(
  Command.withDescription(
    "Check the settings, the connection, the credentials and a table, and say what to do"
  ),
  Command.withExamples([
    { command: "zerobus doctor", description: "Settings, network and credentials" },
    {
      command: "zerobus doctor --table main.default.air_quality",
      description: "The table too, up to an open stream"
    }
  ])
)
