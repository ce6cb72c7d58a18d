/**
 * Ordered ingestion over many processes on `effect/cluster`. Nothing of it is loaded by the client
 * itself.
 *
 * @module effect-zerobus/cluster
 * @since 0.2.0
 */
export * as ZerobusShards from "./ZerobusShards.ts"
