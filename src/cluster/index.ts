/**
 * Ordered ingestion over many processes on `effect/cluster`. Nothing of it is loaded by the client
 * itself.
 */
export * as ZerobusShards from "./ZerobusShards.ts"
