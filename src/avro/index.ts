/**
 * Avro records. Needs no other package. The client itself does not load this module.
 *
 * @module effect-zerobus/avro
 * @since 0.2.0
 */
export * as AvroTable from "./AvroTable.ts"
