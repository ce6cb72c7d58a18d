/**
 * Arrow schemas as plain data: fields with their types, and the names of types in messages.
 */

/** The unit of a time. */
export type TimeUnit = "s" | "ms" | "µs" | "ns"

/** The type of a field. `Other` stands for types that no column has. */
export type ArrowType =
  | { readonly _tag: "Null" | "Bool" | "Struct" }
  | { readonly _tag: "Int"; readonly bits: number; readonly signed: boolean }
  | { readonly _tag: "Float"; readonly bits: 16 | 32 | 64 }
  /** `large`: with 64-bit offsets. */
  | { readonly _tag: "Utf8" | "Binary" | "List"; readonly large: boolean }
  | { readonly _tag: "Date"; readonly unit: "day" | "ms" }
  | { readonly _tag: "Timestamp"; readonly unit: TimeUnit; readonly zone: string | undefined }
  | { readonly _tag: "Map"; readonly sorted: boolean }
  | {
      readonly _tag: "Decimal"
      readonly precision: number
      readonly scale: number
      readonly bits: number
    }
  | { readonly _tag: "Other"; readonly name: string }

/** A field of a schema, or of a nested type. */
export interface ArrowField {
  readonly name: string
  readonly type: ArrowType
  readonly nullable: boolean
  /** The id of the dictionary that its values refer to. */
  readonly dictionary: bigint | undefined
  /** The name of its extension type, from the metadata `ARROW:extension:name`. */
  readonly extension: string | undefined
  readonly children: ReadonlyArray<ArrowField>
}

const large = (isLarge: boolean, name: string): string => (isLarge ? `Large${name}` : name)

/** A type as named in messages: `LargeUtf8`, `Int32`, `Timestamp(µs, UTC)`. */
export const typeText = (type: ArrowType): string => {
  switch (type._tag) {
    case "Int":
      return `${type.signed ? "" : "U"}Int${type.bits}`
    case "Float":
      return `Float${type.bits}`
    case "Utf8":
    case "Binary":
    case "List":
      return large(type.large, type._tag)
    case "Date":
      return type.unit === "day" ? "Date32" : "Date64"
    case "Timestamp":
      return (
        `Timestamp(${type.unit}, ` +
        `${type.zone === undefined ? "no zone" : printable(type.zone)})`
      )
    case "Decimal":
      return `Decimal${type.bits}(${type.precision}, ${type.scale})`
    case "Other":
      return type.name
    case "Null":
    case "Bool":
    case "Struct":
    case "Map":
      return type._tag
  }
}

/** The name of a time zone, if it is safe for a message. */
const printable = (zone: string): string =>
  /^[A-Za-z0-9_+:/-]{1,40}$/.test(zone) ? zone : "unprintable zone"
