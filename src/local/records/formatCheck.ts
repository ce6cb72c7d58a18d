/**
 * Checks whether records of a format fit the columns of a table.
 */
import * as Result from "effect/Result"
import { ArrowProblem } from "../../internal/arrow/arrowProblem.ts"
import { AvroProblem } from "../../internal/avro/avroProblem.ts"
import type { ColumnDefinition } from "../../internal/columns/columnType.ts"
import { parseDescriptorProto } from "../../internal/protobuf/descriptor.ts"
import type { LogFormat } from "../log/logFrames.ts"
import { avroSchemaOf } from "./avroDecoder.ts"
import { checkAvroSchema } from "./avroSchemaCheck.ts"
import { arrowFields } from "./arrowDecoder.ts"
import { checkArrowSchema } from "./arrowSchemaCheck.ts"
import { checkDescriptor } from "./schemaCheck.ts"
import type { SchemaFinding } from "./schemaFindings.ts"

/** Why a format is refused: its schema cannot be read, or does not fit. */
export type FormatProblem =
  | { readonly _tag: "Unreadable"; readonly noun: string; readonly why: string }
  | {
      readonly _tag: "Unfit"
      readonly noun: string
      readonly findings: ReadonlyArray<SchemaFinding>
    }

/** Why records of a format cannot be written to these columns; undefined when they can. */
export const formatProblem = (
  columns: ReadonlyArray<ColumnDefinition>,
  format: LogFormat
): FormatProblem | undefined => {
  switch (format._tag) {
    case "Json":
      return undefined
    case "Proto": {
      const shape = parseDescriptorProto(format.descriptor)
      return Result.isFailure(shape)
        ? { _tag: "Unreadable", noun: "descriptor", why: shape.failure }
        : unfit("descriptor", checkDescriptor(columns, shape.success))
    }
    case "Arrow":
      try {
        return unfit("Arrow schema", checkArrowSchema(columns, arrowFields(format.schema)))
      } catch (error) {
        if (!(error instanceof ArrowProblem)) throw error
        return { _tag: "Unreadable", noun: "Arrow schema", why: error.message }
      }
    case "Avro":
      try {
        return unfit("Avro schema", checkAvroSchema(columns, avroSchemaOf(format.schema)))
      } catch (error) {
        if (!(error instanceof AvroProblem)) throw error
        return { _tag: "Unreadable", noun: "Avro schema", why: error.message }
      }
  }
}

const unfit = (noun: string, findings: ReadonlyArray<SchemaFinding>): FormatProblem | undefined =>
  findings.length === 0 ? undefined : { _tag: "Unfit", noun, findings }
