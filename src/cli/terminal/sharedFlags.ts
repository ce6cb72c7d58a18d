/**
 * Flags and arguments shared by several commands, and lazy loading of each command's
 * implementation.
 */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"

/** A flag that is off by default. */
const onRequest = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

/** `--json`: output for programs. */
export const jsonFlag = (description = "Print JSON") => onRequest("json", description)

/** `--yes`: without it a command changes nothing. */
export const yesFlag = (description: string) => onRequest("yes", description)

/** The table that a command is for. */
export const tableArgument = (description = "catalog.schema.table") =>
  Argument.String("table").pipe(Argument.withDescription(description))

/** The table of a command that reads the table's files. */
export const localTableArgument = tableArgument("catalog.schema.table of the local server")

/** A command's handler, loaded from its module when the command runs. */
export const loaded =
  <M, I, A, E, R>(
    load: () => Promise<M>,
    run: (module: M) => (input: I) => Effect.Effect<A, E, R>
  ) =>
  (input: I): Effect.Effect<A, E, R> =>
    Effect.flatMap(Effect.promise(load), (module) => run(module)(input))
