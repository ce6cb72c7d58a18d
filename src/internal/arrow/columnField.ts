/**
 * The Arrow field of each column, as in the service's documentation and the official SDKs.
 *
 * | column | Arrow |
 * | --- | --- |
 * | STRING, DECIMAL | LargeUtf8 |
 * | TINYINT, SMALLINT, INT, BIGINT | Int8, Int16, Int32, Int64 |
 * | FLOAT, DOUBLE | Float32, Float64 |
 * | BOOLEAN, BINARY, DATE | Bool, LargeBinary, Date32 |
 * | TIMESTAMP, TIMESTAMP_NTZ | Timestamp(µs, UTC), Timestamp(µs, no zone) |
 * | VARIANT | Struct { metadata LargeBinary, value LargeBinary }, both not nullable |
 * | STRUCT, ARRAY | Struct, List { item } |
 * | MAP | Map { entries { keys, values } }, not sorted |
 */
import type { ColumnDefinition, ColumnType, SimpleType } from "../columns/columnType.ts"
import { isSimple } from "../columns/scalarTypes.ts"
import type { ArrowField, ArrowType } from "./arrowSchema.ts"

const field = (
  name: string,
  type: ArrowType,
  nullable: boolean,
  children: ReadonlyArray<ArrowField> = []
): ArrowField => ({ name, type, nullable, dictionary: undefined, extension: undefined, children })

const binary: ArrowType = { _tag: "Binary", large: true }
const text: ArrowType = { _tag: "Utf8", large: true }
const struct: ArrowType = { _tag: "Struct" }

/** The parts of a VARIANT. */
const variantParts = [field("metadata", binary, false), field("value", binary, false)]

/** The field of a column. */
export const fieldOf = ({ name, nullable, type }: ColumnDefinition): ArrowField =>
  fieldOfType(name, type, nullable)

const fieldOfType = (name: string, type: ColumnType, nullable: boolean): ArrowField => {
  if (isSimple(type)) {
    const parts = type._tag === "Variant" ? variantParts : []
    return field(name, typeOf(type), nullable, parts)
  }
  switch (type._tag) {
    case "Struct":
      return field(name, struct, nullable, type.fields.map(fieldOf))
    case "Array": {
      const item = fieldOfType("item", type.element, true)
      return field(name, { _tag: "List", large: false }, nullable, [item])
    }
    case "Map": {
      const parts = [fieldOfType("keys", type.key, false), fieldOfType("values", type.value, true)]
      const entries = field("entries", struct, false, parts)
      return field(name, { _tag: "Map", sorted: false }, nullable, [entries])
    }
  }
}

/** The Arrow type of a simple column type. */
const typeOf = (type: SimpleType): ArrowType => {
  switch (type._tag) {
    case "Boolean":
      return { _tag: "Bool" }
    case "TinyInt":
      return { _tag: "Int", bits: 8, signed: true }
    case "SmallInt":
      return { _tag: "Int", bits: 16, signed: true }
    case "Int":
      return { _tag: "Int", bits: 32, signed: true }
    case "BigInt":
      return { _tag: "Int", bits: 64, signed: true }
    case "Float":
      return { _tag: "Float", bits: 32 }
    case "Double":
      return { _tag: "Float", bits: 64 }
    case "String":
    case "Decimal":
      return text
    case "Binary":
      return binary
    case "Date":
      return { _tag: "Date", unit: "day" }
    case "Timestamp":
      return { _tag: "Timestamp", unit: "µs", zone: "UTC" }
    case "TimestampNtz":
      return { _tag: "Timestamp", unit: "µs", zone: undefined }
    case "Variant":
      return struct
  }
}
