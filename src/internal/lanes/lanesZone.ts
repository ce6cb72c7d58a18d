/**
 * Moves records into a stream with several lanes: each goes to a lane, and gets the stream's next
 * offset once the lane's landing zone has taken it.
 *
 *   offerUnsafe --> lane of its key, or the least busy one --> landing zone of the lane --> offset
 *                                                                 | no room: Full
 *   waitUnsafe ---> encode and copy --> lines of callers ---------+--> once there is room
 *
 * To the ingest calls it looks like a landing zone. Everything is synchronous.
 */
import type { Scheduler } from "effect/Scheduler"
import type { InvalidArgument } from "../../ZerobusError.ts"
import { ALONE } from "../landing/chunk.ts"
import type { Refusal } from "../landing/landingZone.ts"
import { type LandingZoneLimits, nested } from "../landing/sizeLimits.ts"
import { TurnLine } from "../landing/turnLine.ts"
import { type Admission, Full } from "../landing/waitingLine.ts"
import type { Turns } from "../landing/turns.ts"
import type { RecordCodec } from "../recordCodec.ts"
import { keyOf, keyOfBatch, type LaneKey, laneOfKey } from "./laneKey.ts"
import { LaneLines, type LaneWaiter } from "./laneLines.ts"
import { leftInOrder, renumbered } from "./laneMessages.ts"
import { type LanesBudget, LaneZone } from "./laneZone.ts"

/**
 * The largest byte budget that chunk sizes of all lanes are chosen for: 64 lanes have chunks of 64
 * KiB, 16 or fewer of 256 KiB.
 */
const CHUNKS_FOR = 16 * 1024 * 1024

export class LanesZone<A> {
  /** The next offset of the stream to be given out. */
  nextOffset = 0
  /** Bytes (including framing) and records ever accepted. */
  acceptedBytes = 0
  acceptedRecords = 0
  /** The lane that took the latest record. */
  takenBy = 0
  /** Called when there may be room, after acknowledgements were published. */
  onRoom: () => void = () => {}
  readonly lanes: ReadonlyArray<LaneZone<A>>
  readonly turnLine: TurnLine
  private readonly laneKey: LaneKey<A> | undefined
  private readonly lines: LaneLines
  /** Records without a key go to this many lanes, counted from the first. */
  active: number
  /** The lane of the next record without a key, while its last message takes more. */
  private current = 0
  private closed = false
  /**
   * True while a record's key is computed or the record is encoded: that code must not offer
   * another record.
   */
  private busy = false

  constructor(options: {
    readonly lanes: number
    /** How many lanes take records without a key at first; by default all. */
    readonly active?: number | undefined
    readonly laneKey: LaneKey<A> | undefined
    readonly turns: Turns
    readonly codec: RecordCodec<A>
    readonly limits: LandingZoneLimits
    readonly now: () => number
    readonly scheduler: Scheduler
  }) {
    const { lanes, limits, scheduler } = options
    const budget: LanesBudget = {
      bytes: 0,
      records: 0,
      limits,
      onRoom: () => this.admit(),
      moreToCome: () => !this.turnLine.isEmpty
    }
    // Chunks come on top of what is in flight. All lanes together get the chunk memory of one,
    // which leaves room in the processor's caches.
    const chunksFor = Math.min(limits.maxInflightBytes, CHUNKS_FOR) / lanes
    this.lanes = Array.from(
      { length: lanes },
      (_, index) => new LaneZone<A>({ ...options, chunksFor }, index, budget)
    )
    this.laneKey = options.laneKey
    this.active = options.active ?? lanes
    this.turnLine = new TurnLine(options.turns, this, options.now)
    this.lines = new LaneLines(
      lanes,
      (waiter) => this.place(waiter),
      ({ content, lane }) => lane < lanes && this.lanes[lane]!.isCapped(ALONE + content.length),
      scheduler,
      options.now
    )
  }

  /** Whether the caller must wait for a later turn before it offers more. */
  mustGiveWay(): boolean {
    const { acceptedBytes, acceptedRecords, turnLine } = this
    return (
      (acceptedBytes >= turnLine.lookAt || acceptedRecords >= turnLine.lookAtRecord) &&
      turnLine.look(this.sum((lane) => lane.readyBytes))
    )
  }

  /**
   * Waits for a later turn, in which `admit` has to offer at once. Returns how to leave the line.
   */
  standInLineUnsafe(scheduler: Scheduler, admit: () => void): () => void {
    return this.turnLine.joinUnsafe(scheduler, admit)
  }

  /** Accepts one record. Returns its offset, `Full`, or why it is refused. */
  offerUnsafe(record: A): number | Refusal {
    if (this.busy) return nested()
    this.busy = true
    try {
      const lane = this.laneOf(record)
      if (typeof lane !== "number") return lane
      if (this.lines.holdsBack(lane)) return Full
      const zone = this.zoneOf(lane)
      const before = zone.acceptedBytes
      const result = zone.offerUnsafe(record)
      return typeof result !== "number" || result === Full
        ? result
        : this.took(zone, zone.acceptedBytes - before, 1)
    } finally {
      this.busy = false
    }
  }

  /**
   * Accepts a non-empty batch as one message with one offset. Returns that, `Full`, or why it is
   * refused.
   */
  offerBatchUnsafe(records: ReadonlyArray<A>): number | Refusal {
    return this.handIn(records, true, (lane) => {
      if (this.lines.holdsBack(lane)) return Full
      return this.keep(lane, records.length, (zone) => zone.offerBatchUnsafe(records))
    })
  }

  /**
   * Accepts records that must not wait for room, beyond the bounds and before the callers in line.
   */
  forceUnsafe(records: ReadonlyArray<A>, atomic: boolean): number | Refusal {
    return this.handIn(records, atomic, (lane) =>
      this.keep(lane, records.length, (zone) => zone.forceUnsafe(records, atomic))
    )
  }

  /** Encodes now and waits for room, as `LandingZone.waitUnsafe` does. */
  waitUnsafe(
    records: ReadonlyArray<A>,
    atomic: boolean,
    admit: (admission: Admission) => void
  ): (() => boolean) | Refusal {
    let line = 0
    const content = this.handIn(records, atomic, (lane) => {
      line = lane
      return this.zoneOf(lane).encodeUnsafe(records, atomic)
    })
    if (!Buffer.isBuffer(content)) {
      // Code that the encoder called may have removed a caller from the line or closed the stream.
      this.lines.admit()
      return content
    }
    const leave = this.lines.join({ content, records: records.length, atomic, admit, lane: line })
    this.lines.admit()
    return () => {
      if (!leave()) return false
      this.lines.admit()
      return true
    }
  }

  /** Notes that a lane has got a session, or lost it. */
  setSessionUnsafe(lane: number, hasSession: boolean): void {
    this.lanes[lane]!.hasSession = hasSession
    if (hasSession) this.admit()
  }

  /**
   * Sends records without a key to the first `lanes` lanes from now on. The others send what they
   * hold.
   */
  setActiveUnsafe(lanes: number): void {
    this.active = lanes
    this.current = Math.min(this.current, lanes - 1)
  }

  /** The number of the last lane that holds something, counted from 1; 0 when none does. */
  get lanesInUse(): number {
    return this.lanes.findLastIndex((lane) => !lane.isEmpty) + 1
  }

  /** Total time, in milliseconds, during which callers waited for room. */
  get waitedMillis(): number {
    return this.lines.waitedMillis
  }

  /** Accepted bytes that are no longer held. */
  get settledBytes(): number {
    return this.acceptedBytes - this.usedBytes
  }

  private admit(): void {
    this.lines.admit()
    this.onRoom()
  }

  /**
   * Refuses everything from now on and resumes waiting callers. Unacknowledged records stay
   * readable.
   */
  closeUnsafe(): void {
    if (this.closed) return
    this.closed = true
    for (const lane of this.lanes) lane.closeUnsafe()
    this.lines.admit()
  }

  /** Everything unacknowledged, in the order of its offsets; only after `closeUnsafe`. */
  unackedUnsafe(): ReturnType<typeof leftInOrder> {
    return leftInOrder(this.lanes)
  }

  /**
   * Adopts copies of the unacknowledged records of an ended stream with as many lanes, beyond the
   * bounds, each on its lane and in order.
   */
  adoptUnsafe(ended: LanesZone<A>): void {
    renumbered(ended.lanes).forEach((offsets, index) => {
      const lane = this.lanes[index]!
      const before = lane.acceptedBytes
      const records = lane.acceptedRecords
      lane.adoptUnsafe(ended.lanes[index]!.unackedUnsafe())
      for (const offset of offsets) lane.offsets.push(offset)
      lane.countUnsafe()
      this.acceptedBytes += lane.acceptedBytes - before
      this.acceptedRecords += lane.acceptedRecords - records
      this.nextOffset += offsets.length
    })
  }

  /** The highest offset up to which every lane has settled its records. */
  get settledByAll(): number {
    let oldest = this.nextOffset
    for (const { offsets } of this.lanes) if (offsets.oldest < oldest) oldest = offsets.oldest
    return oldest - 1
  }

  get isEmpty(): boolean {
    return this.usedRecords === 0
  }

  get usedRecords(): number {
    return this.sum((lane) => lane.usedRecords)
  }

  get usedBytes(): number {
    return this.sum((lane) => lane.usedBytes)
  }

  get acknowledgedRecords(): number {
    return this.sum((lane) => lane.acknowledgedRecords)
  }

  get refusedRecords(): number {
    return this.sum((lane) => lane.refusedRecords)
  }

  get leftRecords(): number {
    return this.sum((lane) => lane.leftRecords)
  }

  private sum(of: (lane: LaneZone<A>) => number): number {
    let sum = 0
    for (const lane of this.lanes) sum += of(lane)
    return sum
  }

  /** Finds the lane of records and offers them there. Code that this calls cannot offer others. */
  private handIn<X>(
    records: ReadonlyArray<A>,
    atomic: boolean,
    handIn: (lane: number) => X
  ): X | InvalidArgument {
    if (this.busy) return nested()
    this.busy = true
    try {
      const lane = atomic ? this.laneOfBatch(records) : this.laneOf(records[0]!)
      return typeof lane === "number" ? handIn(lane) : lane
    } finally {
      this.busy = false
    }
  }

  /** The lane of a record; the number of lanes when any lane may take it. */
  private laneOf(record: A): number | InvalidArgument {
    const { laneKey, lanes } = this
    if (laneKey === undefined) return lanes.length
    const key = keyOf(laneKey, record)
    return typeof key === "object" ? key : laneOfKey(key, lanes.length)
  }

  private laneOfBatch(records: ReadonlyArray<A>): number | InvalidArgument {
    const { laneKey, lanes } = this
    if (laneKey === undefined) return lanes.length
    const key = keyOfBatch(laneKey, records)
    return typeof key === "object" ? key : laneOfKey(key, lanes.length)
  }

  private zoneOf(lane: number): LaneZone<A> {
    return this.lanes[lane < this.lanes.length ? lane : this.freest()]!
  }

  /**
   * The lane for a record without a key: the latest one while its message takes more, else the one
   * that holds least.
   */
  private freest(): number {
    const { active, lanes } = this
    const latest = lanes[this.current]!
    if (latest.isFilling && latest.hasSession) return this.current
    let best = -1
    for (let step = 1; step <= active; step++) {
      const index = (this.current + step) % active
      const [lane, other] = [lanes[index]!, lanes[best]]
      const better =
        other === undefined ||
        (lane.hasSession === other.hasSession ? lane.usedBytes < other.usedBytes : lane.hasSession)
      if (better) best = index
    }
    return (this.current = best)
  }

  private place(waiter: LaneWaiter): Admission {
    if (this.closed) return undefined
    return this.busy
      ? Full
      : this.keep(waiter.lane, waiter.records, (zone) => zone.placeUnsafe(waiter))
  }

  /**
   * Lets the zone of a lane take records. They get the next offset, unless the zone returns another
   * result.
   */
  private keep<R>(
    lane: number,
    records: number,
    handIn: (zone: LaneZone<A>) => number | R
  ): number | R {
    const zone = this.zoneOf(lane)
    const before = zone.acceptedBytes
    const result = handIn(zone)
    return typeof result !== "number" || result === Full
      ? result
      : this.took(zone, zone.acceptedBytes - before, records)
  }

  /** Gives the next offset to records that a lane has taken. */
  private took(zone: LaneZone<A>, bytes: number, records: number): number {
    zone.countUnsafe()
    zone.offsets.push(this.nextOffset)
    this.acceptedBytes += bytes
    this.acceptedRecords += records
    this.takenBy = zone.index
    return this.nextOffset++
  }
}
