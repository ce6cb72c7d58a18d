/**
 * What an ended stream has left, who it was given to, and how long the stream's caller has to hold
 * on to it.
 *
 * Records are kept as bytes. A table's codec may refuse to read back what it wrote, such as a
 * schema that encodes and does not decode: those records are given as the bytes, and never keep the
 * others from anybody.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { AckError } from "../../RecordAck.ts"
import type { StreamConfigurationOptions } from "../../StreamConfigurationOptions.ts"
import type { TableProperties } from "../../TableProperties.ts"
import { InvalidState } from "../../ZerobusError.ts"
import type { ZerobusStream } from "../../ZerobusStream.ts"
import type { LeftEntry } from "../spooledLog.ts"
import { type StreamFace, streamIdOf } from "./streamCore.ts"
import { logUnreadable } from "./streamLogs.ts"
import { leftInSpool } from "./spoolAccess.ts"
import type { Answer } from "../userCode/answer.ts"

/** What is behind a stream object. */
export interface Origin {
  readonly core: StreamFace<any>
  readonly scope: Scope.Closeable
  readonly options: StreamConfigurationOptions<any>
  /**
   * How much of what is unacknowledged was handed back, by reading it or by recreating the stream:
   * `readable` is all but what the codec cannot read back.
   */
  handedBack: "nothing" | "readable" | "all"
  /** The result of `close`, once it was called. */
  closing?: Answer<void, AckError> | undefined
  /** Why `close` failed, for whoever receives what is left when the scope closes later. */
  closeFailure?: AckError | undefined
  /** Another stream takes over what is left, or has done so. */
  recreated: boolean
  /** Hands over what is left; waits here while another stream may take it over. */
  handOver?: Effect.Effect<void> | undefined
}

/** A stream object, with what is behind it. */
export class Originated {
  // Hidden for good: a stream is likely to be logged.
  readonly #origin: Origin

  constructor(origin: Origin) {
    this.#origin = origin
  }

  /** What is behind a stream object; `undefined` for one that was not made here. */
  static originOf(stream: ZerobusStream<any>): Origin | undefined {
    return typeof stream === "object" && stream !== null && #origin in stream
      ? stream.#origin
      : undefined
  }
}

/** What is behind a stream object; `undefined` for one that was not made here. */
export const originOf = (stream: ZerobusStream<any>): Origin | undefined =>
  Originated.originOf(stream)

/** Whether another stream has taken over what this one had left. */
export const isTakenOver = (stream: ZerobusStream<any>): boolean => {
  const origin = originOf(stream)
  return origin?.recreated === true && origin.handedBack === "all"
}

/**
 * Takes a stream that has ended out of its caller's scope, which may live much longer: from then on
 * only the stream object holds what is left. A stream with records that nobody has seen stays,
 * since its finalizer has to hand them to `onUnacked`.
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
): {
  readonly batches: Array<Array<A>>
  readonly records: Array<A>
  readonly unreadable: Array<Uint8Array>
} => {
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

/** What an ended stream has left; of an active one it may not be read. */
const unacked = (core: StreamFace<any>): Effect.Effect<ReadonlyArray<LeftEntry>, InvalidState> =>
  Effect.suspend(() => {
    if (!core.ended) {
      return Effect.fail(
        new InvalidState({
          message:
            "The stream is still active. Unacknowledged records can be read after close or failure."
        })
      )
    }
    return core.spooled === undefined
      ? Effect.succeed(core.zone.unackedUnsafe())
      : leftInSpool(core, core.spooled)
  })

/**
 * The records that an ended stream has left and that can be read back. They count as handed back.
 */
export const readable = <A>(
  core: StreamFace<A>,
  origin: Origin
): Effect.Effect<ReturnType<typeof readBack<A>>, InvalidState> =>
  // What counts as handed back must reach whoever asked: no interruption in between.
  Effect.uninterruptible(
    Effect.flatMap(unacked(core), (messages) => {
      const read = readBack(core, messages)
      if (read.unreadable.length === 0) return Effect.as(handBackAll(origin), read)
      if (origin.handedBack !== "nothing") return Effect.succeed(read)
      origin.handedBack = "readable"
      return Effect.as(logUnreadable(core, streamIdOf(core), read.unreadable.length), read)
    })
  )

/** The bytes of all records that an ended stream has left. They count as handed back. */
export const unackedPayloads = (
  core: StreamFace<any>,
  origin: Origin
): Effect.Effect<ReadonlyArray<Uint8Array>, InvalidState> =>
  Effect.uninterruptible(
    Effect.flatMap(unacked(core), (messages) => {
      const payloads = messages.flatMap((message) => message.payloads())
      return Effect.as(handBackAll(origin), payloads)
    })
  )

/** What makes a stream a persistent one: its id, or none where the server is to create it. */
export interface Persistence {
  readonly streamId: string | undefined
}

/**
 * What `recreateStream` needs of an ended stream; refused while it is active, and the second time.
 */
export const takeOver = <A>(
  stream: ZerobusStream<A>
): Effect.Effect<
  {
    readonly table: TableProperties<A>
    readonly options: StreamConfigurationOptions<A>
    readonly ended: StreamFace<A>
    readonly persistence: Persistence | undefined
  },
  InvalidState
> =>
  Effect.suspend(() => {
    const origin = originOf(stream)
    if (origin === undefined)
      return Effect.fail(
        new InvalidState({ message: "Only streams of createStream can be recreated." })
      )
    if (!origin.core.ended) {
      return Effect.fail(
        new InvalidState({
          message: "The stream is still active. Close it before it is recreated."
        })
      )
    }
    if (origin.recreated) {
      return Effect.fail(
        new InvalidState({
          message: "The stream was recreated already; doing it again would send its records twice."
        })
      )
    }
    origin.recreated = true
    const { rpc, spooled } = origin.core
    // A spool's records are found by whoever opens it, once its lock is given up.
    return Effect.as(spooled === undefined ? Effect.void : spooled.closed.await, {
      table: stream.table,
      options: origin.options as StreamConfigurationOptions<A>,
      ended: origin.core,
      persistence: rpc.name === "PersistentStream" ? { streamId: rpc.resumes } : undefined
    })
  })

/**
 * A failed recreate can be tried again; after a successful one nothing of the old stream is left in
 * the caller's scope.
 */
export const tookOver = (
  stream: ZerobusStream<any>,
  exit: Exit.Exit<unknown, unknown>
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const origin = originOf(stream)
    if (origin === undefined) return Effect.void
    const { handOver = Effect.void } = origin
    origin.handOver = undefined
    if (Exit.isSuccess(exit)) return handBackAll(origin)
    origin.recreated = false
    return handOver
  })
