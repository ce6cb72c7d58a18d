/**
 * Builds the columns of a batch from protobuf values: each value goes straight into the buffers of
 * its column, which are used again for the next batch.
 */
import { low, high, readLength, readVarint } from "../protobuf/wire.ts"
import type { FlatBatch } from "./batchMessage.ts"

/** What a batch consists of, depth first. */
export interface FlatColumns {
  readonly nodes: Array<FlatBatch["nodes"][number]>
  readonly buffers: Array<Uint8Array>
}

const NOTHING = Buffer.alloc(0)

/** The smallest buffer of a column. */
const LEAST_BYTES = 256

/** A buffer that grows to what the batches need. */
export class GrowingBuffer {
  bytes: Buffer = NOTHING

  /** Makes room for so many bytes in all, of which the first `used` are kept. */
  reserve(bytes: number, used: number): void {
    if (bytes <= this.bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(bytes, this.bytes.length * 2, LEAST_BYTES))
    this.bytes.copy(larger, 0, 0, used)
    this.bytes = larger
  }
}

/** Which values of a column are there, a bit each. Nothing is written before the first null. */
class Validity {
  nulls = 0
  private readonly bits = new GrowingBuffer()

  /** Notes that the value of this index is there. */
  valid(index: number): void {
    if (this.nulls === 0) return
    this.room(index)
    this.bits.bytes[index >> 3]! |= 1 << (index & 7)
  }

  /** Notes that the value of this index is null. */
  missing(index: number): void {
    if (this.nulls++ > 0) return this.room(index)
    this.bits.reserve((index >> 3) + 1, 0)
    this.bits.bytes.fill(0xff, 0, index >> 3)
    this.bits.bytes[index >> 3] = (1 << (index & 7)) - 1
  }

  bytes(length: number): Uint8Array {
    return this.nulls === 0 ? NOTHING : this.bits.bytes.subarray(0, (length + 7) >> 3)
  }

  clear(): void {
    this.nulls = 0
  }

  private room(index: number): void {
    this.bits.reserve((index >> 3) + 1, index >> 3)
    if ((index & 7) === 0) this.bits.bytes[index >> 3] = 0
  }
}

/** A column that is being built. */
export abstract class ColumnBuilder {
  /** The wire type of a value. */
  abstract readonly wire: number
  length = 0
  protected readonly validity = new Validity()
  private readonly nullable: boolean

  constructor(nullable: boolean) {
    this.nullable = nullable
  }

  /** Appends the value at `at` and returns the position behind it. */
  abstract append(source: Buffer, at: number, end: number): number

  /** Appends the value of a column that takes no nulls, where nothing can be read. */
  protected abstract appendZero(): void

  /** Appends null, or a zero where the column takes no nulls: the struct that holds it is null. */
  appendNull(): void {
    const { length } = this
    this.appendZero()
    if (this.nullable) this.validity.missing(length)
    else this.validity.valid(length)
  }

  /** Appends what protobuf leaves out of a map entry. */
  appendDefault(): void {
    this.validity.valid(this.length)
    this.appendZero()
  }

  /** Ends a message that the column's values are in. */
  endMessage(): void {}

  /** Bytes of its buffers. */
  abstract readonly bytes: number

  /** Adds node and buffers, which are valid until the next `append`. */
  flatten(flat: FlatColumns): void {
    const { length, validity } = this
    flat.nodes.push({ length, nullCount: validity.nulls })
    flat.buffers.push(validity.bytes(length))
    this.flattenValues(flat)
  }

  protected abstract flattenValues(flat: FlatColumns): void

  /** Empties it for the next batch. */
  clear(): void {
    this.length = 0
    this.validity.clear()
  }
}

/** Reads a value at `at` into `out` at `to`; returns the position behind it. */
type ReadFixed = (source: Buffer, at: number, end: number, out: Buffer, to: number) => number

const integer =
  (write: (out: Buffer, to: number) => void): ReadFixed =>
  (source, at, end, out, to) => {
    const next = readVarint(source, at, end)
    write(out, to)
    return next
  }

const writeInt32 = (out: Buffer, to: number, value: number): void => {
  out[to] = value
  out[to + 1] = value >> 8
  out[to + 2] = value >> 16
  out[to + 3] = value >> 24
}

const copied =
  (width: number): ReadFixed =>
  (source, at, _, out, to) => {
    for (let index = 0; index < width; index++) out[to + index] = source[at + index]!
    return at + width
  }

/** How numbers of each kind are read: their wire type, their bytes in the column. */
export const fixedKinds = {
  int8: { wire: 0, width: 1, read: integer((out, to) => void (out[to] = low)) },
  int16: {
    wire: 0,
    width: 2,
    read: integer((out, to) => {
      out[to] = low
      out[to + 1] = low >> 8
    })
  },
  int32: { wire: 0, width: 4, read: integer((out, to) => writeInt32(out, to, low)) },
  int64: {
    wire: 0,
    width: 8,
    read: integer((out, to) => {
      writeInt32(out, to, low)
      writeInt32(out, to + 4, high)
    })
  },
  float: { wire: 5, width: 4, read: copied(4) },
  double: { wire: 1, width: 8, read: copied(8) }
} as const satisfies Readonly<
  Record<string, { readonly wire: number; readonly width: number; readonly read: ReadFixed }>
>

/** Numbers, dates and times. */
export class FixedBuilder extends ColumnBuilder {
  readonly wire: number
  private readonly width: number
  private readonly read: ReadFixed
  private readonly values = new GrowingBuffer()

  constructor(nullable: boolean, kind: keyof typeof fixedKinds) {
    super(nullable)
    const { read, width, wire } = fixedKinds[kind]
    this.wire = wire
    this.width = width
    this.read = read
  }

  append(source: Buffer, at: number, end: number): number {
    const to = this.length * this.width
    this.values.reserve(to + this.width, to)
    this.validity.valid(this.length++)
    return this.read(source, at, end, this.values.bytes, to)
  }

  get bytes(): number {
    return this.length * this.width
  }

  protected appendZero(): void {
    const to = this.length++ * this.width
    this.values.reserve(to + this.width, to)
    this.values.bytes.fill(0, to, to + this.width)
  }

  protected flattenValues({ buffers }: FlatColumns): void {
    buffers.push(this.values.bytes.subarray(0, this.bytes))
  }
}

/** Booleans, a bit each. */
export class BooleanBuilder extends ColumnBuilder {
  readonly wire = 0
  private readonly values = new GrowingBuffer()

  append(source: Buffer, at: number, end: number): number {
    const next = readVarint(source, at, end)
    const value = low !== 0
    this.validity.valid(this.length)
    this.appendZero()
    if (value) this.values.bytes[(this.length - 1) >> 3]! |= 1 << ((this.length - 1) & 7)
    return next
  }

  get bytes(): number {
    return (this.length + 7) >> 3
  }

  protected appendZero(): void {
    const index = this.length++
    this.values.reserve((index >> 3) + 1, index >> 3)
    if ((index & 7) === 0) this.values.bytes[index >> 3] = 0
  }

  protected flattenValues({ buffers }: FlatColumns): void {
    buffers.push(this.values.bytes.subarray(0, this.bytes))
  }
}

/** Up to this many bytes a loop is faster than a call that copies. */
const FEW_BYTES = 32

/** Texts and bytes, with 64-bit offsets. */
export class BytesBuilder extends ColumnBuilder {
  readonly wire = 2
  private readonly offsets = new GrowingBuffer()
  private readonly values = new GrowingBuffer()
  private size = 0

  append(source: Buffer, at: number, end: number): number {
    const start = readLength(source, at, end)
    const length = low
    const { size, values } = this
    values.reserve(size + length, size)
    const { bytes } = values
    if (length > FEW_BYTES) source.copy(bytes, size, start, start + length)
    else for (let index = 0; index < length; index++) bytes[size + index] = source[start + index]!
    this.size += length
    this.validity.valid(this.length)
    this.appendZero()
    return start + length
  }

  get bytes(): number {
    return (this.length + 1) * 8 + this.size
  }

  override clear(): void {
    super.clear()
    this.size = 0
  }

  /** Ends a value where the bytes end. */
  protected appendZero(): void {
    const to = ++this.length * 8
    this.offsets.reserve(to + 8, to)
    const { bytes } = this.offsets
    writeInt32(bytes, to, this.size)
    // A message has at most 2 GiB.
    writeInt32(bytes, to + 4, 0)
  }

  protected flattenValues({ buffers }: FlatColumns): void {
    this.offsets.reserve(8, 0)
    this.offsets.bytes.fill(0, 0, 8)
    buffers.push(this.offsets.bytes.subarray(0, (this.length + 1) * 8))
    buffers.push(this.values.bytes.subarray(0, this.size))
  }
}
