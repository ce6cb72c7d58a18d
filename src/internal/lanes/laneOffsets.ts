/**
 * The offsets that a stream with several lanes gave to the records of one lane, as long as they are
 * not settled: a ring of numbers, since a lane may hold hundreds of thousands of records.
 *
 * Each lane counts its own records 0, 1, 2, ... without gap, which is what its messages and
 * sessions work with. The ring leads from these lane offsets to those of the stream, which rise as
 * well.
 */

const NOTHING = new Float64Array(0)
const LEAST_SIZE = 64

export class LaneOffsets {
  /** How many are in the ring. */
  size = 0
  /** The lane offset of the oldest one in the ring, or of the next one to come. */
  private first = 0
  /** The size of the array is a power of two, so that a place is found with a mask. */
  private ring = NOTHING

  /** Adds the stream's offset of the lane's next record. */
  push(offset: number): void {
    if (this.size === this.ring.length) this.grow()
    this.ring[(this.first + this.size) & (this.ring.length - 1)] = offset
    this.size++
  }

  /** The stream's offset of the oldest record that is not settled; `Infinity` when all are. */
  get oldest(): number {
    return this.size === 0 ? Infinity : this.at(this.first)
  }

  /** The stream's offset of a record of the lane that is not settled. */
  at(laneOffset: number): number {
    return this.ring[laneOffset & (this.ring.length - 1)]!
  }

  /** The lane's records up to this one are settled. Returns the stream's offset of this one. */
  settle(laneOffset: number): number {
    const offset = this.at(laneOffset)
    this.size -= laneOffset + 1 - this.first
    this.first = laneOffset + 1
    // An idle lane holds no memory.
    if (this.size === 0 && this.ring.length > LEAST_SIZE) this.ring = NOTHING
    return offset
  }

  /** A copy of the stream's offsets that are not settled, in order. */
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
