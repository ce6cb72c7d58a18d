/**
 * The target of a stream: a table's name, the format of its records and their codec.
 *
 * The record type of a stream is inferred from its table properties, so that a record of the wrong
 * type does not compile. Names are checked when the stream is created, not here.
 *
 * @packageDocumentation
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaIssue from "effect/SchemaIssue"
import { isBytes } from "./internal/protobuf/bytes.ts"
import { type ForeignForm, foreignFormsOf } from "./internal/codec/jsonForms.ts"
import { shownKey } from "./internal/codec/protoEncode.ts"
import { bytesCodec, jsonCodec, jsonTextCodec } from "./internal/codec/untypedCodecs.ts"
import type { RecordCodec } from "./internal/recordCodec.ts"
import { InvalidArgument } from "./ZerobusError.ts"

/**
 * A table and the format of its records. `A` is the type of one record.
 *
 * @since 0.1.0
 * @category models
 */
export interface TableProperties<in out A> {
  /** `catalog.schema.table`. */
  readonly tableName: string
  /** The format of the records. */
  readonly recordType: "json" | "proto" | "avro" | "arrow"
  /**
   * The description of a record: the serialized `DescriptorProto` for `"proto"` and for typed
   * tables, the schema text as UTF-8 for `"avro"`, the schema message of Arrow's IPC format for
   * other `"arrow"` tables, undefined for `"json"`.
   */
  readonly descriptor: Uint8Array | undefined
  /**
   * Encodes and decodes records.
   *
   * @hidden
   */
  readonly codec: RecordCodec<A>
}

/**
 * A JSON record: a plain object, or the text of a JSON object, which is sent unchanged. Arrays and
 * bytes are refused.
 *
 * @since 0.1.0
 * @category models
 */
export type JsonRecord =
  | string
  // The first form takes literals and type aliases, the second interfaces and classes, which have
  // no index signature. It excludes promises (a `then` method); a column named `then` is still
  // allowed.
  | { readonly [key: string]: unknown }
  | (object & {
      /** Excludes arrays, texts and bytes. */
      readonly [Symbol.iterator]?: never
      /** Excludes promises. A column named `then` is allowed. */
      readonly then?: string | number | boolean | null | undefined
    })

/**
 * A table with JSON records.
 *
 * Without a schema, a record is an object, which is serialized once, or the text of a JSON object,
 * which is sent unchanged. With an Effect Schema, a record is a value of its type and is encoded at
 * the ingest call. A value that the schema refuses fails with `InvalidArgument` and the path inside
 * the record. So does a `Date`, `DateTime`, `Duration`, `Map` or `Option` that the schema does not
 * encode as a plain value: the service expects times as numbers of microseconds or days, and maps
 * as objects.
 *
 * @example
 * const readings = TableProperties.json(
 *   "main.default.readings",
 *   Schema.Struct({ device: Schema.String, temp: Schema.Int })
 * )
 *
 * @since 0.1.0
 * @category constructors
 */
export const json: {
  (tableName: string): TableProperties<JsonRecord>
  <A, I>(tableName: string, schema: Schema.Codec<A, I>): TableProperties<A>
} = (tableName: string, schema?: Schema.Codec<any, any>): TableProperties<any> => ({
  tableName: trimmed(tableName),
  recordType: "json",
  descriptor: undefined,
  codec: schema === undefined ? jsonTextCodec : schemaCodec(schema)
})

/**
 * A table with encoded protobuf records. A record is the bytes of a message of type `descriptor` (a
 * serialized `DescriptorProto`). The descriptor is copied here and the bytes of a record at the
 * ingest call, so the caller may reuse its buffers.
 *
 * @since 0.1.0
 * @category constructors
 */
export const proto = (tableName: string, descriptor: Uint8Array): TableProperties<Uint8Array> => ({
  tableName: trimmed(tableName),
  recordType: "proto",
  // `Buffer.slice` would return a view of the caller's bytes.
  descriptor: isBytes(descriptor) ? new Uint8Array(descriptor) : new Uint8Array(),
  codec: bytesCodec
})

/**
 * Untyped callers may pass an undefined name, for example from a missing variable. The stream
 * refuses the empty name.
 */
const trimmed = (tableName: string): string =>
  typeof tableName === "string" ? tableName.trim() : ""

const schemaCodec = <A, I>(schema: Schema.Codec<A, I>): RecordCodec<A> => {
  // The schema's JSON codec, so that encoded records can be decoded whatever the schema's own
  // encoded type is.
  const json = Schema.toCodecJson(schema)
  const encode = Schema.encodeUnknownResult(json)
  const decode = Schema.decodeUnknownSync(json)
  const foreignForm = foreignFormsOf(schema)
  return {
    write: (record, sink) => {
      const foreign = foreignForm?.(record)
      if (foreign !== undefined) return refuseForm(foreign)
      const encoded = encode(record)
      return Result.isFailure(encoded)
        ? refusal(encoded.failure.issue)
        : jsonCodec.write(encoded.success, sink)
    },
    read: (payload) => decode(jsonCodec.read(payload))
  }
}

const refuseForm = ({ advice, path, what }: ForeignForm): InvalidArgument => {
  const shown = path.map((key) => (typeof key === "number" ? key : shownKey(key)))
  const place = shown.length === 0 ? "The record" : `The record's field ${shown.join(".")}`
  return new InvalidArgument({
    message: `${place} is ${what}, which the service expects in another form. ${advice}`,
    path: shown
  })
}

// The issue's text may quote the value, so only its path and kind are reported.
const refusal = (issue: SchemaIssue.Issue): InvalidArgument => {
  const path: Array<string | number> = []
  let inner: SchemaIssue.Issue | undefined = issue
  while (inner !== undefined) {
    if (inner._tag === "Pointer") {
      for (const key of inner.path) path.push(typeof key === "number" ? key : String(key))
      inner = inner.issue
    } else if (inner._tag === "Composite") inner = inner.issues[0]
    else if (inner._tag === "Encoding" || inner._tag === "Filter") inner = inner.issue
    else break
  }
  const place = path.length === 0 ? "The record" : `The record's field ${path.join(".")}`
  return new InvalidArgument({
    message:
      `${place} does not fit the table's schema (${inner?._tag ?? "Invalid"}). Correct ` +
      `the value, or the schema.`,
    path
  })
}
