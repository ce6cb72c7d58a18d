/**
 * Ordered ingestion over many processes with `effect/cluster`. The client itself does not load this
 * module.
 *
 * @module effect-zerobus/cluster
 * @since 0.2.0
 */
export * as ZerobusShards from "./ZerobusShards.ts"
