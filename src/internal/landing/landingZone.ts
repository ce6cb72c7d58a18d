/**
 * The landing zone: all records that are accepted and not yet acknowledged, bounded by bytes and by
 * records.
 *
 *   offerUnsafe --> encode into the chunk --> room? -- yes --> queue -- nextUnsafe --> window
 *                                               |               ^                        |
 *                                               | no: Full      | admitUnsafe            v
 *                                               v               | once there is room   session
 *   waitUnsafe ---> encode and copy ----------> waiting line ---+
 *
 *   closeUnsafe --> callers in line are refused
 *
 * Records are encoded during the ingest call. While the last queued message is open, single records
 * join it, so that records arriving while the transport is busy travel as one request. The zone
 * uses no transport, no clock and no fiber: everything is synchronous. `zoneMessages.ts` holds what
 * sessions do with messages.
 */
import { MixedScheduler, type Scheduler } from "effect/Scheduler"
import type { InvalidArgument, PayloadTooLarge } from "../../ZerobusError.ts"
import { ALONE, chunkSize, LEAST_CHUNK_SIZE, Message, MESSAGE_OVERHEAD } from "./chunk.ts"
import { HEAD_ROOM } from "../protobuf/envelope.ts"
import { MessageQueue } from "./messageQueue.ts"
import type { RecordCodec } from "../recordCodec.ts"
import { TurnLine } from "./turnLine.ts"
import { RecordWriter } from "./recordWriter.ts"
import { exhausted, type LandingZoneLimits, nested, SizeLimits } from "./sizeLimits.ts"
import type { Turns } from "./turns.ts"
import { type Admission, Full, type Waiter, WaitingLine } from "./waitingLine.ts"
import { ZoneMessages } from "./zoneMessages.ts"

/** Why a record or batch is refused for good. */
export type Refusal = InvalidArgument | PayloadTooLarge

/** The parts of a landing zone. */
export interface ZoneParts<A> {
  readonly turns: Turns
  readonly codec: RecordCodec<A>
  readonly limits: LandingZoneLimits
  /** Milliseconds, read once per message. */
  readonly now: () => number
  /**
   * Schedules the turns in which messages are sent and many callers are admitted; by default
   * Effect's own.
   */
  readonly scheduler?: Scheduler
  /** The byte budget that the chunk size is chosen for; by default that of the zone's bounds. */
  readonly chunksFor?: number
  /**
   * Size of its first chunk after everything was acknowledged, a size class; by default the
   * smallest.
   */
  readonly firstChunk?: number
}

export class LandingZone<A> extends ZoneMessages {
  /**
   * The largest message of single records in bytes, and the messages acknowledged since that was
   * less than the option.
   */
  coalesceBytes: number
  acknowledgedSmaller = 0
  /** Callers that wait for a later turn. */
  readonly turnLine: TurnLine
  protected readonly turns: Turns
  protected readonly limits: LandingZoneLimits
  private readonly sizes: SizeLimits
  protected readonly now: () => number
  protected readonly writer: RecordWriter<A>
  private readonly waiters: WaitingLine
  protected closed = false
  /** True while a record is encoded: its getters must not write another one. */
  private encoding = false

  constructor(options: ZoneParts<A>) {
    const {
      chunksFor = options.limits.maxInflightBytes,
      firstChunk = LEAST_CHUNK_SIZE,
      scheduler = new MixedScheduler()
    } = options
    super(new MessageQueue(options.turns.nextOf(scheduler)))
    this.turns = options.turns
    this.turnLine = new TurnLine(options.turns, this, options.now)
    const largest = chunkSize(chunksFor)
    this.writer = new RecordWriter(options.codec, largest, Math.min(firstChunk, largest))
    this.limits = options.limits
    this.coalesceBytes = options.limits.coalesceBytes
    this.sizes = new SizeLimits(options.limits)
    this.now = options.now
    this.waiters = new WaitingLine((waiter) => this.placeUnsafe(waiter), scheduler)
  }

  /** Whether the caller must wait for a later turn before it offers more. */
  mustGiveWay(): boolean {
    const { acceptedBytes, acceptedRecords, turnLine } = this
    return (
      (acceptedBytes >= turnLine.lookAt || acceptedRecords >= turnLine.lookAtRecord) &&
      turnLine.look(this.queuedBytes)
    )
  }

  /**
   * Waits for a later turn, in which `admit` has to offer at once. Returns how to leave the line.
   */
  standInLineUnsafe(scheduler: Scheduler, admit: () => void): () => void {
    return this.turnLine.joinUnsafe(scheduler, admit)
  }

  /**
   * Accepts one record. Returns its offset, `Full`, or why it is refused. Never overtakes waiting
   * callers.
   */
  offerUnsafe(record: A): number | Refusal {
    if (this.waiters.size > 0) return Full
    if (this.encoding) return nested()
    const begunBehind = this.begin()
    const refusal = this.writeSingle(record)
    if (refusal !== undefined) return refusal
    const joins = begunBehind && this.joinsOpen()
    const size = this.writer.size
    return this.fits(joins ? size : size + ALONE) ? this.keepSingle(begunBehind, joins) : Full
  }

  /**
   * Accepts a non-empty batch as one message with one offset. Returns that, `Full`, or why it is
   * refused.
   */
  offerBatchUnsafe(records: ReadonlyArray<A>): number | Refusal {
    if (this.waiters.size > 0) return Full
    if (this.encoding) return nested()
    const refusal = this.writeBatch(records)
    if (refusal !== undefined) return refusal
    return this.fits(ALONE + this.writer.size) ? this.keepMessage(records.length, true) : Full
  }

  /**
   * Accepts records that must not wait for room, beyond the bounds and before the callers in line.
   */
  forceUnsafe(records: ReadonlyArray<A>, atomic: boolean): number | Refusal {
    if (this.encoding) return nested()
    const begunBehind = !atomic && this.begin()
    const refusal = atomic ? this.writeBatch(records) : this.writeSingle(records[0]!)
    return refusal ?? this.keep(records.length, atomic, begunBehind)
  }

  /**
   * Encodes now and waits for room, behind the callers that wait already. `admit` is called exactly
   * once, unless the returned function is called before. That removes the caller from the line, and
   * returns whether it was still in it.
   */
  waitUnsafe(
    records: ReadonlyArray<A>,
    atomic: boolean,
    admit: (admission: Admission) => void
  ): (() => boolean) | Refusal {
    if (this.encoding) return nested()
    const content = this.encodeUnsafe(records, atomic)
    if (!Buffer.isBuffer(content)) {
      // Code that the encoder called may have removed a caller from the line or closed the stream.
      this.admitUnsafe()
      return content
    }
    const leave = this.waiters.join({ content, records: records.length, atomic, admit })
    this.admitUnsafe()
    return () => {
      if (!leave()) return false
      this.admitUnsafe()
      return true
    }
  }

  /**
   * A copy of the encoded records, including tags and lengths, or why they are refused. Keeps
   * nothing.
   */
  encodeUnsafe(records: ReadonlyArray<A>, atomic: boolean): Buffer | Refusal {
    if (!atomic) this.writer.begin(HEAD_ROOM)
    const refusal = atomic ? this.writeBatch(records) : this.writeSingle(records[0]!)
    if (refusal !== undefined) return refusal
    const { buffer, mark, position } = this.writer
    return Buffer.from(buffer.subarray(mark, position))
  }

  /**
   * Admits waiting callers that fit, in order. Call it after acknowledgements were published: it
   * may run their fibers.
   */
  admitUnsafe(): void {
    this.waiters.admit()
  }

  /**
   * Accepts the records of a caller that waited. Returns the offset, `Full`, or `undefined` when
   * the zone is closed.
   */
  placeUnsafe(waiter: Omit<Waiter, "admit">): Admission {
    if (this.closed) return undefined
    if (this.encoding || !this.fits(ALONE + waiter.content.length)) return Full
    const begunBehind = !waiter.atomic && this.begin()
    if (waiter.atomic) this.writer.begin(HEAD_ROOM)
    this.writer.writeContent(waiter.content)
    return this.keep(waiter.records, waiter.atomic, begunBehind)
  }

  private keep(records: number, atomic: boolean, begunBehind: boolean): number {
    return atomic
      ? this.keepMessage(records, true)
      : this.keepSingle(begunBehind, begunBehind && this.joinsOpen())
  }

  /**
   * Refuses everything from now on and resumes waiting callers. Unacknowledged records stay
   * readable.
   */
  closeUnsafe(): void {
    if (this.closed) return
    this.closed = true
    this.open = undefined
    this.admitUnsafe()
  }

  protected override releaseIdle(): void {
    this.writer.releaseIdle()
  }

  /** Marks the stream as ended: the records it still holds no longer count as being sent. */
  endUnsafe(): void {
    this.writer.leave()
  }

  /**
   * Adopts copies of another zone's messages, in order. They were checked against the bounds there
   * and may exceed them here.
   */
  adoptUnsafe(messages: ReadonlyArray<Message>): void {
    for (const message of messages) {
      const content = message.chunk.buffer.subarray(message.start, message.end)
      this.writer.begin(HEAD_ROOM)
      this.writer.writeContent(content)
      this.keepMessage(message.records, message.atomic, message.offsets, message.sends)
    }
    this.open = undefined
  }

  /** Whether a small record would join the last queued message. */
  get isFilling(): boolean {
    const { open } = this
    return (
      open !== undefined &&
      open.records < this.limits.coalesceRecords &&
      open.end - open.start < this.coalesceBytes
    )
  }

  /** Begins the write of a single record. Returns true when it may join the open message. */
  private begin(): boolean {
    const joins = this.isFilling
    this.writer.begin(joins ? 0 : HEAD_ROOM)
    return joins
  }

  private writeSingle(record: A): Refusal | undefined {
    const { writer } = this
    this.encoding = true
    try {
      return writer.writeRecord(record) ?? this.check(writer.payloadSize, writer.size)
    } finally {
      this.encoding = false
    }
  }

  private writeBatch(records: ReadonlyArray<A>): Refusal | undefined {
    const tooMany = this.sizes.checkBatch(records.length)
    if (tooMany !== undefined) return tooMany
    const { writer } = this
    this.encoding = true
    try {
      return (
        writer.writeBatch(records, this.limits.maxPayloadBytes) ??
        this.check(writer.size, writer.size)
      )
    } finally {
      this.encoding = false
    }
  }

  private check(payload: number, content: number): Refusal | undefined {
    return this.nextOffset > Number.MAX_SAFE_INTEGER
      ? exhausted()
      : this.sizes.check(payload, content)
  }

  protected fits(charge: number): boolean {
    const { maxInflightBytes, maxInflightRecords } = this.limits
    // An encoder may have closed the stream. Its record then waits, and the wait fails.
    return (
      !this.closed &&
      this.usedRecords < maxInflightRecords &&
      this.usedBytes + charge <= maxInflightBytes - this.overhead
    )
  }

  /** Whether the record written right after the open message still fits it. */
  protected joinsOpen(): boolean {
    const { moved, position } = this.writer
    return this.open !== undefined && !moved && position - this.open.start <= this.coalesceBytes
  }

  /** Commits the written single record, to the open message or as a separate one. */
  private keepSingle(begunBehind: boolean, joins: boolean): number {
    const { open, writer } = this
    if (!joins || open === undefined) {
      if (begunBehind && !writer.moved) writer.detach()
      return this.keepMessage(1, false)
    }
    const { size } = writer
    writer.commit()
    open.end += size
    open.records++
    open.offsets++
    this.usedBytes += size
    this.acceptedBytes += size
    this.turns.acceptedBytes += size
    this.acceptedRecords++
    this.usedRecords++
    return this.nextOffset++
  }

  /** Commits the written records as a separate message and queues it. */
  protected keepMessage(records: number, atomic: boolean, offsets = 1, sends = 0): number {
    const writer = this.writer
    const { chunk, mark, position } = writer
    const message = new Message({
      chunk,
      start: mark,
      end: position,
      offset: this.nextOffset,
      records,
      atomic,
      acceptedAt: this.now()
    })
    message.offsets = offsets
    message.sends = sends
    const continues = writer.commit()
    this.open = !atomic && continues ? message : undefined
    this.usedBytes += message.charge
    this.overhead += MESSAGE_OVERHEAD
    this.acceptedBytes += message.charge
    this.turns.acceptedBytes += message.charge
    this.acceptedRecords += records
    this.usedRecords += offsets
    this.nextOffset += offsets
    this.queue.push(message)
    return message.offset
  }
}
