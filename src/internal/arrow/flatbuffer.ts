/**
 * A bounds-checked reader of flatbuffers from untrusted bytes, for the features that Arrow's
 * messages use.
 *
 * Every position is checked before it is read. No memory is allocated for a length that was not
 * compared with the available bytes. Tables may point anywhere in the buffer, including to each
 * other: callers bound how many they visit and how deep they go.
 */
import { refuseArrow } from "./arrowProblem.ts"

const cutOff = (): never => refuseArrow("The message ends inside a value.")

/** Names are decoded leniently: invalid UTF-8 becomes replacement characters. */
const decoder = new TextDecoder()

/** The longest text that is read, in bytes. */
const maxTextBytes = 1024

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** A 64-bit count or position: not negative, and at most 2^53 - 1. */
const countAt = (view: DataView, at: number): number => {
  const high = view.getInt32(at + 4, true)
  if (high < 0 || high >= 0x20_0000) return refuseArrow("A length in the message is out of range.")
  return high * 4_294_967_296 + view.getUint32(at, true)
}

/** A vector: the position of its first element, and the number of elements. */
export interface FlatVector {
  readonly start: number
  readonly length: number
}

const noVector: FlatVector = { start: 0, length: 0 }

/** A table of a flatbuffer. Fields are addressed by number; an absent field has its default. */
export class FlatTable {
  private readonly view: DataView
  private readonly at: number
  private readonly fields: number
  private readonly fieldsEnd: number
  private readonly end: number

  /** The table at a position. Throws `ArrowProblem` if there is none. */
  constructor(view: DataView, at: number) {
    const size = view.byteLength
    if (at < 0 || at + 4 > size) cutOff()
    const vtable = at - view.getInt32(at, true)
    if (vtable < 0 || vtable + 4 > size) cutOff()
    const vtableBytes = view.getUint16(vtable, true)
    const tableBytes = view.getUint16(vtable + 2, true)
    if (vtableBytes < 4 || vtable + vtableBytes > size || tableBytes < 4) cutOff()
    this.view = view
    this.at = at
    this.fields = vtable + 4
    this.fieldsEnd = vtable + vtableBytes
    this.end = Math.min(at + tableBytes, size)
  }

  /** The root table of a buffer. */
  static root(bytes: Uint8Array): FlatTable {
    const view = viewOf(bytes)
    if (view.byteLength < 4) cutOff()
    return new FlatTable(view, view.getUint32(0, true))
  }

  /** The position of a field of `bytes` bytes; 0 when it is absent, since no field is at 0. */
  private placeOf(field: number, bytes: number): number {
    const entry = this.fields + field * 2
    if (entry + 2 > this.fieldsEnd) return 0
    const offset = this.view.getUint16(entry, true)
    if (offset === 0) return 0
    const place = this.at + offset
    return offset < 4 || place + bytes > this.end ? cutOff() : place
  }

  /** The target of an offset field; 0 when it is absent. */
  private target(field: number): number {
    const place = this.placeOf(field, 4)
    if (place === 0) return 0
    const target = place + this.view.getUint32(place, true)
    return target + 4 > this.view.byteLength ? cutOff() : target
  }

  byte(field: number): number {
    const place = this.placeOf(field, 1)
    return place === 0 ? 0 : this.view.getUint8(place)
  }

  int16(field: number, absent = 0): number {
    const place = this.placeOf(field, 2)
    return place === 0 ? absent : this.view.getInt16(place, true)
  }

  int32(field: number, absent = 0): number {
    const place = this.placeOf(field, 4)
    return place === 0 ? absent : this.view.getInt32(place, true)
  }

  /** A 64-bit count. */
  count(field: number): number {
    const place = this.placeOf(field, 8)
    return place === 0 ? 0 : countAt(this.view, place)
  }

  /** A 64-bit id. */
  int64(field: number): bigint {
    const place = this.placeOf(field, 8)
    return place === 0 ? 0n : this.view.getBigInt64(place, true)
  }

  /** Another table; undefined when the field is absent. */
  table(field: number): FlatTable | undefined {
    const target = this.target(field)
    return target === 0 ? undefined : new FlatTable(this.view, target)
  }

  /** A text; undefined when the field is absent. */
  text(field: number): string | undefined {
    const target = this.target(field)
    if (target === 0) return undefined
    const { buffer, byteLength, byteOffset } = this.view
    const length = this.view.getUint32(target, true)
    if (target + 4 + length > byteLength) return cutOff()
    if (length > maxTextBytes) {
      return refuseArrow(
        `A text in the message has ${length} bytes, above the limit of ${maxTextBytes}.`
      )
    }
    return decoder.decode(new Uint8Array(buffer, byteOffset + target + 4, length))
  }

  /** A vector of elements of this size; an absent one is empty. */
  vector(field: number, elementBytes: number): FlatVector {
    const target = this.target(field)
    if (target === 0) return noVector
    const length = this.view.getUint32(target, true)
    const start = target + 4
    return start + length * elementBytes > this.view.byteLength ? cutOff() : { start, length }
  }

  /** A table of a vector of tables. */
  element({ start }: FlatVector, index: number): FlatTable {
    const place = start + index * 4
    return new FlatTable(this.view, place + this.view.getUint32(place, true))
  }

  /** One of the two 64-bit counts of an element in a vector of such pairs. */
  pairCount({ start }: FlatVector, index: number, part: 0 | 1): number {
    return countAt(this.view, start + index * 16 + part * 8)
  }
}
