/**
 * Arrow record batches over Arrow Flight. Needs the package `apache-arrow`. The client itself does
 * not load this module.
 *
 * @module effect-zerobus/arrow
 * @since 0.2.0
 */
export * as ArrowTable from "./ArrowTable.ts"
