/**
 * Column buffers of a table in shredded form: one `Leaf` per primitive column, with repetition
 * levels, definition levels and the values already in Parquet's PLAIN byte order.
 *
 * Decoders append here record by record; a mark taken before a message rolls all of it back when
 * one record is refused. A sealed set of leaves is a `LeafChunk` per leaf, typed arrays that move
 * to the flush worker without a copy. Pages, statistics and files are the business of `parquet.ts`.
 */

import { giveBlock, isBlock, takeBlock } from "./columnBlocks.ts"

/**
 * How a leaf's values are stored. `FIXED` is a byte array of one fixed width, used for wide
 * decimals.
 */
export type PhysicalType =
  | "BOOLEAN"
  | "INT32"
  | "INT64"
  | "FLOAT"
  | "DOUBLE"
  | "BYTE_ARRAY"
  | "FIXED"

/** Where a leaf sits and how its values look. `width` is in bytes, 0 for `BYTE_ARRAY`. */
export interface LeafShape {
  readonly path: ReadonlyArray<string>
  readonly physical: PhysicalType
  readonly width: number
  readonly maxDefinition: number
  readonly maxRepetition: number
}

/**
 * The sealed content of one leaf. `values` and the levels may be longer than what is used; the
 * counts say how long.
 */
export interface LeafChunk {
  entries: number
  size: number
  readonly definitions: Uint8Array
  readonly repetitions: Uint8Array
  readonly values: Uint8Array
}

/**
 * Which of several entries have a value: all where there are no bits. Others are NULL at this
 * definition level.
 */
export interface Validity {
  readonly validity: Uint8Array | undefined
  readonly nullDefinition: number
}

/**
 * A position in all leaves of a table, to roll back to: rows, then entries and bytes of each leaf.
 */
export interface Mark {
  readonly rows: number
  readonly entries: ReadonlyArray<number>
  readonly sizes: ReadonlyArray<number>
}

/**
 * Content of a table up to so many bytes is copied when it is sealed: less work than passing on the
 * buffers of each column.
 */
const copiedBytes = 64 * 1024
/** Values of so many bytes are copied by the runtime, shorter ones by a loop. */
const longBytes = 48
const none: Uint8Array = new Uint8Array(0)
const noWords = new Int32Array(0)

/** The next multiple of 8. */
const aligned = (bytes: number): number => Math.ceil(bytes / 8) * 8

/** A copy with room for `needed` bytes, and for `expected` ones when it is the first. */
const grown = (bytes: Uint8Array, needed: number, expected: number): Uint8Array => {
  const next = takeBlock(Math.max(needed, bytes.length * 2, bytes.length === 0 ? expected : 0))
  next.set(bytes)
  if (bytes !== none) giveBlock(bytes)
  return next
}

/** Memory that another thread may take: the same, or a copy of the used part of a block. */
const movable = (bytes: Uint8Array, used: number): Uint8Array => {
  if (!isBlock(bytes)) return bytes
  const copy = bytes.slice(0, used)
  giveBlock(bytes)
  return copy
}

/**
 * One growing primitive column. Callers pass the repetition level of each entry; a value has the
 * full definition level.
 */
export class Leaf {
  readonly shape: LeafShape
  entries = 0
  size = 0
  /** Set by the protobuf decoder when the list open in this leaf began with an empty packed run. */
  emptyRun = false
  private definitions: Uint8Array = none
  /**
   * Entries whose definition level is written. Those behind have values; their level is filled in
   * later.
   */
  private defined = 0
  private repetitions: Uint8Array = none
  private values: Uint8Array = none
  /** The values as words, where they have 4 or 8 bytes. */
  private words: Int32Array = noWords
  private lastStart = 0
  private readonly isRepeated: boolean
  private readonly isWords: boolean
  /** Entries and bytes that the next first growth makes room for, by what was sealed last. */
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

  /** Writes the definition levels of all entries so far, with room for `count`. */
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

  /** Appends a BOOLEAN, one byte until the page is written. */
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
   * Appends a BYTE_ARRAY (with its length in front) copied from `source`, or a FIXED value of
   * exactly the leaf's width. Answers whether all bytes are known to be ASCII; of long values that
   * is not known.
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
   * Appends what lies in front of the first special byte of `source` as a BYTE_ARRAY, and answers
   * where that byte is; with its sign turned where the value is not all ASCII. Answers `end` and
   * appends nothing where there is no special byte. Takes room for all bytes up to `end`.
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
   * Appends entries of a leaf that is not repeated, all at once. Those whose bit in `validity` is
   * not set have no value. `write` gets the memory of values and where to begin, with room for
   * `bytes`, and answers where it ended.
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
   * Takes back the entry appended last; used when a protobuf field occurs again and the last
   * occurrence wins.
   */
  removeLast(): void {
    this.cut(this.entries - 1, this.lastStart)
  }

  /** Cuts the leaf back to an earlier position. */
  cut(entries: number, size: number): void {
    this.entries = entries
    if (this.defined > entries) this.defined = entries
    this.size = size
    this.lastStart = size
  }

  /** The bytes of a copy, to a multiple of 8. */
  get copySize(): number {
    const levels = (this.shape.maxDefinition > 0 ? 1 : 0) + (this.shape.maxRepetition > 0 ? 1 : 0)
    return aligned(this.size) + aligned(levels * this.entries)
  }

  /** Copies what was appended so far to a place in a buffer, and starts empty. */
  copyTo(buffer: ArrayBuffer, start: number): LeafChunk {
    this.define(this.entries)
    const { entries, shape, size } = this
    const place = (bytes: Uint8Array, at: number, length: number): Uint8Array => {
      const copy = new Uint8Array(buffer, at, length)
      copy.set(bytes.subarray(0, length))
      return copy
    }
    // Values first: they are read as words.
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

  /** Hands out what was appended so far and starts empty. */
  seal(): LeafChunk {
    this.define(this.entries)
    const { entries, size } = this
    const definitions = movable(this.definitions, entries)
    const repetitions = movable(this.repetitions, entries)
    const values = movable(this.values, size)
    this.clear()
    return { entries, size, definitions, repetitions, values }
  }

  /** Starts empty and without memory; room comes with the next value. */
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

/** Seals all leaves of a table: with little content into one buffer, else each with its own. */
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

/** Notes the current position of all leaves. */
export const markOf = (leaves: ReadonlyArray<Leaf>, rows: number): Mark => {
  const entries: Array<number> = []
  const sizes: Array<number> = []
  for (let i = 0; i < leaves.length; i++) {
    entries.push(leaves[i]!.entries)
    sizes.push(leaves[i]!.size)
  }
  return { rows, entries, sizes }
}

/** Cuts all leaves back to a mark taken earlier. */
export const rollBack = (leaves: ReadonlyArray<Leaf>, mark: Mark): void => {
  for (let i = 0; i < leaves.length; i++) leaves[i]!.cut(mark.entries[i]!, mark.sizes[i]!)
}

/** Cuts sealed chunks back to a mark taken before they were sealed. */
export const rollBackChunks = (chunks: ReadonlyArray<LeafChunk>, mark: Mark): void => {
  for (let i = 0; i < chunks.length; i++) {
    chunks[i]!.entries = mark.entries[i]!
    chunks[i]!.size = mark.sizes[i]!
  }
}

/** The memory behind chunks. */
export const buffersOf = (chunks: ReadonlyArray<LeafChunk>): ReadonlyArray<ArrayBufferLike> => {
  const buffers = new Set<ArrayBufferLike>()
  for (const chunk of chunks) {
    for (const part of [chunk.definitions, chunk.repetitions, chunk.values]) {
      if (part !== none && part.byteLength > 0) buffers.add(part.buffer)
    }
  }
  return [...buffers]
}

/** How many bytes the used part of the chunks takes. */
export const bytesOf = (chunks: ReadonlyArray<LeafChunk>): number => {
  let total = 0
  for (const chunk of chunks) total += chunk.size + chunk.entries
  return total
}
