/**
 * The failure of a command: one sentence on standard error, an exit code that says whether a retry
 * can help, no stack trace.
 */
import * as CliError from "effect/cli/CliError"
import * as Data from "effect/Data"
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import * as Runtime from "effect/Runtime"
import { visible } from "./print.ts"

/** The data or the command must be changed; a retry would fail again. */
export const exitFix = 2

/** The command finished, but some records were rejected. */
export const exitRejects = 3

/** A retry may succeed; the value of `EX_TEMPFAIL` in sysexits. */
export const exitTryAgain = 75

/** A failed command. The message says what happened and what to do. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{
  readonly message: string
  readonly exitCode: number
}> {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override get [CliError.userMessage](): string {
    return this.message
  }
}

/** A failure with this message on one line. By default the data or the command must be changed. */
export const failed = (message: string, exitCode: number = exitFix): CommandFailed =>
  new CommandFailed({ message: visible(message), exitCode })

/** An error with a message for users, such as those of the client and of the local server. */
export interface Explained {
  readonly message: string
  readonly isRetryable?: boolean
}

/**
 * Converts such an error to the command's failure, with the exit code for whether it is retryable.
 */
export const because = ({ isRetryable, message }: Explained): CommandFailed =>
  failed(message, isRetryable === true ? exitTryAgain : exitFix)

/**
 * The exit code of a command: Effect's default, except that a command-line mistake exits with
 * `exitFix`.
 */
export const exitCodes: Runtime.Teardown = (exit, onExit) =>
  Runtime.defaultTeardown(exit, (code) => {
    const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    onExit(code === 1 && CliError.isCliError(error) ? exitFix : code)
  })
