/**
 * Output for an invalid command line: the mistake and a pointer to the help, on standard error.
 * Requested help goes to standard output as usual.
 */
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { visibleLines } from "./print.ts"

/**
 * All numbers on the command line are integers, but the parser's message mentions a finite number.
 */
const inWords = (error: CliError.NonShowHelpErrors): CliError.NonShowHelpErrors =>
  error._tag === "InvalidValue" && error.expected.includes("finite number")
    ? new CliError.InvalidValue({ ...error, expected: "Expected a whole number" })
    : error

/** Shows mistakes without the full help text. */
export const presenter: CliOutput.Presenter = {
  present: Effect.fnUntraced(function* (event) {
    if (event._tag !== "InvalidInvocation") return yield* CliOutput.defaultPresenter.present(event)
    const context = yield* Effect.context<never>()
    const given = Context.getOrUndefined(context, CliOutput.Formatter)
    const formatted = (colors: boolean) =>
      (given ?? CliOutput.defaultFormatter({ colors })).formatErrors(event.errors.map(inWords))
    // The message repeats arguments. When they contain control characters, it is printed without
    // colours.
    const plain = formatted(false)
    const shown = visibleLines(plain)
    const mistakes =
      shown === plain ? formatted(Context.get(context, TerminalCapabilities).canColor) : shown
    yield* Console.error(`${mistakes}\n\nSee ${event.commandPath.join(" ")} --help`)
  })
}
