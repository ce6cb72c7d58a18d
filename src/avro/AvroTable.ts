/**
 * Tables with Avro records.
 *
 * @packageDocumentation
 *
 * @example
 * const table = AvroTable.make("main.default.air_quality", {
 *   type: "record",
 *   name: "Reading",
 *   fields: [
 *     { name: "device_name", type: "string" },
 *     { name: "temp", type: ["null", "int"] }
 *   ]
 * })
 * const program = Effect.gen(function*() {
 *   const zerobus = yield* Zerobus
 *   yield* zerobus.withStream(table, (stream) =>
 *     stream.ingestRecord({ device_name: "sensor-1", temp: 21 }))
 * })
 *
 * @since 0.2.0
 */
import { AvroProblem } from "../internal/avro/avroProblem.ts"
import { type AvroRecord as RecordSchema, parseAvroSchema } from "../internal/avro/avroSchema.ts"
import { tableNameProblem } from "../internal/columns/columnNames.ts"
import type { TableProperties } from "../TableProperties.ts"
import { InvalidArgument, InvalidTable } from "../ZerobusError.ts"
import { avroCodec } from "./avroCodec.ts"

/**
 * One record: an object with the schema's fields, or an encoded record as bytes: raw binary data
 * without container, header or registry id. Bytes are sent unchanged.
 *
 * A missing field is null if its type allows null. In a union, a value that fits several branches
 * needs the name of one, as in Avro's JSON encoding: `{ "com.example.Color": "RED" }`.
 * `long` accepts numbers and bigints, `date` and `timestamp` also a `Date`, `decimal` a string such
 * as "12.50", `uuid` a string, and `bytes`, `fixed` and `duration` bytes. A value that does not fit
 * fails with `InvalidArgument`, whose `path` names the field, and the stream continues.
 *
 * @since 0.2.0
 * @category models
 */
export type AvroRecord = Uint8Array | { readonly [field: string]: unknown }

/**
 * A table with Avro records. Unacknowledged records are returned as bytes.
 *
 * @since 0.2.0
 * @category models
 */
export interface AvroTable extends TableProperties<AvroRecord> {
  /** Records travel as Avro's binary data. */
  readonly recordType: "avro"
  /** The schema's JSON text, as sent to the service. */
  readonly schema: string
}

/**
 * Creates a table with the schema of its records, as JSON text or as an object: an Avro record
 * whose fields are columns of the table, in any order. `docs/avro.md` lists the column types.
 *
 * Throws `InvalidTable` for a malformed name, and `InvalidArgument` with the path `["schema"]` for
 * a schema that is invalid or not a record.
 *
 * @example
 * const table = AvroTable.make("main.default.events", await readFile("event.avsc", "utf8"))
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = (tableName: string, schema: string | object): AvroTable => {
  const name = typeof tableName === "string" ? tableName.trim() : ""
  const problem = tableNameProblem(name)
  if (problem !== undefined) throw new InvalidTable({ message: problem, tableName: name })
  const text = textOf(name, schema)
  const record = parsed(name, text)
  return {
    tableName: name,
    recordType: "avro",
    descriptor: new TextEncoder().encode(text),
    codec: avroCodec(name, record),
    schema: text
  }
}

const refusal = (tableName: string, why: string): InvalidArgument =>
  new InvalidArgument({
    message: `The Avro schema of ${tableName} cannot be used. ${why} Correct the schema.`,
    path: ["schema"]
  })

const textOf = (tableName: string, schema: string | object): string => {
  if (typeof schema === "string" && schema.isWellFormed()) return schema
  let text: string | undefined
  try {
    if (typeof schema === "object" && schema !== null) text = JSON.stringify(schema)
  } catch {
    text = undefined
  }
  if (text === undefined)
    throw refusal(tableName, "It is neither JSON text nor an object of JSON values.")
  return text
}

const parsed = (tableName: string, text: string): RecordSchema => {
  try {
    return parseAvroSchema(text)
  } catch (error) {
    throw error instanceof AvroProblem ? refusal(tableName, error.message) : error
  }
}
