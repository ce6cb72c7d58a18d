/**
 * Arrow record batches by Arrow Flight. It needs the package `apache-arrow`; nothing of it is
 * loaded by the client itself.
 *
 * @module effect-zerobus/arrow
 * @since 0.2.0
 */
export * as ArrowTable from "./ArrowTable.ts"
