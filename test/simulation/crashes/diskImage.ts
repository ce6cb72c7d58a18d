/**
 * A file of a simulated disk, and its content after a loss of power.
 *
 * Reads see every write at once. A write reaches the disk with the next synchronisation, or at any
 * time before it, sector by sector in any order; a sector of 512 bytes is written as a whole. After
 * a failed synchronisation, the bytes that it did not write count as written and are not written
 * again, as in Linux: reads still see them, and a loss of power removes them.
 */
import type { SeededRandom } from "../seededRandom.ts"

const sectorBytes = 512

/** A change of a file: bytes written at an offset, or a new length. */
type Change = { readonly at: number; readonly bytes: Buffer } | { readonly length: number }

const applied = (content: Buffer, change: Change): Buffer => {
  if ("length" in change) {
    if (change.length <= content.length) return Buffer.from(content.subarray(0, change.length))
    return Buffer.concat([content, Buffer.alloc(change.length - content.length)])
  }
  const end = change.at + change.bytes.length
  const grown = Buffer.alloc(Math.max(content.length, end))
  content.copy(grown)
  change.bytes.copy(grown, change.at)
  return grown
}

/** A file, with or without a name. */
export class DiskImage {
  /** The content that reads see. */
  content: Buffer = Buffer.alloc(0)
  /** The number of its names. */
  names = 0
  private synced: Buffer = Buffer.alloc(0)
  private changes: Array<Change> = []

  /** Bytes that certainly survive a loss of power. */
  get durable(): Buffer {
    return this.synced
  }

  write(at: number, bytes: Buffer): void {
    this.change({ at, bytes })
  }

  truncate(length: number): void {
    this.change({ length })
  }

  /** Writes everything to disk. */
  sync(): void {
    for (const change of this.changes) this.synced = applied(this.synced, change)
    this.changes = []
  }

  /** The synchronisation fails after some of the sectors. */
  failSync(random: SeededRandom): void {
    this.synced = this.torn(random)
    this.changes = []
  }

  /** The power is lost. */
  losePower(random: SeededRandom): void {
    this.synced = this.torn(random)
    this.content = Buffer.from(this.synced)
    this.changes = []
  }

  private change(change: Change): void {
    this.content = applied(this.content, change)
    if ("length" in change) return void this.changes.push(change)
    // Sectors are written as a whole, including bytes that an earlier synchronisation may have
    // failed to write.
    const at = change.at - (change.at % sectorBytes)
    const end = Math.ceil((change.at + change.bytes.length) / sectorBytes) * sectorBytes
    this.changes.push({ at, bytes: Buffer.from(this.content.subarray(at, end)) })
  }

  /**
   * The durable bytes with some of the changes: each sector, and the length, after any number of
   * them.
   */
  private torn(random: SeededRandom): Buffer {
    if (this.changes.length === 0) return this.synced
    const states: Array<Buffer> = [this.synced]
    for (const change of this.changes) states.push(applied(states.at(-1)!, change))
    const last = states.length - 1
    const together = random.pick([0, last, random.int(states.length), -1, -1])
    const chosen = () => (together < 0 ? random.int(states.length) : together)
    const result = Buffer.alloc(states[chosen()]!.length)
    for (let at = 0; at < result.length; at += sectorBytes) {
      // A sector beyond the end of this state contains zeros, as when the length was written before
      // the bytes.
      result.set(states[chosen()]!.subarray(at, Math.min(at + sectorBytes, result.length)), at)
    }
    return result
  }
}
