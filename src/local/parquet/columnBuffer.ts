/**
 * Column buffers of a table in shredded form: one `Leaf` per primitive column, with repetition
 * levels, definition levels and the values in Parquet's PLAIN encoding.
 *
 * Decoders append record by record. When a record is refused, its whole message is rolled back to a
 * mark taken before. Sealing the leaves gives one `LeafChunk` per leaf: typed arrays that are
 * transferred to the flush worker without a copy. `parquet.ts` writes pages and files.
 */

import { giveBlock, isBlock, takeBlock } from "./columnBlocks.ts"

/**
 * How a leaf's values are stored. `FIXED` is a byte array of fixed width, used for wide decimals.
 */
export type PhysicalType =
  | "BOOLEAN"
  | "INT32"
  | "INT64"
  | "FLOAT"
  | "DOUBLE"
  | "BYTE_ARRAY"
  | "FIXED"

/** The path of a leaf and the form of its values. `width` is in bytes, 0 for `BYTE_ARRAY`. */
export interface LeafShape {
  readonly path: ReadonlyArray<string>
  readonly physical: PhysicalType
  readonly width: number
  readonly maxDefinition: number
  readonly maxRepetition: number
}

/**
 * The sealed content of one leaf. `values` and the levels may be longer than their used part, which
 * `size` and `entries` give.
 */
export interface LeafChunk {
  entries: number
  size: number
  readonly definitions: Uint8Array
  readonly repetitions: Uint8Array
  readonly values: Uint8Array
}

/**
 * Which of several entries have a value: all if `validity` is undefined. The others are NULL at
 * this definition level.
 */
export interface Validity {
  readonly validity: Uint8Array | undefined
  readonly nullDefinition: number
}

/**
 * A position in all leaves of a table to roll back to: the rows, and the entries and bytes of each
 * leaf.
 */
export interface Mark {
  readonly rows: number
  readonly entries: ReadonlyArray<number>
  readonly sizes: ReadonlyArray<number>
}

/**
 * Up to this many bytes, the content of a table is copied when it is sealed: that is less work than
 * passing on the buffers of each column.
 */
const copiedBytes = 64 * 1024
/** Values of at least this many bytes are copied by the runtime, shorter ones by a loop. */
const longBytes = 48
const none: Uint8Array = new Uint8Array(0)
const noWords = new Int32Array(0)

/** The next multiple of 8. */
const aligned = (bytes: number): number => Math.ceil(bytes / 8) * 8

/** A copy with room for `needed` bytes. The first allocation has room for `expected` bytes. */
const grown = (bytes: Uint8Array, needed: number, expected: number): Uint8Array => {
  const next = takeBlock(Math.max(needed, bytes.length * 2, bytes.length === 0 ? expected : 0))
  next.set(bytes)
  if (bytes !== none) giveBlock(bytes)
  return next
}

/**
 * Memory that can be transferred to another thread: the same memory, or a copy of the used part of
 * a block.
 */
const movable = (bytes: Uint8Array, used: number): Uint8Array => {
  if (!isBlock(bytes)) return bytes
  const copy = bytes.slice(0, used)
  giveBlock(bytes)
  return copy
}

/**
 * One growing primitive column. Callers pass the repetition level of each entry. Values have the
 * maximum definition level.
 */
export class Leaf {
  readonly shape: LeafShape
  entries = 0
  size = 0
  /**
   * Set by the protobuf decoder when the current list of this leaf began with an empty packed run.
   */
  emptyRun = false
  private definitions: Uint8Array = none
  /**
   * The number of entries whose definition level is written. The entries after them have values;
   * their levels are filled in later.
   */
  private defined = 0
  private repetitions: Uint8Array = none
  private values: Uint8Array = none
  /** The values as words, if their width is 4 or 8 bytes. */
  private words: Int32Array = noWords
  private lastStart = 0
  private readonly isRepeated: boolean
  private readonly isWords: boolean
  /**
   * The entries and bytes of the last sealed chunk, for which the next first allocation makes room.
   */
  private expectedEntries = 0
  private expectedBytes = 0

  constructor(shape: LeafShape) {
    this.shape = shape
    this.isRepeated = shape.maxRepetition > 0
    this.isWords = shape.width === 4 || shape.width === 8
  }

  private setValues(values: Uint8Array): void {
    this.values = values
    if (this.isWords)
      this.words = new Int32Array(values.buffer, values.byteOffset, values.length >> 2)
  }

  private entry(repetition: number): void {
    const index = this.entries++
    if (!this.isRepeated) return
    if (index >= this.repetitions.length)
      this.repetitions = grown(this.repetitions, index + 1, this.expectedEntries)
    this.repetitions[index] = repetition
  }

  /** Writes the definition levels of all entries so far, and makes room for `count` levels. */
  private define(count: number): void {
    const { maxDefinition } = this.shape
    if (maxDefinition === 0) return
    if (count > this.definitions.length)
      this.definitions = grown(this.definitions, count, this.expectedEntries)
    if (this.defined === this.entries) return
    this.definitions.fill(maxDefinition, this.defined, this.entries)
    this.defined = this.entries
  }

  private reserve(bytes: number): number {
    const start = this.size
    const end = start + bytes
    if (end > this.values.length) this.setValues(grown(this.values, end, this.expectedBytes))
    this.lastStart = start
    this.size = end
    return start
  }

  /** Appends an entry without a value: a null, or an empty list, at the given definition level. */
  addNull(repetition: number, definition: number): void {
    const index = this.entries
    this.define(index + 1)
    this.definitions[index] = definition
    this.defined = index + 1
    this.lastStart = this.size
    this.entry(repetition)
  }

  /** Appends a BOOLEAN, stored as one byte until the page is written. */
  addBoolean(repetition: number, value: boolean): void {
    this.entry(repetition)
    const at = this.reserve(1)
    this.values[at] = value ? 1 : 0
  }

  /** Appends 32 bits: an INT32, or the bits of a FLOAT. */
  addWord(repetition: number, bits: number): void {
    this.entry(repetition)
    const at = this.reserve(4)
    this.words[at >> 2] = bits
  }

  /** Appends 64 bits as two halves: an INT64, or the bits of a DOUBLE. */
  addWords(repetition: number, low: number, high: number): void {
    this.entry(repetition)
    const at = this.reserve(8) >> 2
    this.words[at] = low
    this.words[at + 1] = high
  }

  /**
   * Appends a BYTE_ARRAY (with its length first) copied from `source`, or a FIXED value of exactly
   * the leaf's width. Returns whether all bytes are known to be ASCII; long values are not checked
   * and return false.
   */
  addBytes(repetition: number, source: Uint8Array, start: number, end: number): boolean {
    this.entry(repetition)
    const length = end - start
    const { width } = this.shape
    let at = this.reserve(width === 0 ? 4 + length : length)
    if (width === 0) {
      this.setLength(at, length)
      at += 4
    }
    const { values } = this
    if (length >= longBytes) {
      values.set(source.subarray(start, end), at)
      return false
    }
    let all = 0
    for (let i = start; i < end; i++) all |= values[at++] = source[i]!
    return all < 0x80
  }

  /**
   * Appends the bytes before the first special byte of `source` as a BYTE_ARRAY, and returns the
   * position of that byte, negated if the value is not ASCII. Without a special byte, appends
   * nothing and returns `end`. Reserves room for all bytes up to `end`.
   */
  addUntil(
    repetition: number,
    source: Uint8Array,
    start: number,
    end: number,
    special: Uint8Array
  ): number {
    const from = this.size + 4
    const most = from + end - start
    if (most > this.values.length) this.setValues(grown(this.values, most, this.expectedBytes))
    const { values } = this
    let at = start
    let to = from
    let all = 0
    for (; at < end; at++) {
      const byte = source[at]!
      if (special[byte] !== 0) break
      values[to++] = byte
      all |= byte
    }
    if (at >= end) return end
    this.setLength(from - 4, to - from)
    this.lastStart = from - 4
    this.size = to
    this.entry(repetition)
    return all < 0x80 ? at : -at
  }

  /**
   * Appends several entries of a leaf that is not repeated. Entries whose bit in `validity` is not
   * set have no value. `write` receives the memory of the values and the start position, with room
   * for `bytes`, and returns the end position.
   */
  addAll(
    count: number,
    { nullDefinition, validity }: Validity,
    bytes: number,
    write: (values: Uint8Array, at: number) => number
  ): void {
    const first = this.entries
    if (validity !== undefined) {
      this.define(first + count)
      const { definitions, shape } = this
      for (let i = 0; i < count; i++) {
        const isSet = ((validity[i >> 3]! >> (i & 7)) & 1) === 1
        definitions[first + i] = isSet ? shape.maxDefinition : nullDefinition
      }
      this.defined = first + count
    }
    const at = this.reserve(bytes)
    this.entries = first + count
    this.size = write(this.values, at)
    this.lastStart = this.size
  }

  private setLength(at: number, length: number): void {
    const { values } = this
    values[at] = length
    values[at + 1] = length >>> 8
    values[at + 2] = length >>> 16
    values[at + 3] = length >>> 24
  }

  /** Appends the sealed content of a leaf of the same shape. */
  append({ definitions, entries, repetitions, size, values }: LeafChunk): void {
    const first = this.entries
    const end = first + entries
    if (this.shape.maxDefinition > 0) {
      this.define(end)
      this.definitions.set(definitions.subarray(0, entries), first)
      this.defined = end
    }
    if (this.shape.maxRepetition > 0) {
      if (end > this.repetitions.length)
        this.repetitions = grown(this.repetitions, end, this.expectedEntries)
      this.repetitions.set(repetitions.subarray(0, entries), first)
    }
    const at = this.reserve(size)
    this.values.set(values.subarray(0, size), at)
    this.entries = end
    this.lastStart = this.size
  }

  /**
   * Removes the last entry. Used when a protobuf field occurs again, because the last occurrence
   * wins.
   */
  removeLast(): void {
    this.cut(this.entries - 1, this.lastStart)
  }

  /** Truncates the leaf to an earlier position. */
  cut(entries: number, size: number): void {
    this.entries = entries
    if (this.defined > entries) this.defined = entries
    this.size = size
    this.lastStart = size
  }

  /** The size of a copy in bytes, rounded up to a multiple of 8. */
  get copySize(): number {
    const levels = (this.shape.maxDefinition > 0 ? 1 : 0) + (this.shape.maxRepetition > 0 ? 1 : 0)
    return aligned(this.size) + aligned(levels * this.entries)
  }

  /** Copies the appended content to a place in a buffer, and empties the leaf. */
  copyTo(buffer: ArrayBuffer, start: number): LeafChunk {
    this.define(this.entries)
    const { entries, shape, size } = this
    const place = (bytes: Uint8Array, at: number, length: number): Uint8Array => {
      const copy = new Uint8Array(buffer, at, length)
      copy.set(bytes.subarray(0, length))
      return copy
    }
    // Values come first, because they are read as words and must be aligned.
    const values = place(this.values, start, size)
    const levels = start + aligned(size)
    const hasDefinitions = shape.maxDefinition > 0
    const definitions = hasDefinitions ? place(this.definitions, levels, entries) : none
    const behind = levels + (hasDefinitions ? entries : 0)
    const repetitions = shape.maxRepetition > 0 ? place(this.repetitions, behind, entries) : none
    for (const bytes of [this.definitions, this.repetitions, this.values])
      if (bytes !== none) giveBlock(bytes)
    this.clear()
    return { entries, size, definitions, repetitions, values }
  }

  /** Returns the appended content and empties the leaf. */
  seal(): LeafChunk {
    this.define(this.entries)
    const { entries, size } = this
    const definitions = movable(this.definitions, entries)
    const repetitions = movable(this.repetitions, entries)
    const values = movable(this.values, size)
    this.clear()
    return { entries, size, definitions, repetitions, values }
  }

  /** Empties the leaf and drops its memory. The next value allocates again. */
  private clear(): void {
    this.expectedEntries = this.entries
    this.expectedBytes = this.size
    this.cut(0, 0)
    this.definitions = none
    this.repetitions = none
    this.values = none
    this.words = noWords
  }
}

/**
 * Seals all leaves of a table: little content into one shared buffer, else each leaf with its own
 * buffers.
 */
export const sealAll = (leaves: ReadonlyArray<Leaf>): ReadonlyArray<LeafChunk> => {
  let size = 0
  for (let i = 0; i < leaves.length; i++) size += leaves[i]!.copySize
  if (size > copiedBytes) return leaves.map((leaf) => leaf.seal())
  const buffer = new ArrayBuffer(size)
  let at = 0
  return leaves.map((leaf) => {
    const start = at
    at += leaf.copySize
    return leaf.copyTo(buffer, start)
  })
}

/** The current position of all leaves. */
export const markOf = (leaves: ReadonlyArray<Leaf>, rows: number): Mark => {
  const entries: Array<number> = []
  const sizes: Array<number> = []
  for (let i = 0; i < leaves.length; i++) {
    entries.push(leaves[i]!.entries)
    sizes.push(leaves[i]!.size)
  }
  return { rows, entries, sizes }
}

/** Truncates all leaves to a mark taken earlier. */
export const rollBack = (leaves: ReadonlyArray<Leaf>, mark: Mark): void => {
  for (let i = 0; i < leaves.length; i++) leaves[i]!.cut(mark.entries[i]!, mark.sizes[i]!)
}

/** Truncates sealed chunks to a mark taken before they were sealed. */
export const rollBackChunks = (chunks: ReadonlyArray<LeafChunk>, mark: Mark): void => {
  for (let i = 0; i < chunks.length; i++) {
    chunks[i]!.entries = mark.entries[i]!
    chunks[i]!.size = mark.sizes[i]!
  }
}

/** The buffers of chunks. */
export const buffersOf = (chunks: ReadonlyArray<LeafChunk>): ReadonlyArray<ArrayBufferLike> => {
  const buffers = new Set<ArrayBufferLike>()
  for (const chunk of chunks) {
    for (const part of [chunk.definitions, chunk.repetitions, chunk.values]) {
      if (part !== none && part.byteLength > 0) buffers.add(part.buffer)
    }
  }
  return [...buffers]
}

/** The number of bytes in the used part of the chunks. */
export const bytesOf = (chunks: ReadonlyArray<LeafChunk>): number => {
  let total = 0
  for (const chunk of chunks) total += chunk.size + chunk.entries
  return total
}
