/**
 * How a command fails: one sentence on standard error, an exit code that says what can be done, no
 * stack trace.
 */
import * as CliError from "effect/cli/CliError"
import * as Data from "effect/Data"
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import * as Runtime from "effect/Runtime"
import { visible } from "./print.ts"

/** The data or the command has to be changed: trying again would end alike. */
export const exitFix = 2

/** Done, but not with every record. */
export const exitRejects = 3

/** What failed may work later, as `EX_TEMPFAIL` of sysexits. */
export const exitTryAgain = 75

/** A command failed; the message says what happened and what to do. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{
  readonly message: string
  readonly exitCode: number
}> {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override get [CliError.userMessage](): string {
    return this.message
  }
}

/** A failure with this message, on one line; the data or the command has to be changed. */
export const failed = (message: string, exitCode: number = exitFix): CommandFailed =>
  new CommandFailed({ message: visible(message), exitCode })

/** An error with a sentence of its own, such as those of the client and of the local server. */
export interface Explained {
  readonly message: string
  readonly isRetryable?: boolean
}

/** Turns such an error into the command's failure; what can be retried ends with its exit code. */
export const because = ({ isRetryable, message }: Explained): CommandFailed =>
  failed(message, isRetryable === true ? exitTryAgain : exitFix)

/**
 * Gives the exit code of a command: as Effect has it, and that of a mistake on the command line as
 * one to be fixed.
 */
export const exitCodes: Runtime.Teardown = (exit, onExit) =>
  Runtime.defaultTeardown(exit, (code) => {
    const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    onExit(code === 1 && CliError.isCliError(error) ? exitFix : code)
  })
