/**
 * What a spool belongs to: a table, a record type, a descriptor, and for a persistent stream its
 * id. Waiting records are sent with the descriptor of the stream that opens the spool. So that
 * descriptor must be able to read them: it is the same, or a compatible extension.
 */
import * as Result from "effect/Result"
import type { SegmentHeader } from "../log/frames.ts"
import { parseDescriptorProto } from "../protobuf/descriptorReader.ts"
import type { MessageShape } from "../protobuf/descriptorShape.ts"

/** What a spool belongs to. */
export interface SpoolIdentity {
  readonly table: string
  readonly recordType: "json" | "proto" | "avro" | "arrow"
  readonly descriptor: Uint8Array | undefined
  /** Set for a persistent stream: its id, or `undefined` for one that is to be created. */
  readonly persistent?: { readonly streamId: string | undefined } | undefined
  /** Whether entries get keys, as those of a stream with several lanes do. */
  readonly keyed?: boolean | undefined
}

/** The header of a spool file. */
export interface SpoolHeader extends SegmentHeader {
  /**
   * 2 for the spool of a persistent stream, 3 for a file whose entries may have keys. Older
   * versions must not open them.
   */
  readonly version: 1 | 2 | 3
  readonly format: "zerobus-spool"
  readonly table: string
  readonly recordType: "json" | "proto" | "avro" | "arrow"
  /** In base64. */
  readonly descriptor?: string | undefined
  /** The id of the persistent stream that the offsets belong to. */
  readonly streamId?: string | undefined
  /** The first offset of the file. */
  readonly first: number
  /** The latest position before this file, in base64. */
  readonly position?: { readonly offset: number; readonly bytes: string } | undefined
}

/** Why a stream cannot open a spool file with this header; `undefined` when it can. */
export const mismatch = (
  header: SpoolHeader,
  identity: SpoolIdentity,
  holdsRecords: boolean
): string | undefined => {
  if (header.table.toLowerCase() !== identity.table.toLowerCase()) {
    return (
      `it belongs to the table ${header.table}, not to ${identity.table}. Use a folder per ` +
      `table`
    )
  }
  if (header.recordType !== identity.recordType) {
    return (
      `its records are ${header.recordType}, not ${identity.recordType}. Drain it, or use ` +
      `another folder`
    )
  }
  const stream = streamMismatch(header, identity)
  if (stream !== undefined) return stream
  if (!holdsRecords || header.descriptor === undefined || identity.descriptor === undefined)
    return undefined
  const before = Buffer.from(header.descriptor, "base64")
  if (before.equals(identity.descriptor)) return undefined
  // Data written with one Avro schema cannot be told from data written with another, and Arrow
  // batches have the columns of their schema.
  if (header.recordType === "avro" || header.recordType === "arrow") {
    const format = header.recordType === "avro" ? "Avro" : "Arrow"
    return (
      `the waiting records have another ${format} schema. Drain the spool first, or use ` +
      "another folder"
    )
  }
  const [old, now] = [parseDescriptorProto(before), parseDescriptorProto(identity.descriptor)]
  const difference =
    Result.isSuccess(old) && Result.isSuccess(now)
      ? narrowing(old.success, now.success)
      : "it cannot be read"
  return difference === undefined
    ? undefined
    : `the descriptor cannot read the waiting records: ${difference}. Drain the spool ` +
        `first, or use another folder`
}

/**
 * Why a stream cannot open a spool without files in which everything up to an offset is
 * acknowledged, so that it once had files. An ephemeral stream continues its offsets; those of a
 * persistent stream come from the server.
 */
export const leftover = (
  { persistent }: SpoolIdentity,
  acknowledged: number
): string | undefined =>
  persistent === undefined || acknowledged < 0
    ? undefined
    : "its files are missing, and with them the id of its stream. Put them back, or use an empty " +
      "folder"

/**
 * Offsets belong to one stream: records that a persistent stream has committed would be sent again
 * on any other.
 */
const streamMismatch = (
  { streamId }: SpoolHeader,
  { persistent }: SpoolIdentity
): string | undefined => {
  if (persistent === undefined) {
    return streamId === undefined
      ? undefined
      : `it belongs to the persistent stream ${streamId}. Open it with createPersistentStream, ` +
          `or use another folder`
  }
  if (streamId === undefined)
    return "it belongs to an ephemeral stream. Drain it, or use another folder"
  return persistent.streamId === undefined || persistent.streamId === streamId
    ? undefined
    : `it belongs to the persistent stream ${streamId}, not to ${persistent.streamId}. Use a ` +
        `folder per stream`
}

/** Why a message type cannot read data of an older one; `undefined` when it only gained fields. */
const narrowing = (old: MessageShape, now: MessageShape): string | undefined => {
  for (const field of old.fields) {
    const same = now.fields.find(({ number }) => number === field.number)
    if (same === undefined) return `the field ${field.name} is gone`
    if (same.name !== field.name)
      return `field ${field.number} was ${field.name} and is ${same.name}`
    if (same.type !== field.type || same.label !== field.label) {
      return (
        `the field ${field.name} was ${field.label} ${field.type} and is ${same.label} ` +
        `${same.type}`
      )
    }
    if (field.message === undefined || same.message === undefined) continue
    const inner = narrowing(field.message, same.message)
    if (inner !== undefined) return inner
  }
  const added = now.fields.find(
    ({ label, number }) =>
      label === "required" && !old.fields.some((field) => field.number === number)
  )
  return added === undefined ? undefined : `the field ${added.name} is new and required`
}
