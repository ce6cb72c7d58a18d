/**
 * The way of records through a spool: they are encoded into the log, and read from it into the landing zone once they are persisted.
 *
 *   offerUnsafe --> encode --> log.offer -- room? -- yes --> group --> persisted --> pumpUnsafe --> landing zone --> session
 *                                             |       ^                                  ^
 *                                             | Full  | log.onRoom                       | room in the zone, more was loaded
 *   waitUnsafe --> encode and copy --> waiting line --+
 *
 *   acknowledgement --> zone.onRoom --> log.acknowledge, pumpUnsafe
 *
 * The zone stays bounded however much waits in the log. All of it is synchronous but loading from disk.
 */
import * as Exit from "effect/Exit"
import type { Scheduler } from "effect/Scheduler"
import { readLength } from "../protobuf/envelope.ts"
import type { FedZone } from "../landing/fedZone.ts"
import type { Refusal } from "../landing/landingZone.ts"
import { ScratchWriter } from "../landing/scratchWriter.ts"
import { exhausted, nested, SizeLimits } from "../landing/sizeLimits.ts"
import { type Admission, Full, type Waiter, WaitingLine } from "../landing/waitingLine.ts"
import { faultError, type LogEntry, type LogFault, type SpooledLog } from "../spooledLog.ts"
import { Answer } from "../userCode/answer.ts"
import { refuseRecordsUnsafe, type StreamCore } from "./streamCore.ts"

export class SpooledZone<A> {
  readonly log: SpooledLog
  /** Bytes ever accepted, framing included. */
  acceptedBytes = 0
  /**
   * Completes when the log is closed and its lock given up, or when the wait for that has ended.
   */
  readonly closed = new Answer<void>()
  private readonly core: StreamCore<A>
  private readonly writer: ScratchWriter<A>
  private readonly sizes: SizeLimits
  private readonly waiters: WaitingLine
  private readonly zone: FedZone<A>
  private encoding = false
  /**
   * Whether nothing is read from the log yet: a persistent stream reads on behind what its server
   * has committed, which the first session tells.
   */
  isWaiting: boolean
  /** The offset of the first record that the log takes after it was opened. */
  readonly firstNew: number
  private pumping = false
  private loading = false

  constructor(core: StreamCore<A>, zone: FedZone<A>, log: SpooledLog, scheduler: Scheduler) {
    this.core = core
    this.zone = zone
    this.log = log
    this.firstNew = log.nextOffset
    this.waiters = new WaitingLine((waiter) => this.place(waiter), scheduler)
    this.writer = new ScratchWriter(core.table.codec)
    this.sizes = new SizeLimits(core.options)
    this.isWaiting = core.rpc.name === "PersistentStream"
    zone.nextOffset = log.acknowledged + 1
    core.acks.watermark = log.acknowledged
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
   * The empty log becomes that of a persistent stream, which gives out the offset behind this one
   * first.
   */
  startUnsafe(streamId: string | undefined, committed: number): void {
    this.log.bind(streamId!, committed)
    this.isWaiting = false
    this.pumpUnsafe()
  }

  /** Begins to read the log, behind the offset up to which the server has committed it. */
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
    return this.log.nextOffset - 1 - this.core.acks.watermark
  }

  /** Takes one record or a batch: its offset, `Full`, or why it is refused. Callers that wait are not overtaken unless `force`. */
  offerUnsafe(records: ReadonlyArray<A>, atomic: boolean, force = false): number | Refusal {
    if (!force && this.waiters.size > 0) return Full
    const refusal = this.encode(records, atomic)
    if (refusal !== undefined) return refusal
    const { writer } = this
    return this.append(writer.buffer, writer.position, records.length, atomic, force)
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
    const leave = this.waiters.join({ content, records: records.length, atomic, admit })
    this.waiters.admit()
    return leave
  }

  /** Answers those who wait for room; the stream takes no more records. */
  closeUnsafe(): void {
    this.waiters.admit()
  }

  /** Notes what is acknowledged and closes the log, whose failure costs only space. */
  async close(): Promise<void> {
    this.log.acknowledge(this.core.acks.watermark)
    await this.log.close().catch(() => {})
  }

  private place({ atomic, content, records }: Waiter): Admission {
    if (this.core.closing || this.log.failure !== undefined) return undefined
    return this.append(content, content.length, records, atomic, false)
  }

  private append(content: Buffer, size: number, records: number, atomic: boolean, force: boolean): number {
    const offset = this.log.offer(content, 0, size, records, atomic, force)
    if (offset !== Full) this.acceptedBytes += size
    return offset
  }

  private encode(records: ReadonlyArray<A>, atomic: boolean): Refusal | undefined {
    if (this.encoding) return nested()
    if (this.log.nextOffset > Number.MAX_SAFE_INTEGER) return exhausted()
    const { sizes, writer } = this
    const tooMany = atomic ? sizes.checkBatch(records.length) : undefined
    if (tooMany !== undefined) return tooMany
    this.encoding = true
    try {
      if (atomic) {
        return writer.writeBatch(records, this.core.options.maxPayloadBytes) ?? sizes.check(writer.size, writer.size)
      }
      writer.begin()
      return writer.writeRecord(records[0]!) ?? sizes.check(writer.payloadSize, writer.size)
    } finally {
      this.encoding = false
    }
  }

  /** Moves persisted entries into the landing zone, as many as it has room for, and reads on from disk where that is needed. */
  private pumpUnsafe(): void {
    if (this.pumping || this.isWaiting || this.core.ended) return
    this.pumping = true
    const { reader } = this.log
    let entry = reader.peekUnsafe()
    while (entry !== undefined && this.feed(entry)) entry = reader.peekUnsafe()
    this.pumping = false
    if (entry === undefined && reader.hasMore) this.loadUnsafe()
  }

  /** Hands an entry, or what one message takes of it, to the landing zone. False when that has no room. */
  private feed({ atomic, buffer, end, records, start }: LogEntry): boolean {
    const { zone } = this
    if (atomic) {
      if (!zone.takeUnsafe(buffer, start, end, records, true)) return false
      this.log.reader.takeUnsafe(records, end - start)
      return true
    }
    const { coalesceRecords, maxInflightBytes } = this.core.options
    const most = Math.min(zone.coalesceBytes, maxInflightBytes / 4)
    let [at, count] = [end, records]
    if (end - start > most || records > coalesceRecords) {
      for (at = start, count = 0; at < end && count < coalesceRecords; count++) {
        const { length, next } = readLength(buffer, at + 1)
        if (count > 0 && next + length - start > most) break
        at = next + length
      }
    }
    if (!zone.takeUnsafe(buffer, start, at, count, false)) return false
    this.log.reader.takeUnsafe(count, at - start)
    return true
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

  /** Ends the stream for what the log cannot give or take any more. What it holds stays there. */
  private breakUnsafe(fault: LogFault): void {
    const { core } = this
    if (core.ended) return
    core.failure ??= faultError(fault)
    refuseRecordsUnsafe(core)
    core.closeRequested.doneUnsafe(Exit.void)
  }
}
