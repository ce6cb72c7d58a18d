/**
 * Arrow record batches by Arrow Flight. It needs the package `apache-arrow`; nothing of it is
 * loaded by the client itself.
 */
export * as ArrowTable from "./ArrowTable.ts"
