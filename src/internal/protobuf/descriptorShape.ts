/**
 * The structure of a message after its descriptor is read, and the numbers of types and labels in
 * descriptors.
 */

/** The protobuf types a field of a {@link MessageShape} may have. */
export type FieldType =
  | "double"
  | "float"
  | "int64"
  | "uint64"
  | "int32"
  | "fixed64"
  | "fixed32"
  | "bool"
  | "string"
  | "message"
  | "bytes"
  | "uint32"
  | "enum"
  | "sfixed32"
  | "sfixed64"
  | "sint32"
  | "sint64"

/**
 * One field of a message that was read. A map is a repeated field whose message is the entry with
 * `key` and `value`.
 */
export interface FieldShape {
  readonly name: string
  readonly number: number
  readonly label: "optional" | "required" | "repeated"
  readonly type: FieldType
  /** The message of a field of type `message`; shared when several fields use one message. */
  readonly message?: MessageShape
  readonly mapEntry: boolean
  readonly packed: boolean
}

/** A message that was read, with all messages it uses resolved. */
export interface MessageShape {
  readonly name: string
  readonly fields: ReadonlyArray<FieldShape>
}

/** The number of each type in a `FieldDescriptorProto`. */
export const typeNumbers: { readonly [K in FieldType]: number } = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  message: 11,
  bytes: 12,
  uint32: 13,
  enum: 14,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18
}

/** The labels in the order of their numbers, which start at 1. */
export const labels = ["optional", "required", "repeated"] as const
