/**
 * The server's disk: records become durable in groups, some time after they were appended, and a
 * crash loses those that are not durable.
 */
import { RecordRejected, StorageFailure } from "../../src/local/log/storageErrors.ts"
import type { HeldStream } from "../../src/local/persistent/persistentStreams.ts"
import type { TableWriter } from "../../src/local/store/tableStore.ts"
import type { History } from "./history.ts"
import type { Records } from "./records.ts"
import type { SeededRandom } from "./seededRandom.ts"
import type { VirtualTime } from "./virtualTime.ts"

interface Group {
  readonly ticket: number
  readonly rows: Array<{ readonly conn: number; readonly record: number }>
  /** The last offset of each persistent stream in it. */
  readonly offsets: Map<string, number>
  readonly callbacks: Array<(failure: StorageFailure | undefined) => void>
}

/** A disk with a write-ahead log. */
export class Store {
  /** The number of next groups that fail to reach the disk. */
  failing = 0
  /** The durable offset of each persistent stream, by id. */
  readonly committed = new Map<string, number>()
  /** Set by the owner, to crash after a group is durable and before any client is told. */
  crashAfterSync: (() => boolean) | undefined
  private open: Group | undefined
  private syncing: Array<Group> = []
  private tickets = 1
  private incarnation = 0
  private pressedUntil = 0
  private rooms: Array<() => void> = []
  private readonly time: VirtualTime
  private readonly history: History
  private readonly records: Pick<Records, "recogniseAll">
  private readonly random: SeededRandom
  private readonly fsync: readonly [number, number]
  private readonly poison: boolean

  constructor(options: {
    readonly time: VirtualTime
    readonly history: History
    readonly records: Pick<Records, "recogniseAll">
    readonly random: SeededRandom
    readonly fsync: readonly [number, number]
    readonly poison: boolean
  }) {
    this.time = options.time
    this.history = options.history
    this.records = options.records
    this.random = options.random
    this.fsync = options.fsync
    this.poison = options.poison
  }

  /** A writer for one connection, of a persistent stream or not. */
  writer(conn: number, stream?: HeldStream): TableWriter {
    const { incarnation } = this
    const alive = () => this.incarnation === incarnation
    return {
      appendUnsafe: (payloads, offset) => {
        const found = payloads.flatMap((payload) => this.records.recogniseAll(payload))
        const bad = this.poison ? found.findIndex((record) => record % 17 === 13) : -1
        if (bad >= 0) return new RecordRejected(bad, "i", "a record without poison")
        for (const record of found) {
          if (record < 0)
            this.history.add({ e: "broken", what: `connection ${conn} delivered a damaged record` })
        }
        const group = (this.open ??= this.openGroup())
        for (const record of found) group.rows.push({ conn, record })
        this.history.add({ e: "stored", conn, records: found })
        if (stream !== undefined) {
          group.offsets.set(stream.streamId, offset!)
          stream.noteUnsafe(group.ticket, offset!)
        }
        return group.ticket
      },
      onDurable: (ticket, callback) =>
        this.onDurable(ticket, (failure) => {
          if (alive()) callback(failure)
        }),
      pressure: () => this.time.now < this.pressedUntil,
      onRoom: (callback) => {
        if (this.time.now >= this.pressedUntil) callback()
        else
          this.rooms.push(() => {
            if (alive()) callback()
          })
      },
      close: () => stream?.release()
    }
  }

  /** Calls back once a group is durable or has failed. */
  onDurable(ticket: number, callback: (failure: StorageFailure | undefined) => void): void {
    const group =
      this.open?.ticket === ticket
        ? this.open
        : this.syncing.find((other) => other.ticket === ticket)
    if (group === undefined) throw new Error("the server asks about a group that is gone")
    group.callbacks.push(callback)
  }

  /** The disk cannot keep up for a while. */
  press(millis: number): void {
    this.pressedUntil = this.time.now + millis
    this.time.after(millis, () => {
      const waiting = this.rooms
      this.rooms = []
      for (const resume of waiting) resume()
    })
  }

  /** The process dies: only durable records remain. */
  crash(): void {
    this.incarnation++
    this.open = undefined
    this.syncing = []
    this.rooms = []
    this.pressedUntil = 0
  }

  private openGroup(): Group {
    const group: Group = { ticket: this.tickets++, rows: [], offsets: new Map(), callbacks: [] }
    const { incarnation } = this
    this.time.after(this.random.between(this.fsync[0], this.fsync[1]), () => {
      if (this.incarnation !== incarnation || this.open !== group) return
      this.open = undefined
      this.syncing.push(group)
      this.time.after(this.random.between(this.fsync[0], this.fsync[1]), () =>
        this.synced(incarnation)
      )
    })
    return group
  }

  private synced(incarnation: number): void {
    if (this.incarnation !== incarnation) return
    const group = this.syncing.shift()
    if (group === undefined) return
    if (this.failing > 0) {
      this.failing--
      // The log fails a group together with all groups after it.
      const failed = [group, ...this.syncing, ...(this.open === undefined ? [] : [this.open])]
      this.syncing = []
      this.open = undefined
      const failure = new StorageFailure({ reason: "Io", message: "The simulated disk failed." })
      for (const { callbacks } of failed) for (const callback of callbacks) callback(failure)
      return
    }
    for (const [stream, offset] of group.offsets) this.committed.set(stream, offset)
    const byConnection = new Map<number, Array<number>>()
    for (const { conn, record } of group.rows)
      byConnection.set(conn, [...(byConnection.get(conn) ?? []), record])
    for (const [conn, records] of byConnection) this.history.add({ e: "durable", conn, records })
    if (this.crashAfterSync?.() === true) return
    for (const callback of group.callbacks) callback(undefined)
  }
}
