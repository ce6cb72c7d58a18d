/**
 * Avro records. It needs no other package; the client itself loads nothing of it.
 */
export * as AvroTable from "./AvroTable.ts"
