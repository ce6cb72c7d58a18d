/**
 * Random tables from a seed. The same seed gives the same table, so that a failing case can be run
 * again.
 */
import type {
  ColumnDefinition,
  ColumnType,
  TableDefinition
} from "../../src/internal/columns/columnType.ts"

/** A small seeded generator of numbers in [0, 1). */
export const seeded = (seed: number): (() => number) => {
  let state = (seed * 0x9e3779b1 + 0x85ebca6b) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

const scalars = [
  "Boolean",
  "TinyInt",
  "SmallInt",
  "Int",
  "BigInt",
  "Float",
  "Double",
  "String",
  "Binary",
  "Date",
  "Timestamp",
  "TimestampNtz",
  "Variant"
] as const
const keys = [
  "Boolean",
  "TinyInt",
  "SmallInt",
  "Int",
  "BigInt",
  "String",
  "Date",
  "Timestamp",
  "TimestampNtz"
] as const
const words = [
  "id",
  "name",
  "message",
  "to",
  "max",
  "string",
  "a_b",
  "Place",
  "place",
  "int32",
  "x1",
  "_u",
  "t_9z",
  "Value",
  "tags",
  "option"
]

/** Picks one item. */
export const pick = <A>(random: () => number, items: ReadonlyArray<A>): A => {
  const item = items[Math.floor(random() * items.length)]
  if (item === undefined) throw new Error("nothing to pick from")
  return item
}

const scalar = (random: () => number): ColumnType => {
  if (random() < 0.1) {
    const precision = 1 + Math.floor(random() * 38)
    return { _tag: "Decimal", precision, scale: Math.floor(random() * (precision + 1)) }
  }
  return { _tag: pick(random, scalars) }
}

const type = (random: () => number, depth: number): ColumnType => {
  const roll = random()
  if (depth <= 0 || roll < 0.6) return scalar(random)
  const inner = (): ColumnType => (random() < 0.5 ? scalar(random) : struct(random, depth - 1))
  if (roll < 0.75) return { _tag: "Array", element: inner(), containsNull: false }
  if (roll < 0.87)
    return {
      _tag: "Map",
      key: { _tag: pick(random, keys) },
      value: inner(),
      valueContainsNull: false
    }
  return struct(random, depth - 1)
}

const struct = (random: () => number, depth: number): ColumnType => ({
  _tag: "Struct",
  fields: columns(random, depth, 1 + Math.floor(random() * 4))
})

const columns = (
  random: () => number,
  depth: number,
  count: number
): ReadonlyArray<ColumnDefinition> =>
  Array.from({ length: count }, (_, n) => {
    const columnType = type(random, depth)
    const collection = columnType._tag === "Array" || columnType._tag === "Map"
    return {
      name: `${pick(random, words)}${n === 0 ? "" : `_${n}`}`,
      type: columnType,
      nullable: collection || random() < 0.6
    }
  })

/**
 * The table of a seed: 1 to 12 columns, structs, arrays and maps up to four levels deep, and names
 * that are protobuf keywords.
 */
export const randomTable = (seed: number): TableDefinition => {
  const random = seeded(seed)
  return { name: `main.gen.t_${seed}`, columns: columns(random, 4, 1 + Math.floor(random() * 12)) }
}

/**
 * The table in a form that the store accepts: fields of a STRUCT below an ARRAY or a MAP are
 * nullable.
 */
export const storable = (definition: TableDefinition): TableDefinition => {
  const below = (from: ColumnType, inside: boolean): ColumnType => {
    switch (from._tag) {
      case "Array":
        return { ...from, element: below(from.element, true) }
      case "Map":
        return { ...from, value: below(from.value, true) }
      case "Struct":
        return { ...from, fields: fields(from.fields, inside) }
      default:
        return from
    }
  }
  const fields = (
    from: ReadonlyArray<ColumnDefinition>,
    inside: boolean
  ): ReadonlyArray<ColumnDefinition> =>
    from.map((field) => ({
      ...field,
      nullable: inside || field.nullable,
      type: below(field.type, inside)
    }))
  return { ...definition, columns: fields(definition.columns, false) }
}
