/**
 * Why a record is refused, as both decoders say it: the column path and what was expected there,
 * never the value.
 */
import { ArrowProblem } from "../../internal/arrow/arrowProblem.ts"
import { AvroProblem } from "../../internal/avro/avroProblem.ts"
import { MalformedMessage } from "../../internal/protobuf/wire.ts"

/**
 * Thrown inside a decoder and caught where the message is rolled back. Carries no stack: hostile
 * records must stay cheap.
 */
export class RecordProblem extends Error {
  readonly path: string
  readonly expected: string
  /** The row of a record that holds several. */
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

/** `a.b.list.element` as a reader of SQL would write it: `a.b.element`. */
const columnPath = (path: ReadonlyArray<string>): string =>
  path.filter((part, index) => index === 0 || (part !== "list" && part !== "key_value")).join(".")

const noMessage = "the record is not a valid protobuf message of the stream's descriptor"

/** Throws: the bytes at a column are no protobuf message of the descriptor. */
export const malformed = (path: ReadonlyArray<string>): never => {
  throw new RecordProblem(path, noMessage)
}

const withoutStop = (sentence: string): string => sentence.replace(/\.$/, "")

/** Why a decoder refused its record, by what it threw. Throws on what is no refusal. */
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
