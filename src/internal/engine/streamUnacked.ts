/**
 * The unacknowledged records of an ended stream: who received them, and how long the stream stays
 * in its caller's scope for them.
 *
 * Records are kept as bytes. A table's codec may be unable to decode what it wrote, such as a
 * schema that only encodes. Those records are returned as bytes, and do not block the others.
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

/** The internals of a stream object. */
export interface Origin {
  readonly core: StreamFace<any>
  readonly scope: Scope.Closeable
  readonly options: StreamConfigurationOptions<any>
  /**
   * How much of the unacknowledged records was handed back, by reading them or by recreating the
   * stream. `readable` is everything that the codec can decode.
   */
  handedBack: "nothing" | "readable" | "all"
  /** The result of `close`, once it was called. */
  closing?: Answer<void, AckError> | undefined
  /**
   * Why `close` failed, for the handler that gets unacknowledged records when the scope closes
   * later.
   */
  closeFailure?: AckError | undefined
  /** Whether another stream is taking over the records, or has done so. */
  recreated: boolean
  /** Passes the records on. It is stored here while another stream may take them over. */
  handOver?: Effect.Effect<void> | undefined
}

/** A stream object with its internals. */
export class Originated {
  // Private at run time: streams are often logged.
  readonly #origin: Origin

  constructor(origin: Origin) {
    this.#origin = origin
  }

  /** The internals of a stream object; `undefined` for an object that was not made here. */
  static originOf(stream: ZerobusStream<any>): Origin | undefined {
    return typeof stream === "object" && stream !== null && #origin in stream
      ? stream.#origin
      : undefined
  }
}

/** The internals of a stream object; `undefined` for an object that was not made here. */
export const originOf = (stream: ZerobusStream<any>): Origin | undefined =>
  Originated.originOf(stream)

/** Whether another stream has taken over the records of this one. */
export const isTakenOver = (stream: ZerobusStream<any>): boolean => {
  const origin = originOf(stream)
  return origin?.recreated === true && origin.handedBack === "all"
}

/**
 * Removes an ended stream from its caller's scope, which may live much longer. From then on only
 * the stream object holds the records. A stream with records that were not read stays in the scope,
 * since its finalizer has to pass them to `onUnacked`.
 */
export const leaveScope = (origin: Origin): Effect.Effect<void> =>
  Effect.suspend(() =>
    origin.handedBack === "all" || origin.core.zone.isEmpty || origin.core.spooled !== undefined
      ? Scope.close(origin.scope, Exit.void)
      : Effect.void
  )

/** Marks everything as handed back, so the stream can leave its caller's scope. */
export const handBackAll = (origin: Origin): Effect.Effect<void> =>
  Effect.suspend(() => {
    origin.handedBack = "all"
    return leaveScope(origin)
  })

/** Decodes messages one by one. What cannot be decoded is listed as bytes. */
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

/** The unacknowledged records of an ended stream. Fails for an active one. */
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

/** The unacknowledged records of an ended stream that can be decoded. They count as handed back. */
export const readable = <A>(
  core: StreamFace<A>,
  origin: Origin
): Effect.Effect<ReturnType<typeof readBack<A>>, InvalidState> =>
  // Records that count as handed back must reach the caller: no interruption in between.
  Effect.uninterruptible(
    Effect.flatMap(unacked(core), (messages) => {
      const read = readBack(core, messages)
      if (read.unreadable.length === 0) return Effect.as(handBackAll(origin), read)
      if (origin.handedBack !== "nothing") return Effect.succeed(read)
      origin.handedBack = "readable"
      return Effect.as(logUnreadable(core, streamIdOf(core), read.unreadable.length), read)
    })
  )

/** The bytes of all unacknowledged records of an ended stream. They count as handed back. */
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

/** Makes a stream persistent: its id, or `undefined` when the server is to create it. */
export interface Persistence {
  readonly streamId: string | undefined
}

/**
 * What `recreateStream` needs of an ended stream. Refused while that one is active, and the second
 * time.
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
    // The next stream on the spool finds the records there, once the lock is released.
    return Effect.as(spooled === undefined ? Effect.void : spooled.closed.await, {
      table: stream.table,
      options: origin.options as StreamConfigurationOptions<A>,
      ended: origin.core,
      persistence: rpc.name === "PersistentStream" ? { streamId: rpc.resumes } : undefined
    })
  })

/**
 * Ends a take-over. A failed recreate can be repeated; after a successful one nothing of the old
 * stream is left in the caller's scope.
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
