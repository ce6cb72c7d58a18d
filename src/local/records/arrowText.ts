/**
 * Converts rows of Arrow messages to JSON text, in the forms that `zerobus ingest` reads.
 */
import type { ArrowColumn } from "../../internal/arrow/arrowColumns.ts"
import { readColumns } from "../../internal/arrow/arrowColumns.ts"
import type { ArrowField } from "../../internal/arrow/arrowSchema.ts"
import { base64OfBytes } from "../../internal/columns/base64Text.ts"
import { decodeVariant } from "../parquet/variant.ts"
import { arrowBatch, arrowFields, batchLimits, decompress } from "./arrowDecoder.ts"
import { floatText, longText } from "./numberText.ts"

/** Returns the texts of the rows of a message, given the stream's schema. */
export const arrowTexts = (
  schema: Uint8Array
): ((message: Uint8Array) => ReadonlyArray<string>) => {
  const fields = arrowFields(schema)
  return (message) => {
    const { batch, body } = arrowBatch(message)
    const columns = readColumns(fields, batch, body, decompress, batchLimits)
    return Array.from({ length: batch.rows }, (_, row) => structText(fields, columns, row))
  }
}

const structText = (
  fields: ReadonlyArray<ArrowField>,
  columns: ReadonlyArray<ArrowColumn>,
  index: number
): string => {
  const parts = fields.map(
    (field, place) => `${JSON.stringify(field.name)}:${valueText(field, columns[place]!, index)}`
  )
  return `{${parts.join(",")}}`
}

/** Whether a struct is a VARIANT, which has exactly these two fields. */
const isVariant = ({ children: [metadata, value, ...more] }: ArrowField): boolean =>
  more.length === 0 &&
  [metadata, value].every((part) => part?.type._tag === "Binary") &&
  metadata!.name === "metadata" &&
  value!.name === "value"

const bytesAt = ({ offsets, values }: ArrowColumn, index: number): Uint8Array =>
  values.subarray(offsets[index], offsets[index + 1])

const textAt = (column: ArrowColumn, index: number): string =>
  Buffer.from(bytesAt(column, index)).toString()

const valueText = (field: ArrowField, column: ArrowColumn, index: number): string => {
  const { children, type } = field
  const { validity, values } = column
  if (validity !== undefined && ((validity[index >> 3]! >> (index & 7)) & 1) === 0) return "null"
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength)
  switch (type._tag) {
    case "Bool":
      return String(((values[index >> 3]! >> (index & 7)) & 1) === 1)
    case "Int":
      if (type.bits === 64) return longText(view.getBigInt64(index * 8, true))
      if (type.bits === 32) return String(view.getInt32(index * 4, true))
      return String(type.bits === 16 ? view.getInt16(index * 2, true) : view.getInt8(index))
    case "Float":
      return floatText(
        type.bits === 32 ? view.getFloat32(index * 4, true) : view.getFloat64(index * 8, true)
      )
    case "Date":
      return String(view.getInt32(index * 4, true))
    case "Timestamp":
      return longText(view.getBigInt64(index * 8, true))
    case "Utf8":
      return JSON.stringify(textAt(column, index))
    case "Binary":
      return JSON.stringify(base64OfBytes(bytesAt(column, index)))
    case "Struct": {
      if (!isVariant(field)) return structText(children, column.children, index)
      const [metadata, value] = column.children
      return JSON.stringify(
        decodeVariant({ metadata: bytesAt(metadata!, index), value: bytesAt(value!, index) })
      )
    }
    case "List": {
      const [start, end] = [column.offsets[index]!, column.offsets[index + 1]!]
      const items = Array.from({ length: end - start }, (_, at) =>
        valueText(children[0]!, column.children[0]!, start + at)
      )
      return `[${items.join(",")}]`
    }
    case "Map": {
      const [start, end] = [column.offsets[index]!, column.offsets[index + 1]!]
      const [key, value] = children[0]!.children
      const [keys, items] = column.children[0]!.children
      const entries = Array.from({ length: end - start }, (_, at) => {
        const name = valueText(key!, keys!, start + at)
        const item = valueText(value!, items!, start + at)
        return `${name.startsWith('"') ? name : JSON.stringify(name)}:${item}`
      })
      return `{${entries.join(",")}}`
    }
    case "Null":
    case "Decimal":
    case "Other":
      return "null"
  }
}
