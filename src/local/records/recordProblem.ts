/**
 * Why a record is refused: the column path and what was expected there, never the value.
 */
import { ArrowProblem } from "../../internal/arrow/arrowProblem.ts"
import { AvroProblem } from "../../internal/avro/avroProblem.ts"
import { MalformedMessage } from "../../internal/protobuf/wire.ts"

/**
 * Thrown inside a decoder and caught where the message is rolled back. It has no stack trace, so
 * that hostile records stay cheap.
 */
export class RecordProblem extends Error {
  readonly path: string
  readonly expected: string
  /** The index of the row, for a record with several rows. */
  row = 0
  constructor(path: ReadonlyArray<string>, expected: string) {
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    super(expected)
    Error.stackTraceLimit = limit
    this.path = columnPath(path)
    this.expected = expected
  }
}

/** The path as in SQL: `a.b.element` for `a.b.list.element`. */
const columnPath = (path: ReadonlyArray<string>): string =>
  path.filter((part, index) => index === 0 || (part !== "list" && part !== "key_value")).join(".")

const noMessage = "the record is not a valid protobuf message of the stream's descriptor"

/** Throws the problem that the bytes at a column are not a protobuf message of the descriptor. */
export const malformed = (path: ReadonlyArray<string>): never => {
  throw new RecordProblem(path, noMessage)
}

const withoutStop = (sentence: string): string => sentence.replace(/\.$/, "")

/** The problem for an error that a decoder threw. Rethrows errors that are not refusals. */
export const problemOf = (error: unknown): RecordProblem => {
  if (error instanceof RecordProblem) return error
  if (error instanceof MalformedMessage) return new RecordProblem([], noMessage)
  if (error instanceof ArrowProblem) {
    return new RecordProblem(
      [],
      `the message is not a record batch of the stream's schema. ${withoutStop(error.message)}`
    )
  }
  if (error instanceof AvroProblem) {
    return new RecordProblem(
      error.path,
      `the record is not a value of the stream's Avro schema. ${withoutStop(error.message)}`
    )
  }
  throw error
}
