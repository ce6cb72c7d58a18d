/**
 * Messages between runners: batches of encoded records for the owner of a shard, and the outcome of
 * each record.
 */
import { createHash } from "node:crypto"
import * as ClusterSchema from "effect/cluster/ClusterSchema"
import * as Entity from "effect/cluster/Entity"
import type * as Envelope from "effect/cluster/Envelope"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import { MalformedMessage, WireReader } from "../internal/protobuf/reader.ts"
import { zerobusError } from "./errorSchema.ts"

/** The outcome of a batch. Records are identified by their index in it. */
export const Outcome = Schema.Struct({
  /** Number of records at the start that are durable, except for the refused ones among them. */
  settled: Schema.Number,
  refused: Schema.Array(Schema.Struct({ index: Schema.Number, error: zerobusError })),
  /** Why the others may not be durable. Undefined when there are none. */
  failure: Schema.optional(zerobusError)
})

export type Outcome = typeof Outcome.Type

const batch = {
  /** The records in the form of a service message: tag, length and payload of each. */
  records: Schema.Uint8Array
}

/** A batch that its sender stores until the owner has replied. */
export const Ingest = Rpc.make("Ingest", { payload: batch, success: Outcome })

/**
 * A batch that the cluster's message storage holds until it is durable. An interrupted batch runs
 * again.
 */
export const Store = Rpc.make("Store", { payload: batch, success: Outcome })
  .annotate(ClusterSchema.Persisted, true)
  .annotate(ClusterSchema.Uninterruptible, "server")

/** Maximum length of an entity type's name in the cluster's SQL tables. */
const LONGEST_TYPE = 150

/**
 * The shards of a table. Their number is part of the name, so that runners with different numbers
 * never exchange records.
 */
export const shardEntity = (tableName: string, shards: number) => {
  const name = `zerobus/${shards}/${tableName}`
  const type = name.length <= LONGEST_TYPE ? name : `zerobus/${shards}/${sha256(tableName)}`
  return Entity.make(type, [Ingest, Store])
}

type Rpcs = typeof Ingest | typeof Store

/** A batch received by its owner. */
export type ShardRequest = Envelope.Request<Rpcs>

/** Replies to batches. */
export type Replier = Entity.Replier<Rpcs>

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

/** The payloads of a batch, as views. `undefined` for invalid bytes. */
export const payloadsOf = (records: Uint8Array): ReadonlyArray<Uint8Array> | undefined => {
  const reader = new WireReader(records)
  const payloads: Array<Uint8Array> = []
  try {
    while (reader.more()) {
      reader.tag()
      payloads.push(reader.view())
    }
  } catch (error) {
    if (error instanceof MalformedMessage) return undefined
    throw error
  }
  return payloads
}

// FNV-1a with a final mix, over UTF-16 units. It must never change: runners of different versions
// would assign a key to different shards.
const hashOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/**
 * The shard of a key, the same in every process. A number and its decimal text are the same key.
 */
export const shardOf = (key: string | number, shards: number): number =>
  hashOf(String(key)) % shards
