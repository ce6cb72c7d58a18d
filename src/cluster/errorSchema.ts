/**
 * The client's errors as a schema, so that they arrive with their class and fields in the process
 * that sent the record.
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Errors from "../ZerobusError.ts"

const message = { message: Schema.String }
const ofStream = { unacknowledged: Schema.optional(Schema.Number) }

/** An instance of an error class, encoded as its tag and fields. */
const errorOf = <
  Tag extends string,
  Type extends { readonly _tag: Tag },
  const Fields extends Schema.Struct.Fields
>(
  tag: Tag,
  Class: new (fields: any) => Type,
  fields: Fields
): Schema.Codec<Type, unknown> => {
  const names = Object.keys({ ...fields, ...ofStream })
  const encoded = Schema.TaggedStruct(tag, { ...fields, ...ofStream }) as unknown as Schema.Codec<
    object,
    unknown
  >
  return encoded.pipe(
    Schema.decodeTo(
      Schema.instanceOf(Class),
      SchemaTransformation.transform({
        decode: (encoded: object) => {
          const { _tag, ...given } = encoded as { readonly _tag: Tag }
          return new Class(given)
        },
        encode: (error: Type): object => {
          const given = names.map(
            (name) => [name, (error as Readonly<Record<string, unknown>>)[name]] as const
          )
          return {
            _tag: tag,
            ...Object.fromEntries(given.filter(([, value]) => value !== undefined))
          }
        }
      })
    )
  ) as unknown as Schema.Codec<Type, unknown>
}

const reason = Schema.Union([
  Schema.TaggedStruct("ConnectionLost", message),
  Schema.TaggedStruct("ConnectTimeout", message),
  Schema.TaggedStruct("ServerUnavailable", { ...message, status: Schema.String }),
  Schema.TaggedStruct("AckTimeout", message),
  Schema.TaggedStruct("TokenServiceUnavailable", {
    ...message,
    retryAfterMillis: Schema.optional(Schema.Number)
  }),
  Schema.TaggedStruct("CatalogUnavailable", message),
  Schema.TaggedStruct("SpoolUnavailable", message)
])

/** Any error of the client. */
export const zerobusError: Schema.Codec<Errors.ZerobusError, unknown> = Schema.Union([
  errorOf("Retryable", Errors.Retryable, { reason, attempts: Schema.Number }),
  errorOf("InvalidToken", Errors.InvalidToken, message),
  errorOf("PermissionDenied", Errors.PermissionDenied, message),
  errorOf("InvalidTable", Errors.InvalidTable, {
    ...message,
    tableName: Schema.String,
    isMissing: Schema.optional(Schema.Boolean)
  }),
  errorOf("InvalidEndpoint", Errors.InvalidEndpoint, message),
  errorOf("TlsFailure", Errors.TlsFailure, { ...message, code: Schema.String }),
  errorOf("InvalidArgument", Errors.InvalidArgument, {
    ...message,
    path: Schema.Array(Schema.Union([Schema.String, Schema.Number])),
    offset: Schema.optional(Schema.Number)
  }),
  errorOf("SchemaMismatch", Errors.SchemaMismatch, {
    ...message,
    causes: Schema.Array(Schema.String),
    errorCode: Schema.optional(Schema.String)
  }),
  errorOf("PayloadTooLarge", Errors.PayloadTooLarge, {
    size: Schema.Number,
    limit: Schema.Number,
    option: Schema.Literals(["maxPayloadBytes", "maxInflightBytes", "maxBatchRecords"])
  }),
  errorOf("Unsupported", Errors.Unsupported, message),
  errorOf("FlushTimeout", Errors.FlushTimeout, {
    operation: Schema.Literals([
      "flush",
      "close",
      "waitForOffset",
      "ingestRecord",
      "ingestRecords"
    ]),
    timeoutMillis: Schema.Number,
    pending: Schema.Number,
    lastFailure: Schema.optional(
      Schema.suspend((): Schema.Codec<Errors.ZerobusError, unknown> => zerobusError)
    )
  }),
  errorOf("StreamClosed", Errors.StreamClosed, {
    operation: Schema.String,
    cause: Schema.optional(
      Schema.suspend((): Schema.Codec<Errors.ZerobusError, unknown> => zerobusError)
    )
  }),
  errorOf("InvalidState", Errors.InvalidState, message),
  errorOf("ProtocolViolation", Errors.ProtocolViolation, message)
])
