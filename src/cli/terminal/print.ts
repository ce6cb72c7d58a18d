/**
 * Output of the commands. Untrusted text (values, names, comments, errors) can contain characters
 * that control a terminal. They are printed as `\u{1b}`.
 */
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/**
 * Control characters, line and paragraph separators, and bidirectional marks. Joiners of scripts
 * and emoji are not included.
 */
const controls = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu

const codeOf = (control: string): string => control.codePointAt(0)!.toString(16)

/** Untrusted text on one line, with control characters escaped. */
export const visible = (text: string): string =>
  text.replace(controls, (control) => `\\u{${codeOf(control)}}`)

/** The same for text of several lines. Line feeds and tabs stay. */
export const visibleLines = (text: string): string =>
  text.replace(controls, (control) =>
    control === "\n" || control === "\t" ? control : `\\u{${codeOf(control)}}`
  )

/**
 * JSON with escapes for the control characters that `JSON.stringify` leaves in. It parses to the
 * same values.
 */
export const visibleJson = (json: string): string =>
  json.replace(controls, (control) => `\\u${codeOf(control).padStart(4, "0")}`)

/**
 * Prints lines. Untrusted text in them must be passed through `visible`, so that it cannot add
 * lines.
 */
export const print = (text: string): Effect.Effect<void> => Console.log(visibleLines(text))

/** Prints a result as one line of JSON. */
export const printJson = (json: string): Effect.Effect<void> => Console.log(visibleJson(json))

/** Prints a remark on standard error, on one line. */
export const remark = (text: string): Effect.Effect<void> => Console.error(visible(text))

/** The reader of standard output, such as `head`, closed the pipe. */
export class ReaderGone extends Data.TaggedError("ReaderGone") {}

/**
 * Writes large output to standard output with backpressure. Untrusted text in it must be passed
 * through `visible`.
 */
export const withOutput = <A, E>(
  use: (write: (text: string) => Effect.Effect<void, ReaderGone>) => Effect.Effect<A, E>
): Effect.Effect<A, E> => {
  // Each write reports its error through its callback. Without a listener the same error would end
  // the process.
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
