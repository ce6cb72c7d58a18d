/**
 * What commands print. Text of others (values, names, comments, errors) can hold characters that a
 * terminal obeys instead of showing them: they are printed as `\u{1b}`.
 */
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/**
 * Control characters, line and paragraph separators, and marks that change the direction of text.
 * Joiners of scripts and emoji are none of them.
 */
const controls = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu

const codeOf = (control: string): string => control.codePointAt(0)!.toString(16)

/** A text of others on one line, without a character that a terminal obeys. */
export const visible = (text: string): string =>
  text.replace(controls, (control) => `\\u{${codeOf(control)}}`)

/** The same for a text of several lines; line feeds and tabs stay. */
export const visibleLines = (text: string): string =>
  text.replace(controls, (control) =>
    control === "\n" || control === "\t" ? control : `\\u{${codeOf(control)}}`
  )

/** JSON with the escapes that `JSON.stringify` leaves out. Programs read the same values. */
export const visibleJson = (json: string): string =>
  json.replace(controls, (control) => `\\u${codeOf(control).padStart(4, "0")}`)

/**
 * Prints lines. Texts of others in them have to be `visible`, so that none makes a line of its own.
 */
export const print = (text: string): Effect.Effect<void> => Console.log(visibleLines(text))

/** Prints a result as one line of JSON. */
export const printJson = (json: string): Effect.Effect<void> => Console.log(visibleJson(json))

/** Prints a remark on standard error, on one line. */
export const remark = (text: string): Effect.Effect<void> => Console.error(visible(text))

/** The reader of standard output has seen enough, such as `head`. */
export class ReaderGone extends Data.TaggedError("ReaderGone") {}

/**
 * Writes much to standard output, at the pace of its reader. Texts of others in it have to be
 * visible.
 */
export const withOutput = <A, E>(
  use: (write: (text: string) => Effect.Effect<void, ReaderGone>) => Effect.Effect<A, E>
): Effect.Effect<A, E> => {
  // The callback of each write has the error; without a listener it would end the process as well.
  const ignore = (): void => {}
  const write = (text: string): Effect.Effect<void, ReaderGone> =>
    Effect.callback((resume) => {
      process.stdout.write(text, (error) =>
        resume(error === undefined || error === null ? Effect.void : Effect.fail(new ReaderGone()))
      )
    })
  return Effect.acquireUseRelease(
    Effect.sync(() => process.stdout.on("error", ignore)),
    () => use(write),
    () => Effect.sync(() => void process.stdout.off("error", ignore))
  )
}
