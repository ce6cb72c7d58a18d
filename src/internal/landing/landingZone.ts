/**
 * The landing zone: every record accepted and not yet acknowledged, bounded by bytes and by records.
 *
 *   offerUnsafe --> encode into the chunk --> room? -- yes --> queue -- nextUnsafe --> window --> session
 *                                               |               ^
 *                                               | no: Full      | admitUnsafe, once there is room
 *   waitUnsafe ---> encode and copy ----------> waiting line ---+
 *
 *   of a session: acknowledgement --> acknowledgeUnsafe --> its messages leave the window, their room is free
 *                 its loss ---------> rewindUnsafe -------> the next one gets the window again, then the queue
 *   of a stream:  its end ----------> closeUnsafe --------> callers in line are refused
 *                                     unackedUnsafe ------> window and queue are read out
 *
 * Records are encoded at the ingest call. While the last queued message is open, single records join it, so that what
 * arrives while the transport is busy travels as one request. The zone uses no transport, no clock and no fiber: all
 * of it is synchronous.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { Scheduler } from "effect/Scheduler"
import type { InvalidArgument, PayloadTooLarge } from "../../ZerobusError.ts"
import { ALONE, chunkSize, Message, MESSAGE_OVERHEAD } from "./chunk.ts"
import { HEAD_ROOM } from "../protobuf/envelope.ts"
import { divide } from "./pieces.ts"
import type { RecordCodec } from "../recordCodec.ts"
import { TurnLine } from "./turnLine.ts"
import { RecordWriter } from "./recordWriter.ts"
import { exhausted, type LandingZoneLimits, nested, SizeLimits } from "./sizeLimits.ts"
import type { Turns } from "./turns.ts"
import { type Admission, Full, type Waiter, WaitingLine } from "./waitingLine.ts"
import { Window } from "./window.ts"

/** Why a record or batch is refused for good. */
export type Refusal = InvalidArgument | PayloadTooLarge

export class LandingZone<A> {
  /** The next lifetime offset to be given out. */
  nextOffset = 0
  /** Encoded bytes (framing included) and records in use, queued and in flight together. */
  usedBytes = 0
  usedRecords = 0
  /** What the messages that hold them take of the byte budget besides. */
  protected overhead = 0
  /** Records and bytes (framing included) ever accepted, and records ever acknowledged. */
  acceptedRecords = 0
  acceptedBytes = 0
  acknowledgedRecords = 0
  /** Bytes of a message of single records, at most; and messages that were acknowledged while they are less than the option. */
  coalesceBytes: number
  acknowledgedSmaller = 0
  /** Records that the server refused and a handler took. */
  refusedRecords = 0
  /** Bytes ever taken for a session. */
  private takenBytes = 0
  /** Callers that stand in line for a later turn. */
  readonly turnLine: TurnLine
  private readonly queue: Queue.Queue<Message>
  protected readonly turns: Turns
  protected readonly limits: LandingZoneLimits
  private readonly sizes: SizeLimits
  private readonly now: () => number
  protected readonly writer: RecordWriter<A>
  private readonly waiters: WaitingLine
  /** What was taken and is not settled; nobody else changes it. */
  readonly window = new Window()
  /** The last queued message, while single records may still join it. */
  protected open: Message | undefined
  private closed = false
  /** While a record is encoded: what its getters call must not write as well. */
  private encoding = false

  constructor(options: {
    readonly queue: Queue.Queue<Message>
    readonly turns: Turns
    readonly codec: RecordCodec<A>
    readonly limits: LandingZoneLimits
    /** Milliseconds, read once per message. */
    readonly now: () => number
    /** Gives the turns in which many callers are let in; by default Effect's own. */
    readonly scheduler?: Scheduler
  }) {
    this.queue = options.queue
    this.turns = options.turns
    this.turnLine = new TurnLine(options.turns, this, options.now)
    this.writer = new RecordWriter(options.codec, chunkSize(options.limits.maxInflightBytes))
    this.limits = options.limits
    this.coalesceBytes = options.limits.coalesceBytes
    this.sizes = new SizeLimits(options.limits)
    this.now = options.now
    this.waiters = new WaitingLine((waiter) => this.place(waiter), options.scheduler)
  }

  /** Whether the caller must stand in line for a later turn before it hands in more. */
  mustGiveWay(): boolean {
    const { acceptedBytes, acceptedRecords, turnLine } = this
    return (
      (acceptedBytes >= turnLine.lookAt || acceptedRecords >= turnLine.lookAtRecord) &&
      turnLine.look(acceptedBytes - this.takenBytes)
    )
  }

  /** Stands in line for a later turn, in which `admit` has to hand in at once. Returns how to leave. */
  standInLineUnsafe(scheduler: Scheduler, admit: () => void): () => void {
    return this.turnLine.joinUnsafe(scheduler, admit)
  }

  /** Accepts one record: its offset, `Full`, or why it is refused. Never overtakes callers that wait. */
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

  /** Accepts a non-empty batch as one message and one offset, `Full`, or why it is refused. */
  offerBatchUnsafe(records: ReadonlyArray<A>): number | Refusal {
    if (this.waiters.size > 0) return Full
    if (this.encoding) return nested()
    const refusal = this.writeBatch(records)
    if (refusal !== undefined) return refusal
    return this.fits(ALONE + this.writer.size) ? this.keepMessage(records.length, true) : Full
  }

  /** Accepts what must not wait for room, beyond the bounds and before the callers in line. */
  forceUnsafe(records: ReadonlyArray<A>, atomic: boolean): number | Refusal {
    if (this.encoding) return nested()
    const begunBehind = !atomic && this.begin()
    const refusal = atomic ? this.writeBatch(records) : this.writeSingle(records[0]!)
    return refusal ?? this.keep(records.length, atomic, begunBehind)
  }

  /**
   * Encodes now and waits for room, behind those who wait already. `admit` is called exactly once unless the returned function,
   * which takes the caller out of the line, is called before; that returns whether the caller still was in it.
   */
  waitUnsafe(
    records: ReadonlyArray<A>,
    atomic: boolean,
    admit: (admission: Admission) => void
  ): (() => boolean) | Refusal {
    if (this.encoding) return nested()
    if (!atomic) this.writer.begin(HEAD_ROOM)
    const refusal = atomic ? this.writeBatch(records) : this.writeSingle(records[0]!)
    if (refusal !== undefined) {
      // Somebody may have left, or the stream have been closed, by what the encoder called.
      this.admitUnsafe()
      return refusal
    }
    const { buffer, mark, position } = this.writer
    const waiter: Waiter = {
      content: Buffer.from(buffer.subarray(mark, position)),
      records: records.length,
      atomic,
      admit
    }
    const leave = this.waiters.join(waiter)
    this.admitUnsafe()
    return () => {
      if (!leave()) return false
      this.admitUnsafe()
      return true
    }
  }

  /** Lets those in who wait and fit, in order. Call it after acknowledgements were published: it may run their fibers. */
  admitUnsafe(): void {
    this.waiters.admit()
  }

  private place(waiter: Waiter): Admission {
    if (this.closed) return undefined
    if (this.encoding || !this.fits(ALONE + waiter.content.length)) return Full
    const begunBehind = !waiter.atomic && this.begin()
    if (waiter.atomic) this.writer.begin(HEAD_ROOM)
    this.writer.writeContent(waiter.content)
    return this.keep(waiter.records, waiter.atomic, begunBehind)
  }

  private keep(records: number, atomic: boolean, begunBehind: boolean): number {
    return atomic ? this.keepMessage(records, true) : this.keepSingle(begunBehind, begunBehind && this.joinsOpen())
  }

  /** The next message for the current session: first those to be sent again, then queued ones. */
  nextUnsafe(): Message | undefined {
    const again = this.window.replay()
    if (again !== undefined) return again
    const taken = Queue.takeUnsafe(this.queue)
    if (taken === undefined || taken._tag === "Failure") return undefined
    const message = taken.value
    this.takenBytes += message.charge
    if (message === this.open) this.open = undefined
    this.window.push(message)
    return message
  }

  /** Completes when `nextUnsafe` has something. */
  readonly awaitNext: Effect.Effect<void> = Effect.suspend(() =>
    this.window.toReplay > 0 ? Effect.void : Effect.asVoid(Queue.peek(this.queue))
  )

  /** The oldest unacknowledged message, if there is one. Only while no session is open: it may count as handed to one. */
  oldestUnsafe(): Message | undefined {
    return this.window.oldest ?? this.nextUnsafe()
  }

  /** Whether everything accepted is acknowledged. */
  get isEmpty(): boolean {
    return this.usedRecords === 0
  }

  /** Accepted records that are neither durable nor refused. */
  get leftRecords(): number {
    return this.acceptedRecords - this.acknowledgedRecords - this.refusedRecords
  }

  /** Frees the oldest `count` messages in flight and returns the last offset that became durable. */
  acknowledgeUnsafe(count: number): number {
    let last = -1
    for (let i = 0; i < count; i++) {
      const message = this.window.shift()
      this.usedBytes -= message.charge
      this.usedRecords -= message.offsets
      this.acknowledgedRecords += message.records
      last = message.lastOffset
      message.chunk.release()
    }
    this.overhead -= count * MESSAGE_OVERHEAD
    if (this.usedRecords === 0) this.writer.releaseIdle()
    return last
  }

  /** Frees the oldest message, which was refused. Only while no session is open. */
  refuseOldestUnsafe(): void {
    const { records } = this.window.replay()!
    this.acknowledgeUnsafe(1)
    this.acknowledgedRecords -= records
    this.refusedRecords += records
  }

  /**
   * Puts pieces in the place of the oldest `count` messages; `records` gives how many records a piece of each has. Only while no session
   * is open.
   */
  divideUnsafe(count: number, records: (message: Message) => number): void {
    const pieces = this.window.divideOldest(count, (message) => {
      const size = records(message)
      if (size >= message.records) return [message]
      this.usedBytes -= message.charge
      const made = divide(message, size)
      this.usedBytes += made.reduce((sum, piece) => sum + piece.charge, 0)
      return made
    })
    this.overhead += (pieces - count) * MESSAGE_OVERHEAD
  }

  /** Starts over at the oldest unacknowledged message, for a new session. */
  rewindUnsafe(): void {
    this.window.rewind()
  }

  /** Refuses everything from now on and answers those who wait. What is unacknowledged stays readable. */
  closeUnsafe(): void {
    if (this.closed) return
    this.closed = true
    this.open = undefined
    this.admitUnsafe()
  }

  /** Says that the stream has ended: what it still holds does not count as being sent. */
  endUnsafe(): void {
    this.writer.leave()
  }

  /** Takes every message out of the queue and returns how many are unacknowledged. Only while no session is open. */
  takeAllUnsafe(): number {
    while (this.nextUnsafe() !== undefined);
    return this.window.inFlight
  }

  /** Everything unacknowledged, in order; only after `closeUnsafe`. */
  unackedUnsafe(): ReadonlyArray<Message> {
    this.takeAllUnsafe()
    return this.window.unacknowledged
  }

  /** Takes over copies of another zone's messages, in order and beyond the bounds, which they met there. */
  adoptUnsafe(messages: ReadonlyArray<Message>): void {
    for (const message of messages) {
      const content = message.chunk.buffer.subarray(message.start, message.end)
      this.writer.begin(HEAD_ROOM)
      this.writer.writeContent(content)
      this.keepMessage(message.records, message.atomic, message.offsets, message.sends)
    }
    this.open = undefined
  }

  /** Begins the write of a single record; true when it may join the open message. */
  private begin(): boolean {
    const open = this.open
    const joins =
      open !== undefined && open.records < this.limits.coalesceRecords && open.end - open.start < this.coalesceBytes
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
      return writer.writeBatch(records, this.limits.maxPayloadBytes) ?? this.check(writer.size, writer.size)
    } finally {
      this.encoding = false
    }
  }

  private check(payload: number, content: number): Refusal | undefined {
    return this.nextOffset > Number.MAX_SAFE_INTEGER ? exhausted() : this.sizes.check(payload, content)
  }

  private fits(charge: number): boolean {
    const { maxInflightBytes, maxInflightRecords } = this.limits
    // An encoder may have closed the stream; its record then waits, and is told so.
    return (
      !this.closed &&
      this.usedRecords < maxInflightRecords &&
      this.usedBytes + charge <= maxInflightBytes - this.overhead
    )
  }

  /** Whether the record written right behind the open message still fits it. */
  protected joinsOpen(): boolean {
    const { moved, position } = this.writer
    return this.open !== undefined && !moved && position - this.open.start <= this.coalesceBytes
  }

  /** Commits the written single record, to the open message or as a message of its own. */
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

  /** Commits what was written as a message of its own and queues it. */
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
    if (!Queue.offerUnsafe(this.queue, message)) throw new Error("The landing zone's queue refused an admitted message")
    return message.offset
  }
}
