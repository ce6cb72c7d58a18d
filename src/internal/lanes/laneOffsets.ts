/**
 * Unsettled stream offsets of one lane: a ring of numbers, since a lane may hold hundreds of
 * thousands of records.
 *
 * Each lane counts its own records 0, 1, 2, ... without gaps; its messages and sessions use these
 * lane offsets. The ring maps them to offsets of the stream, which rise as well.
 */

const NOTHING = new Float64Array(0)
const LEAST_SIZE = 64

export class LaneOffsets {
  /** How many offsets the ring holds. */
  size = 0
  /** The lane offset of the oldest entry, or of the next one when the ring is empty. */
  private first = 0
  /** The size of the array is a power of two, so that an index is computed with a mask. */
  private ring = NOTHING

  /** Adds the stream's offset of the lane's next record. */
  push(offset: number): void {
    if (this.size === this.ring.length) this.grow()
    this.ring[(this.first + this.size) & (this.ring.length - 1)] = offset
    this.size++
  }

  /** The stream offset of the oldest unsettled record; `Infinity` when all are settled. */
  get oldest(): number {
    return this.size === 0 ? Infinity : this.at(this.first)
  }

  /** The stream offset of an unsettled record of the lane. */
  at(laneOffset: number): number {
    return this.ring[laneOffset & (this.ring.length - 1)]!
  }

  /** Settles the lane's records up to this one. Returns its stream offset. */
  settle(laneOffset: number): number {
    const offset = this.at(laneOffset)
    this.size -= laneOffset + 1 - this.first
    this.first = laneOffset + 1
    // An idle lane holds no memory.
    if (this.size === 0 && this.ring.length > LEAST_SIZE) this.ring = NOTHING
    return offset
  }

  /** A copy of the unsettled stream offsets, in order. */
  toArray(): Float64Array {
    const offsets = new Float64Array(this.size)
    for (let i = 0; i < this.size; i++) offsets[i] = this.at(this.first + i)
    return offsets
  }

  private grow(): void {
    const offsets = this.toArray()
    this.ring = new Float64Array(Math.max(LEAST_SIZE, this.ring.length * 2))
    for (let i = 0; i < offsets.length; i++)
      this.ring[(this.first + i) & (this.ring.length - 1)] = offsets[i]!
  }
}
