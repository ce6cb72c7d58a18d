/**
 * Why a record is refused, as both decoders say it: the column path and what was expected there, never the value.
 */

/** Thrown inside a decoder and caught where the message is rolled back. Carries no stack: hostile records must stay cheap. */
export class RecordProblem extends Error {
  readonly path: string
  readonly expected: string
  constructor(path: ReadonlyArray<string>, expected: string) {
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    super(expected)
    Error.stackTraceLimit = limit
    this.path = columnPath(path)
    this.expected = expected
  }
}

/** `a.b.list.element` as a reader of SQL would write it: `a.b.element`. */
const columnPath = (path: ReadonlyArray<string>): string =>
  path.filter((part, index) => index === 0 || (part !== "list" && part !== "key_value")).join(".")
