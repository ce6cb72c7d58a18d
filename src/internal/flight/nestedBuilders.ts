/**
 * Builds nested columns of a batch from protobuf messages, and the columns of a table from its
 * records. The bytes are those that the client's own encoder wrote.
 */
import type { ColumnDefinition, ColumnType, SimpleType } from "../columns/columnType.ts"
import { isSimple } from "../columns/scalarTypes.ts"
import { low, readLength, readVarint } from "../protobuf/wire.ts"
import {
  BooleanBuilder,
  BytesBuilder,
  ColumnBuilder,
  FixedBuilder,
  type fixedKinds,
  type FlatColumns,
  GrowingBuffer
} from "./columnBuilders.ts"

/** A column and the number of its field. */
interface FieldBuilder {
  readonly number: number
  readonly column: ColumnBuilder
  /** The message in which it was seen last. */
  seen: number
}

const LENGTH_DELIMITED = 2

/** Field numbers up to this one are looked up in an array. */
const DENSE = 128

/** The columns that a message has a field for each. */
export class MessageBuilder {
  private readonly fields: ReadonlyArray<FieldBuilder>
  private readonly byNumber = new Map<number, FieldBuilder>()
  private readonly dense: Array<FieldBuilder | undefined>
  /** What an absent field stands for. */
  private readonly absent: (column: ColumnBuilder) => void
  private messages = 0

  constructor(
    columns: ReadonlyArray<readonly [number: number, column: ColumnBuilder]>,
    absent: (column: ColumnBuilder) => void = (column) => column.appendNull()
  ) {
    this.fields = columns.map(([number, column]) => ({ number, column, seen: 0 }))
    for (const field of this.fields) this.byNumber.set(field.number, field)
    this.dense = Array.from({ length: DENSE }, (_, number) => this.byNumber.get(number))
    this.absent = absent
  }

  /** Appends the message in `[start, end)` to each column. */
  append(source: Buffer, start: number, end: number): void {
    const message = ++this.messages
    for (let at = start; at < end;) {
      at = readVarint(source, at, end)
      const key = low >>> 0
      const number = key >>> 3
      const field = number < DENSE ? this.dense[number] : this.byNumber.get(number)
      if (field === undefined) throw new Error("A record has a field that its table does not have.")
      field.seen = message
      at = appendField(field.column, source, at, end, key & 7)
    }
    for (const field of this.fields) {
      if (field.column instanceof CollectionBuilder) field.column.endMessage()
      else if (field.seen !== message) this.absent(field.column)
    }
  }

  /** Appends null to each column. */
  appendNull(): void {
    for (const { column } of this.fields) {
      if (column instanceof CollectionBuilder) column.endMessage()
      else column.appendNull()
    }
  }

  get bytes(): number {
    let bytes = 0
    for (const { column } of this.fields) bytes += column.bytes
    return bytes
  }

  flatten(flat: FlatColumns): void {
    for (const { column } of this.fields) column.flatten(flat)
  }

  clear(): void {
    for (const { column } of this.fields) column.clear()
  }
}

/** Appends one value, or the values of a packed field. */
const appendField = (
  column: ColumnBuilder,
  source: Buffer,
  at: number,
  end: number,
  wire: number
): number => {
  if (wire === column.wire) return column.append(source, at, end)
  if (wire !== LENGTH_DELIMITED) throw new Error("A record has a field of another type.")
  const start = readLength(source, at, end)
  const stop = start + low
  for (let next = start; next < stop;) next = column.append(source, next, stop)
  return stop
}

/** A struct. */
class StructBuilder extends ColumnBuilder {
  readonly wire = LENGTH_DELIMITED
  private readonly message: MessageBuilder

  constructor(nullable: boolean, message: MessageBuilder) {
    super(nullable)
    this.message = message
  }

  append(source: Buffer, at: number, end: number): number {
    const start = readLength(source, at, end)
    const stop = start + low
    this.validity.valid(this.length++)
    this.message.append(source, start, stop)
    return stop
  }

  get bytes(): number {
    return this.message.bytes
  }

  override clear(): void {
    super.clear()
    this.message.clear()
  }

  protected appendZero(): void {
    this.length++
    this.message.appendNull()
  }

  protected flattenValues(flat: FlatColumns): void {
    this.message.flatten(flat)
  }
}

/** An array or a map: its items are the occurrences of its field in a message. */
class CollectionBuilder extends ColumnBuilder {
  readonly wire: number
  private readonly items: ColumnBuilder
  private readonly offsets = new GrowingBuffer()

  constructor(items: ColumnBuilder) {
    super(false)
    this.items = items
    this.wire = items.wire
  }

  append(source: Buffer, at: number, end: number): number {
    return this.items.append(source, at, end)
  }

  override endMessage(): void {
    const to = ++this.length * 4
    this.offsets.reserve(to + 4, to)
    this.offsets.bytes.writeInt32LE(this.items.length, to)
  }

  get bytes(): number {
    return (this.length + 1) * 4 + this.items.bytes
  }

  override clear(): void {
    super.clear()
    this.items.clear()
  }

  protected appendZero(): void {
    this.endMessage()
  }

  protected flattenValues(flat: FlatColumns): void {
    this.offsets.reserve(4, 0)
    this.offsets.bytes.writeInt32LE(0, 0)
    flat.buffers.push(this.offsets.bytes.subarray(0, (this.length + 1) * 4))
    this.items.flatten(flat)
  }
}

/** The columns of a table whose field numbers follow its positions. */
export const tableBuilder = (columns: ReadonlyArray<ColumnDefinition>): MessageBuilder =>
  new MessageBuilder(
    columns.map((column, index) => [(column.position ?? index) + 1, builderOf(column)])
  )

const builderOf = ({ nullable, type }: ColumnDefinition): ColumnBuilder => ofType(type, nullable)

const ofType = (type: ColumnType, nullable: boolean): ColumnBuilder => {
  if (isSimple(type)) return ofSimple(type, nullable)
  switch (type._tag) {
    case "Struct":
      return new StructBuilder(
        nullable,
        new MessageBuilder(type.fields.map((field, index) => [index + 1, builderOf(field)]))
      )
    case "Array":
      return new CollectionBuilder(ofType(type.element, true))
    case "Map": {
      const parts: ReadonlyArray<readonly [number, ColumnBuilder]> = [
        [1, ofType(type.key, false)],
        [2, ofType(type.value, true)]
      ]
      const entry = new MessageBuilder(parts, (column) => column.appendDefault())
      return new CollectionBuilder(new StructBuilder(false, entry))
    }
  }
}

const ofSimple = (type: SimpleType, nullable: boolean): ColumnBuilder => {
  const fixed = (kind: keyof typeof fixedKinds) => new FixedBuilder(nullable, kind)
  switch (type._tag) {
    case "Boolean":
      return new BooleanBuilder(nullable)
    case "TinyInt":
      return fixed("int8")
    case "SmallInt":
      return fixed("int16")
    case "Int":
    case "Date":
      return fixed("int32")
    case "BigInt":
    case "Timestamp":
    case "TimestampNtz":
      return fixed("int64")
    case "Float":
      return fixed("float")
    case "Double":
      return fixed("double")
    case "String":
    case "Decimal":
    case "Binary":
      return new BytesBuilder(nullable)
    case "Variant":
      throw new Error("A table with VARIANT columns does not travel as columns.")
  }
}
