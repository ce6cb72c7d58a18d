/**
 * How a command fails: one sentence on standard error, exit code 1, no stack trace.
 */
import * as CliError from "effect/cli/CliError"
import * as Data from "effect/Data"

/** A command failed; the message says what happened and what to do. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{ readonly message: string }> {
  override get [CliError.userMessage](): string {
    return this.message
  }
}

/** A failure with this message. */
export const failed = (message: string): CommandFailed => new CommandFailed({ message })

/** Turns an error with a sentence of its own, such as those of the client and of the local server, into the command's failure. */
export const because = (error: { readonly message: string }): CommandFailed => failed(error.message)
