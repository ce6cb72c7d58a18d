/**
 * Random records for random tables, each with the expected output of an independent protobuf
 * decoder.
 */
import { BigDecimal, DateTime } from "effect"
import type { ColumnDefinition, ColumnType } from "../../src/internal/columns/columnType.ts"
import { pick } from "./randomTables.ts"

/**
 * A value and its wire form: 64-bit integers as decimal text, bytes as base64, maps as entries of
 * strings.
 */
export interface Sample {
  readonly value: unknown
  readonly wire: unknown
}

const texts = [
  "",
  "a",
  "device-17",
  "grüße",
  "日本語テキスト",
  "😀 emoji",
  "x".repeat(200),
  "\u0000",
  "ü".repeat(60),
  "y".repeat(128),
  "é".repeat(12)
]

const int = (random: () => number, min: number, max: number): number => {
  const roll = random()
  return roll < 0.1
    ? min
    : roll < 0.2
      ? max
      : roll < 0.3
        ? 0
        : Math.floor(min + random() * (max - min + 1))
}

const int64 = (random: () => number): bigint => {
  const bits = 1 + Math.floor(random() * 64)
  const raw =
    (BigInt(Math.floor(random() * 4_294_967_296)) << 32n) |
    BigInt(Math.floor(random() * 4_294_967_296))
  return BigInt.asIntN(bits, raw)
}

/** A value of a column type. */
export const sampleOf = (random: () => number, type: ColumnType): Sample => {
  switch (type._tag) {
    case "Boolean":
      return same(random() < 0.5)
    case "TinyInt":
      return same(int(random, -128, 127))
    case "SmallInt":
      return same(int(random, -32_768, 32_767))
    case "Int":
      return same(int(random, -2_147_483_648, 2_147_483_647))
    case "BigInt": {
      const value = int64(random)
      return { value, wire: value.toString() }
    }
    case "Float":
      return same(
        pick(random, [
          0,
          -1.5,
          Math.fround(random() * 1e10),
          Infinity,
          -Infinity,
          Math.fround(1e-40)
        ])
      )
    case "Double":
      return same(pick(random, [0, -1.5, random(), 1e308, Number.MIN_VALUE, Infinity]))
    case "String":
      return same(pick(random, texts))
    case "Binary": {
      const value = Uint8Array.from({ length: Math.floor(random() * 300) }, () =>
        Math.floor(random() * 256)
      )
      return { value, wire: Buffer.from(value).toString("base64") }
    }
    case "Date": {
      const days = int(random, -719_162, 2_932_896)
      return { value: DateTime.makeUnsafe(days * 86_400_000), wire: days }
    }
    case "Timestamp":
    case "TimestampNtz": {
      const millis = int(random, -62_135_596_800_000, 253_402_300_799_999)
      return { value: DateTime.makeUnsafe(millis), wire: (BigInt(millis) * 1000n).toString() }
    }
    case "Variant": {
      const value = pick<unknown>(random, [
        null,
        true,
        1.5,
        "text",
        [1, "a", null],
        { "a": { b: [1] }, "k y": "ü" }
      ])
      return { value, wire: JSON.stringify(value) }
    }
    case "Decimal": {
      const digits = BigInt("9".repeat(type.precision))
      const raw = pick(random, [
        digits,
        -digits,
        0n,
        1n,
        -1n,
        (digits * BigInt(Math.floor(random() * 1e9))) / 1_000_000_000n
      ])
      return {
        value: BigDecimal.normalize(BigDecimal.make(raw, type.scale)),
        wire: plainDecimal(raw, type.scale)
      }
    }
    case "Array": {
      const items = Array.from({ length: Math.floor(random() * 4) }, () =>
        sampleOf(random, type.element)
      )
      return { value: items.map((item) => item.value), wire: items.map((item) => item.wire) }
    }
    case "Map": {
      const entries = new Map<string, { readonly key: Sample; readonly item: Sample }>()
      for (let n = Math.floor(random() * 4); n > 0; n--) {
        const key = sampleOf(random, type.key)
        entries.set(String(key.wire), { key, item: sampleOf(random, type.value) })
      }
      return {
        value: new Map([...entries.values()].map(({ key, item }) => [key.value, item.value])),
        wire: Object.fromEntries([...entries].map(([name, { item }]) => [name, item.wire]))
      }
    }
    case "Struct":
      return sampleRecord(random, type.fields)
  }
}

const same = (value: unknown): Sample => ({ value, wire: value })

const plainDecimal = (raw: bigint, scale: number): string => {
  const digits = (raw < 0n ? -raw : raw).toString().padStart(scale + 1, "0")
  const text =
    scale === 0
      ? digits
      : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`.replace(/\.?0+$/, "")
  return raw < 0n ? `-${text}` : text
}

/** A record of columns. Nullable ones are sometimes null or absent. */
export const sampleRecord = (
  random: () => number,
  columns: ReadonlyArray<ColumnDefinition>
): Sample => {
  const value: Record<string, unknown> = {}
  const wire: Record<string, unknown> = {}
  for (const column of columns) {
    const collection = column.type._tag === "Array" || column.type._tag === "Map"
    if (column.nullable && random() < 0.2) {
      if (!collection && random() < 0.5) value[column.name] = null
      continue
    }
    const sample = sampleOf(random, column.type)
    value[column.name] = sample.value
    // In a nullable VARIANT, null is the SQL NULL, which is not written.
    if (column.nullable && sample.value === null) continue
    wire[column.name] = sample.wire
  }
  return { value, wire }
}
