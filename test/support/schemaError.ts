/**
 * The structured status with which the service refuses a schema.
 */

const field = (number: number, content: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(content as string)
  return Buffer.concat([Uint8Array.of((number << 3) | 2, bytes.length), bytes])
}

const entry = (key: string, value: string): Buffer =>
  field(3, Buffer.concat([field(1, key), field(2, value)]))

/** A field of 128 bytes or more. */
const long = (number: number, bytes: Uint8Array): Buffer => {
  const length = Uint8Array.of((bytes.length & 0x7f) | 0x80, bytes.length >> 7)
  return Buffer.concat([Uint8Array.of((number << 3) | 2), length, bytes])
}

const sized = (number: number, bytes: Uint8Array): Buffer =>
  bytes.length > 127 ? long(number, bytes) : field(number, bytes)

/** A serialized `google.rpc.Status` with causes and the error code 8001. */
export const schemaError: Buffer = Buffer.concat([
  Uint8Array.of(0x08, 3),
  sized(
    3,
    Buffer.concat([
      field(1, "type.googleapis.com/google.rpc.ErrorInfo"),
      sized(
        2,
        Buffer.concat([
          field(1, "SCHEMA_VALIDATION_FAILED"),
          entry("causes", "FIELD_NOT_IN_TABLE,SOMETHING_NEW"),
          entry("error_code", "8001")
        ])
      )
    ])
  )
])
