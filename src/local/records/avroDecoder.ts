/**
 * Appends Avro records to the leaves of a table. A record is read into the values of an equivalent
 * JSON record, which are appended by the rules of JSON, so that both give the same rows.
 */
import { type AvroRecord, parseAvroSchema } from "../../internal/avro/avroSchema.ts"
import { datumReader, datumText } from "../../internal/avro/datumReader.ts"
import type { ColumnDefinition } from "../../internal/columns/columnType.ts"
import type { Leaf } from "../parquet/columnBuffer.ts"
import type { ColumnNode, ColumnTree } from "../parquet/columnTree.ts"
import { jsonObjectAppender } from "./jsonValues.ts"

const decoder = new TextDecoder()

/** The schema of a stream, given as UTF-8. Throws an `AvroProblem`. */
export const avroSchemaOf = (schema: Uint8Array): AvroRecord =>
  parseAvroSchema(decoder.decode(schema))

/**
 * Creates the decoder of a stream, which returns 1 for each record. The schema must have passed
 * `checkAvroSchema`.
 */
export const avroDecoder = (
  tree: ColumnTree,
  schema: Uint8Array,
  leaves: ReadonlyArray<Leaf>
): ((bytes: Uint8Array, start?: number, end?: number) => number) => {
  const fields = tree.columns.map((node, index) => columnOf(tree.names[index]!, node))
  const read = datumReader(avroSchemaOf(schema), { _tag: "Struct", fields })
  const append = jsonObjectAppender(tree, leaves)
  return (bytes, start = 0, end = bytes.length) => {
    append(read(bytes, start, end), 0)
    return 1
  }
}

const columnOf = (name: string, { nullable, type }: ColumnNode): ColumnDefinition => ({
  name,
  type,
  nullable
})

/** The text of each record of a stream as JSON, in the forms that `zerobus ingest` reads. */
export const avroTexts = (schema: Uint8Array): ((record: Uint8Array) => ReadonlyArray<string>) => {
  const read = datumReader(avroSchemaOf(schema))
  return (record) => [datumText(read(record))]
}
