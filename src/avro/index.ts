/**
 * Avro records. It needs no other package; the client itself loads nothing of it.
 *
 * @module effect-zerobus/avro
 * @since 0.2.0
 */
export * as AvroTable from "./AvroTable.ts"
