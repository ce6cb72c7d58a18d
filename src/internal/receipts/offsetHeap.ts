/**
 * Waiters for offsets, ordered by offset and then by arrival: a binary heap whose entries store
 * their index. Joining, leaving and taking the first cost O(log n), in any order.
 */

/** The sort key of an entry, and its place in the heap. */
export interface Entry {
  readonly offset: number
  /** Counts up with every entry. */
  readonly arrival: number
  /** Its place in the heap, maintained by the heap; -1 when it is not in it. */
  index: number
}

const before = (a: Entry, b: Entry): boolean =>
  a.offset < b.offset || (a.offset === b.offset && a.arrival < b.arrival)

export class OffsetHeap<E extends Entry> {
  private readonly entries: Array<E> = []

  get size(): number {
    return this.entries.length
  }

  /** The first one; `undefined` when there is none. */
  get first(): E | undefined {
    return this.entries[0]
  }

  add(entry: E): void {
    this.entries.push(entry)
    this.rise(entry, this.entries.length - 1)
  }

  /** Removes an entry. Does nothing when it is not in the heap. */
  remove(entry: E): void {
    const { index } = entry
    if (index < 0) return
    entry.index = -1
    const last = this.entries.pop()!
    if (last === entry) return
    // The last entry takes the free place, from which it may have to move in either direction.
    if (index > 0 && before(last, this.entries[(index - 1) >> 1]!)) this.rise(last, index)
    else this.sink(last, index)
  }

  private rise(entry: E, from: number): void {
    const { entries } = this
    let index = from
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!before(entry, entries[parent]!)) break
      this.put(entries[parent]!, index)
      index = parent
    }
    this.put(entry, index)
  }

  private sink(entry: E, from: number): void {
    const { entries } = this
    let index = from
    for (;;) {
      let child = 2 * index + 1
      if (child >= entries.length) break
      if (child + 1 < entries.length && before(entries[child + 1]!, entries[child]!)) child++
      if (!before(entries[child]!, entry)) break
      this.put(entries[child]!, index)
      index = child
    }
    this.put(entry, index)
  }

  private put(entry: E, index: number): void {
    this.entries[index] = entry
    entry.index = index
  }
}
