/**
 * Small landing zones for tests, and a reader of their messages.
 */
import * as Effect from "effect/Effect"
import { databricks } from "../generated/zerobus_service.js"
import { LandingZone } from "../../src/internal/landing/landingZone.ts"
import { bytesCodec } from "../../src/internal/codec/untypedCodecs.ts"
import type { RecordCodec } from "../../src/internal/recordCodec.ts"
import type { LandingZoneLimits } from "../../src/internal/landing/sizeLimits.ts"
import { Turns } from "../../src/internal/landing/turns.ts"

/** A zone of encoded records. It has only the given limits. */
export const makeZone = (
  limits: Partial<LandingZoneLimits> = {},
  codec: RecordCodec<Uint8Array> = bytesCodec,
  turns = new Turns(),
  now: () => number = () => 0
): Effect.Effect<LandingZone<Uint8Array>> =>
  Effect.sync(() => {
    const all: LandingZoneLimits = {
      maxInflightRecords: 1_000_000,
      maxInflightBytes: 128 * 1024 * 1024,
      maxPayloadBytes: 10_420_224,
      maxBatchRecords: 100_000,
      coalesceBytes: 256 * 1024,
      coalesceRecords: 100_000,
      ...limits
    }
    return new LandingZone({ turns, codec, limits: all, now })
  })

/** The array of a zone's window, to check what it retains. */
export const messagesOf = (zone: LandingZone<Uint8Array>): ReadonlyArray<unknown> =>
  (zone as unknown as { readonly window: { readonly messages: ReadonlyArray<unknown> } }).window
    .messages

/** Waits for a turn. */
export const nextTurn = (turns: Turns): Effect.Effect<void> =>
  Effect.callback<void>(function (resume) {
    turns.joinUnsafe(this, () => resume(Effect.void))
  })

/** Reads a request like a server: the wire offset and the records. */
export const readRequest = (
  request: Uint8Array
): {
  readonly wireOffset: number
  readonly batch: boolean
  readonly records: ReadonlyArray<Uint8Array>
} => {
  const { ingestRecord, ingestRecordBatch } =
    databricks.zerobus.EphemeralStreamRequest.decode(request)
  if (ingestRecord) {
    return {
      wireOffset: Number(ingestRecord.offsetId),
      batch: false,
      records: [Uint8Array.from(ingestRecord.protoEncodedRecord ?? [])]
    }
  }
  return {
    wireOffset: Number(ingestRecordBatch!.offsetId),
    batch: true,
    records: (ingestRecordBatch!.protoEncodedBatch?.records ?? []).map((bytes) =>
      Uint8Array.from(bytes)
    )
  }
}

/** A small seeded random number generator, so that a failing case can be run again. */
export const seeded = (seed: number) => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  return {
    /** An integer from 0 to `below` - 1. */
    below: (below: number): number => next() % below,
    /** Different bytes for each call. Long ones repeat a pattern. */
    bytes: (length: number): Uint8Array => {
      const bytes = new Uint8Array(length)
      for (let n = 0; n < Math.min(length, 64); n++) bytes[n] = next() & 0xff
      for (let filled = 64; filled < length; filled *= 2)
        bytes.copyWithin(filled, 0, Math.min(filled, length - filled))
      return bytes
    }
  }
}
