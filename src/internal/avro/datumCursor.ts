/**
 * Reads the parts of binary Avro values from untrusted bytes: integers, lengths, texts, and the
 * number of items in a block. Nothing is read beyond the bytes, and a value has limits.
 */
import { refuseAvro } from "./avroProblem.ts"
import { maxAvroDepth } from "./avroSchema.ts"

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Most items in the arrays and maps of a record: more than a record that can be sent has. */
const mostItems = 11 * 1024 * 1024

/**
 * The position in the bytes of one or more values. Its limits hold for each value: the depth, the
 * number of nested records, and the number of items.
 */
export class Cursor {
  readonly bytes: Uint8Array
  at: number
  readonly end: number
  readonly view: DataView
  depth = 0
  private recordsLeft: number
  private itemsLeft = mostItems

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes
    this.at = start
    this.end = end
    this.recordsLeft = this.mostRecords()
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  /** Begins a value that follows another one. */
  begin(): void {
    this.depth = 0
    this.recordsLeft = this.mostRecords()
    this.itemsLeft = mostItems
  }

  private mostRecords(): number {
    return maxAvroDepth * (this.end - this.at + maxAvroDepth)
  }

  /** Begins a record. Records without bytes could otherwise nest forever. */
  enter(): void {
    if (++this.depth > maxAvroDepth) refuseAvro(`Values are nested deeper than ${maxAvroDepth}.`)
    if (--this.recordsLeft < 0) refuseAvro("A value contains too many empty records.")
  }

  /** Begins items of an array or a map. */
  spend(items: number): void {
    this.itemsLeft -= items
    if (this.itemsLeft < 0) refuseAvro("The arrays and maps of a record have too many items.")
  }

  /** Skips the next `count` bytes and returns their position. */
  take(count: number): number {
    const start = this.at
    if (count > this.end - start) return refuseAvro("The bytes end within a value.")
    this.at = start + count
    return start
  }

  /** An integer in zigzag coding; a number if it is a safe integer. */
  long(): number | bigint {
    let value = 0
    let scale = 1
    const start = this.at
    for (let count = 0; count < 7; count++) {
      const byte = this.bytes[this.take(1)]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
      scale *= 0x80
    }
    this.at = start
    return this.large()
  }

  private large(): number | bigint {
    let value = 0n
    for (let count = 0n; count < 10n; count++) {
      const byte = this.bytes[this.take(1)]!
      value |= BigInt(byte & 0x7f) << (7n * count)
      if (byte >= 0x80) continue
      if (value >= 1n << 64n) break
      const signed = (value >> 1n) ^ -(value & 1n)
      const number = Number(signed)
      return Number.isSafeInteger(number) ? number : signed
    }
    return refuseAvro("An integer has more than 64 bits.")
  }

  /** A length or a number of items. */
  size(): number {
    const size = this.long()
    if (typeof size === "bigint" || size < 0)
      return refuseAvro("A length is negative or too large.")
    return size
  }

  content(length: number): Uint8Array {
    const start = this.take(length)
    return this.bytes.subarray(start, start + length)
  }

  text(): string {
    const content = this.content(this.size())
    try {
      return decoder.decode(content)
    } catch {
      return refuseAvro("A text is not valid UTF-8.")
    }
  }
}

/** The number of items in the next block; 0 for none. No more than the remaining bytes can hold. */
export const itemsOf = (cursor: Cursor, empty: boolean): number => {
  let count = cursor.long()
  if (typeof count === "bigint") return refuseAvro("An array or map has more items than bytes.")
  if (count < 0) {
    count = -count
    cursor.size()
  }
  if (empty && count > 0) return refuseAvro("The items of an array take no bytes.")
  if (count > cursor.end - cursor.at) {
    return refuseAvro("An array or map has more items than bytes.")
  }
  cursor.spend(count)
  return count
}
