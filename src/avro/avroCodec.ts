/**
 * The record codec of Avro tables: values are encoded by the schema, bytes are copied.
 */
import type { AvroRecord as RecordSchema } from "../internal/avro/avroSchema.ts"
import { BadValue } from "../internal/codec/badValue.ts"
import { isBytes } from "../internal/protobuf/bytes.ts"
import type { RecordCodec } from "../internal/recordCodec.ts"
import type { AvroRecord } from "./AvroTable.ts"
import { putBytes } from "./avroBytes.ts"
import { recordWriter } from "./avroWriter.ts"

/** Decoded records are their bytes. */
export const avroCodec = (tableName: string, schema: RecordSchema): RecordCodec<AvroRecord> => {
  const write = recordWriter(schema)
  return {
    write: (record, sink) => {
      if (isBytes(record)) {
        putBytes(sink, record)
        return undefined
      }
      const bad = write(record, sink)
      return bad instanceof BadValue ? bad.toError(tableName) : undefined
    },
    read: (payload) => payload
  }
}
