/**
 * What a command line that cannot be read is answered with: the mistake on standard error, and
 * where the help is. Help that was asked for goes to standard output as always.
 */
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { visibleLines } from "./print.ts"

/**
 * All numbers on the command line are whole ones; the parser speaks of text that stands for a
 * finite number.
 */
const inWords = (error: CliError.NonShowHelpErrors): CliError.NonShowHelpErrors =>
  error._tag === "InvalidValue" && error.expected.includes("finite number")
    ? new CliError.InvalidValue({ ...error, expected: "Expected a whole number" })
    : error

/** Shows mistakes without the whole help. */
export const presenter: CliOutput.Presenter = {
  present: Effect.fnUntraced(function* (event) {
    if (event._tag !== "InvalidInvocation") return yield* CliOutput.defaultPresenter.present(event)
    const context = yield* Effect.context<never>()
    const given = Context.getOrUndefined(context, CliOutput.Formatter)
    const formatted = (colors: boolean) =>
      (given ?? CliOutput.defaultFormatter({ colors })).formatErrors(event.errors.map(inWords))
    // Arguments are repeated. Where they hold characters that a terminal obeys, nothing is
    // coloured.
    const plain = formatted(false)
    const shown = visibleLines(plain)
    const mistakes =
      shown === plain ? formatted(Context.get(context, TerminalCapabilities).canColor) : shown
    yield* Console.error(`${mistakes}\n\nSee ${event.commandPath.join(" ")} --help`)
  })
}
