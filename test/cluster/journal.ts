/**
 * The journal of a runner: when each record was passed on, and when it was acknowledged. A note has
 * twelve bytes: a double with milliseconds, negative for an acknowledgement, and the record's
 * number.
 */
import * as Fs from "node:fs"

const NOTE = 12

/** Writes notes, together in one write per turn of the event loop. */
export class Journal {
  private readonly file: number
  private buffer = Buffer.allocUnsafe(NOTE * 65_536)
  private length = 0
  private isScheduled = false

  constructor(path: string) {
    this.file = Fs.openSync(path, "a")
  }

  handedOver(record: number): void {
    this.note(Date.now(), record)
  }

  acknowledged(record: number): void {
    this.note(-Date.now(), record)
  }

  flush(): void {
    this.isScheduled = false
    Fs.writeSync(this.file, this.buffer, 0, this.length)
    this.length = 0
  }

  private note(time: number, record: number): void {
    if (this.length === this.buffer.length) this.flush()
    this.buffer.writeDoubleLE(time, this.length)
    this.buffer.writeUInt32LE(record, this.length + 8)
    this.length += NOTE
    if (this.isScheduled) return
    this.isScheduled = true
    setImmediate(() => this.flush())
  }
}

/** The notes of a runner: the time of each record, in milliseconds since 1970. */
export interface Notes {
  readonly handedOver: ReadonlyMap<number, number>
  readonly acknowledged: ReadonlyMap<number, number>
}

/** Reads the notes that were written completely. */
export const readJournal = (path: string): Notes => {
  const bytes = Fs.readFileSync(path)
  const handedOver = new Map<number, number>()
  const acknowledged = new Map<number, number>()
  for (let at = 0; at + NOTE <= bytes.length; at += NOTE) {
    const time = bytes.readDoubleLE(at)
    const record = bytes.readUInt32LE(at + 8)
    if (time < 0) acknowledged.set(record, -time)
    else handedOver.set(record, time)
  }
  return { handedOver, acknowledged }
}

/** The number of notes in a journal. */
export const notesIn = (path: string): number =>
  Fs.existsSync(path) ? Math.floor(Fs.statSync(path).size / NOTE) : 0
