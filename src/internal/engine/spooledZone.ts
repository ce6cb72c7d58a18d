/**
 * Moves records through a spool: they are encoded into the log, and read from it into the landing
 * zone once they are persisted.
 *
 *   offerUnsafe --> encode --> log.offer --> room? -- yes --> group --> persisted --> pumpUnsafe
 *                                              |       ^                               |  ^
 *                                              | Full  | log.onRoom                    |  | room or
 *                                              v       |                               |  | loaded
 *   waitUnsafe --> encode and copy --> waiting line ---+                               v
 *                                                                      landing zone --> session
 *
 *   acknowledgement --> zone.onRoom --> log.acknowledge, pumpUnsafe
 *
 * The zone stays bounded however much the log holds. With several lanes it stands for all of them,
 * and records are logged with the hash that chooses their lane. Everything is synchronous except
 * loading from disk.
 */
import * as Exit from "effect/Exit"
import type { Scheduler } from "effect/Scheduler"
import type { Refusal } from "../landing/landingZone.ts"
import { ScratchWriter } from "../landing/scratchWriter.ts"
import { exhausted, nested, SizeLimits } from "../landing/sizeLimits.ts"
import { type Admission, Full, type Waiter, WaitingLine } from "../landing/waitingLine.ts"
import { SpooledLanes } from "../lanes/spooledLanes.ts"
import { faultError, type LogFault, type LogTarget, type SpooledLog } from "../spooledLog.ts"
import { Answer } from "../userCode/answer.ts"
import { refuseRecordsUnsafe, type StreamFace } from "./streamCore.ts"

/** A caller that waits for room in the log. */
interface SpoolWaiter extends Waiter {
  /** The hash of its records' key; -1 for none. */
  readonly hash: number
}

export class SpooledZone<A> {
  readonly log: SpooledLog
  /** Bytes ever accepted, including framing. */
  acceptedBytes = 0
  /**
   * Completes when the log is closed and its lock released, or when the wait for that has ended.
   */
  readonly closed = new Answer<void>()
  private readonly core: StreamFace<A>
  private readonly writer: ScratchWriter<A>
  private readonly sizes: SizeLimits
  private readonly waiters: WaitingLine<SpoolWaiter>
  private readonly zone: LogTarget
  /** The same zone when it stands for several lanes. */
  private readonly lanes: SpooledLanes<A> | undefined
  private encoding = false
  /** The hash of the key of the records that were encoded last. */
  private hash = -1
  /**
   * Whether reading from the log is on hold. A persistent stream reads on after the offset that its
   * server has committed, which its first session receives.
   */
  isWaiting: boolean
  /** The offset of the first record that the log takes after it was opened. */
  readonly firstNew: number
  private pumping = false
  private loading = false

  constructor(core: StreamFace<A>, zone: LogTarget, log: SpooledLog, scheduler: Scheduler) {
    this.core = core
    this.zone = zone
    this.lanes = zone instanceof SpooledLanes ? zone : undefined
    this.log = log
    this.firstNew = log.nextOffset
    this.waiters = new WaitingLine((waiter) => this.place(waiter), scheduler)
    this.writer = new ScratchWriter(core.table.codec)
    this.sizes = new SizeLimits(core.options)
    this.isWaiting = core.rpc.name === "PersistentStream"
    zone.nextOffset = log.acknowledged + 1
    for (const { acks } of [core, ...core.lanes]) acks.watermark = log.acknowledged
    zone.onRoom = () => {
      log.acknowledge(core.acks.watermark)
      this.pumpUnsafe()
    }
    log.onRoom = () => this.waiters.admit()
    log.onPersisted = () => this.pumpUnsafe()
    log.onFailed = (fault) => this.breakUnsafe(fault)
    this.pumpUnsafe()
  }

  /**
   * Binds the empty log to a persistent stream, whose first offset is the one after `committed`.
   */
  startUnsafe(streamId: string | undefined, committed: number): void {
    this.log.bind(streamId!, committed)
    this.isWaiting = false
    this.pumpUnsafe()
  }

  /** Starts reading the log after the offset that the server has committed. */
  goOnUnsafe(committed: number): void {
    this.log.reader.startAt(committed + 1)
    this.zone.nextOffset = committed + 1
    this.isWaiting = false
    this.pumpUnsafe()
  }

  /** The next offset to be given out. */
  get nextOffset(): number {
    return this.log.nextOffset
  }

  /** Records and batches that are neither durable nor refused. */
  get left(): number {
    return this.log.nextOffset - this.zone.nextOffset + this.zone.usedRecords
  }

  /**
   * Which offsets of the log are unsettled once the stream has ended. Undefined means all that are
   * not acknowledged.
   */
  get isLeft(): ((offset: number) => boolean) | undefined {
    return this.lanes?.leftUnsafe()
  }

  /**
   * Takes one record or a batch. Returns its offset, `Full`, or why it is refused. Callers that
   * wait are not overtaken unless `force`.
   */
  offerUnsafe(records: ReadonlyArray<A>, atomic: boolean, force = false): number | Refusal {
    if (!force && this.waiters.size > 0) return Full
    const refusal = this.encode(records, atomic)
    if (refusal !== undefined) return refusal
    const { writer } = this
    return this.append(writer.buffer, writer.position, records.length, atomic, force, this.hash)
  }

  /** Encodes now and waits for room, as `LandingZone.waitUnsafe` does. */
  waitUnsafe(
    records: ReadonlyArray<A>,
    atomic: boolean,
    admit: (admission: Admission) => void
  ): (() => boolean) | Refusal {
    const refusal = this.encode(records, atomic)
    if (refusal !== undefined) return refusal
    const { buffer, position } = this.writer
    const content = Buffer.from(buffer.subarray(0, position))
    const leave = this.waiters.join({
      content,
      records: records.length,
      atomic,
      admit,
      hash: this.hash
    })
    this.waiters.admit()
    return leave
  }

  /** Resumes callers that wait for room: the stream takes no more records. */
  closeUnsafe(): void {
    this.waiters.admit()
  }

  /** Saves what is acknowledged and closes the log. A failure of that costs only space. */
  async close(): Promise<void> {
    this.log.acknowledge(this.core.acks.watermark)
    await this.log.close().catch(() => {})
  }

  private place({ atomic, content, hash, records }: SpoolWaiter): Admission {
    if (this.core.closing || this.log.failure !== undefined) return undefined
    return this.append(content, content.length, records, atomic, false, hash)
  }

  private append(
    content: Buffer,
    size: number,
    records: number,
    atomic: boolean,
    force: boolean,
    hash: number
  ): number {
    const { lanes } = this
    const key = lanes?.keyFor(hash, size)
    const offset = this.log.offer(content, 0, size, records, atomic, force, key)
    if (offset === Full) return Full
    this.acceptedBytes += size
    if (key !== undefined) lanes!.loggedUnsafe(key)
    return offset
  }

  private encode(records: ReadonlyArray<A>, atomic: boolean): Refusal | undefined {
    if (this.encoding) return nested()
    if (this.log.nextOffset > Number.MAX_SAFE_INTEGER) return exhausted()
    const { lanes, sizes, writer } = this
    const tooMany = atomic ? sizes.checkBatch(records.length) : undefined
    if (tooMany !== undefined) return tooMany
    this.encoding = true
    try {
      const hash = lanes === undefined ? -1 : lanes.hashOf(records, atomic)
      if (typeof hash !== "number") return hash
      this.hash = hash
      if (atomic) {
        return (
          writer.writeBatch(records, this.core.options.maxPayloadBytes) ??
          sizes.check(writer.size, writer.size)
        )
      }
      writer.begin()
      return writer.writeRecord(records[0]!) ?? sizes.check(writer.payloadSize, writer.size)
    } finally {
      this.encoding = false
    }
  }

  /**
   * Moves persisted entries into the landing zone while it has room, and reads on from disk when
   * needed.
   */
  private pumpUnsafe(): void {
    if (this.pumping || this.isWaiting || this.core.ended) return
    this.pumping = true
    const { zone } = this
    const { reader } = this.log
    let entry = reader.peekUnsafe()
    while (entry !== undefined && zone.feedUnsafe(entry, reader)) entry = reader.peekUnsafe()
    this.pumping = false
    if (entry === undefined && reader.hasMore) this.loadUnsafe()
  }

  private loadUnsafe(): void {
    if (this.loading) return
    this.loading = true
    this.log.reader.load().then(
      () => {
        this.loading = false
        this.pumpUnsafe()
      },
      (fault: LogFault) => {
        this.loading = false
        this.breakUnsafe(fault)
      }
    )
  }

  /** Ends the stream when the log cannot be read or written any more. The log keeps its records. */
  private breakUnsafe(fault: LogFault): void {
    const { core } = this
    if (core.ended) return
    const failure = faultError(fault)
    for (const each of [core, ...core.lanes]) each.failure ??= failure
    refuseRecordsUnsafe(core)
    core.closeRequested.doneUnsafe(Exit.void)
  }
}
