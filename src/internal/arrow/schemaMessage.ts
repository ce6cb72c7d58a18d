/**
 * Writes the schema message of an IPC stream, with its prefix, for the types that columns have.
 * Readers follow offsets forwards, so tables are written before what they refer to.
 */
import type { ArrowField, ArrowType } from "./arrowSchema.ts"

const METADATA_V5 = 4
const SCHEMA = 1

/** A slot of a flatbuffer table: a number of some bytes, or an offset to what is written later. */
type Slot =
  | { readonly bytes: 1 | 2 | 4; readonly value: number }
  | { readonly bytes: 4; readonly write: () => number }
  | undefined

class FlatWriter {
  private buffer = Buffer.alloc(1024)
  position = 0

  get bytes(): Buffer {
    return this.buffer.subarray(0, this.position)
  }

  /** Takes bytes at a multiple of `alignment`; they are zero. */
  take(bytes: number, alignment: number): number {
    const at = Math.ceil(this.position / alignment) * alignment
    this.position = at + bytes
    if (this.position > this.buffer.length) {
      this.buffer = Buffer.concat([this.buffer], Math.max(this.position, this.buffer.length * 2))
    }
    return at
  }

  /** Points the offset at `at` to `to`, which lies behind it. */
  point(at: number, to: number): void {
    this.buffer.writeUInt32LE(to - at, at)
  }

  text(text: string): number {
    const bytes = Buffer.from(text, "utf8")
    const at = this.take(4 + bytes.length + 1, 4)
    this.buffer.writeUInt32LE(bytes.length, at)
    bytes.copy(this.buffer, at + 4)
    return at
  }

  /** A vector of what these functions write. */
  vector(writes: ReadonlyArray<() => number>): number {
    const at = this.take(4 + writes.length * 4, 4)
    this.buffer.writeUInt32LE(writes.length, at)
    writes.forEach((write, index) => this.point(at + 4 + index * 4, write()))
    return at
  }

  table(slots: ReadonlyArray<Slot>): number {
    const vtable = this.take(4 + slots.length * 2, 4)
    const places: Array<number> = []
    let size = 4
    for (const slot of slots) {
      if (slot === undefined) {
        places.push(0)
        continue
      }
      size = Math.ceil(size / slot.bytes) * slot.bytes
      places.push(size)
      size += slot.bytes
    }
    const at = this.take(size, 4)
    this.buffer.writeUInt16LE(4 + slots.length * 2, vtable)
    this.buffer.writeUInt16LE(size, vtable + 2)
    places.forEach((place, index) => this.buffer.writeUInt16LE(place, vtable + 4 + index * 2))
    this.buffer.writeInt32LE(at - vtable, at)
    slots.forEach((slot, index) => {
      if (slot === undefined) return
      const place = at + places[index]!
      if ("write" in slot) this.point(place, slot.write())
      else this.buffer.writeUIntLE(slot.value, place, slot.bytes)
    })
    return at
  }
}

const number = (bytes: 1 | 2 | 4, value: number): Slot => ({ bytes, value })
const flag = (value: boolean): Slot => number(1, value ? 1 : 0)
const later = (write: () => number): Slot => ({ bytes: 4, write })

const floatPrecisions: Readonly<Record<number, number>> = { 16: 0, 32: 1, 64: 2 }
const timeUnits: Readonly<Record<string, number>> = { s: 0, ms: 1, µs: 2, ns: 3 }

/** The number of a type in Arrow's format, and the slots of its table. */
const typeParts = (
  out: FlatWriter,
  type: ArrowType
): readonly [number: number, slots: ReadonlyArray<Slot>] => {
  switch (type._tag) {
    case "Int":
      return [2, [number(4, type.bits), flag(type.signed)]]
    case "Float":
      return [3, [number(2, floatPrecisions[type.bits]!)]]
    case "Binary":
      return [type.large ? 19 : 4, []]
    case "Utf8":
      return [type.large ? 20 : 5, []]
    case "Bool":
      return [6, []]
    case "Date":
      return [8, [number(2, type.unit === "day" ? 0 : 1)]]
    case "Timestamp": {
      const { zone } = type
      const unit = number(2, timeUnits[type.unit]!)
      return [10, [unit, zone === undefined ? undefined : later(() => out.text(zone))]]
    }
    case "List":
      return [type.large ? 21 : 12, []]
    case "Struct":
      return [13, []]
    case "Map":
      return [17, [flag(type.sorted)]]
    case "Null":
    case "Decimal":
    case "Other":
      throw new Error(`No column has the type ${type._tag}.`)
  }
}

const writeField = (out: FlatWriter, { children, name, nullable, type }: ArrowField): number => {
  const [kind, slots] = typeParts(out, type)
  return out.table([
    later(() => out.text(name)),
    flag(nullable),
    number(1, kind),
    later(() => out.table(slots)),
    undefined,
    later(() => writeFields(out, children))
  ])
}

const writeFields = (out: FlatWriter, fields: ReadonlyArray<ArrowField>): number =>
  out.vector(fields.map((field) => () => writeField(out, field)))

/** The schema message of these fields. */
export const schemaMessage = (fields: ReadonlyArray<ArrowField>): Uint8Array => {
  const out = new FlatWriter()
  const root = out.take(4, 4)
  const schema = () => out.table([undefined, later(() => writeFields(out, fields))])
  out.point(root, out.table([number(2, METADATA_V5), number(1, SCHEMA), later(schema)]))
  out.take(0, 8)
  const prefix = Buffer.alloc(8)
  prefix.writeInt32LE(-1)
  prefix.writeInt32LE(out.bytes.length, 4)
  return Uint8Array.from(Buffer.concat([prefix, out.bytes]))
}
