/**
 * What an ended stream has left, who it was given to, and how long the stream's caller has to hold on to it.
 *
 * Records are kept as bytes. A table's codec may refuse to read back what it wrote, such as a schema that encodes and does not decode:
 * those records are given as the bytes, and never keep the others from anybody.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { AckError } from "../../RecordAck.ts"
import type { StreamConfigurationOptions } from "../../StreamConfigurationOptions.ts"
import { InvalidState } from "../../ZerobusError.ts"
import type { ZerobusStream } from "../../ZerobusStream.ts"
import type { LeftEntry } from "../spooledLog.ts"
import { type StreamFace, streamIdOf } from "./streamCore.ts"
import { logUnreadable } from "./streamLogs.ts"
import { leftInSpool } from "./spoolAccess.ts"

/** What is behind a stream object. */
export interface Origin {
  readonly core: StreamFace<any>
  readonly scope: Scope.Closeable
  readonly options: StreamConfigurationOptions<any>
  /**
   * How much of what is unacknowledged was handed back, by reading it or by recreating the stream: `readable` is all but what the
   * codec cannot read back.
   */
  handedBack: "nothing" | "readable" | "all"
  /** Why `close` failed, for whoever receives what is left when the scope closes later. */
  closeFailure?: AckError | undefined
  /** Another stream takes over what is left, or has done so. */
  recreated: boolean
  /** Hands over what is left; waits here while another stream may take it over. */
  handOver?: Effect.Effect<void> | undefined
}

/** The origins of stream objects; a stream's goes with its object. */
const origins = new WeakMap<object, Origin>()

/** Notes what is behind a stream object. */
export const setOrigin = (stream: ZerobusStream<any>, origin: Origin): void => {
  origins.set(stream, origin)
}

/** What is behind a stream object; `undefined` for one that was not made here. */
export const originOf = (stream: ZerobusStream<any>): Origin | undefined => origins.get(stream)

/** Whether another stream has taken over what this one had left. */
export const isTakenOver = (stream: ZerobusStream<any>): boolean => {
  const origin = originOf(stream)
  return origin?.recreated === true && origin.handedBack === "all"
}

/**
 * Takes a stream that has ended out of its caller's scope, which may live much longer: from then on only the stream object holds what
 * is left. A stream with records that nobody has seen stays, since its finalizer has to hand them to `onUnacked`.
 */
export const leaveScope = (origin: Origin): Effect.Effect<void> =>
  Effect.suspend(() =>
    origin.handedBack === "all" || origin.core.zone.isEmpty || origin.core.spooled !== undefined
      ? Scope.close(origin.scope, Exit.void)
      : Effect.void
  )

/** Everything was handed back, so the stream needs its caller's scope no more. */
export const handBackAll = (origin: Origin): Effect.Effect<void> =>
  Effect.suspend(() => {
    origin.handedBack = "all"
    return leaveScope(origin)
  })

/** Reads messages back, message by message; what cannot be read is listed as bytes. */
export const readBack = <A>(
  core: StreamFace<A>,
  messages: ReadonlyArray<LeftEntry>
): { readonly batches: Array<Array<A>>; readonly records: Array<A>; readonly unreadable: Array<Uint8Array> } => {
  const batches: Array<Array<A>> = []
  const unreadable: Array<Uint8Array> = []
  for (const message of messages) {
    const records: Array<A> = []
    for (const payload of message.payloads()) {
      try {
        records.push(core.table.codec.read(payload))
      } catch {
        unreadable.push(payload)
      }
    }
    if (!message.atomic) for (const record of records) batches.push([record])
    else if (records.length > 0) batches.push(records)
  }
  return { batches, records: batches.flat(), unreadable }
}

/** The three ways to read what an ended stream has left. */
export const makeUnacked = <A>(
  core: StreamFace<A>,
  origin: Origin
): Pick<ZerobusStream<A>, "getUnackedRecords" | "getUnackedBatches" | "getUnackedPayloads"> => {
  const unacked = Effect.suspend(() => {
    if (!core.ended) {
      return Effect.fail(
        new InvalidState({
          message: "The stream is still active. Unacknowledged records can be read after close or failure."
        })
      )
    }
    return core.spooled === undefined
      ? Effect.succeed<ReadonlyArray<LeftEntry>>(core.zone.unackedUnsafe())
      : leftInSpool(core, core.spooled)
  })
  // What counts as handed back must reach whoever asked: no interruption in between.
  const readable = Effect.flatMap(unacked, (messages) => {
    const read = readBack(core, messages)
    if (read.unreadable.length === 0) return Effect.as(handBackAll(origin), read)
    if (origin.handedBack !== "nothing") return Effect.succeed(read)
    origin.handedBack = "readable"
    return Effect.as(logUnreadable(core, streamIdOf(core), read.unreadable.length), read)
  })
  return {
    getUnackedRecords: Effect.uninterruptible(Effect.map(readable, ({ records }) => records)),
    getUnackedBatches: Effect.uninterruptible(Effect.map(readable, ({ batches }) => batches)),
    getUnackedPayloads: Effect.uninterruptible(
      Effect.flatMap(unacked, (messages) => {
        const payloads = messages.flatMap((message) => message.payloads())
        return Effect.as(handBackAll(origin), payloads)
      })
    )
  }
}
