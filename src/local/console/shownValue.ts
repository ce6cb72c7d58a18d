/**
 * Values as display text: truncated, with control characters and direction marks escaped. Markup is
 * not escaped, because the page sets text content only.
 */
import type { ColumnType } from "../../internal/columns/columnType.ts"

/**
 * Control characters, direction marks, line separators, invisible characters and lone surrogates.
 */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu

/** At most `limit` characters of a text, with invisible characters escaped. */
export const shownText = (text: string, limit: number): string => {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text
  return cut.replace(unseen, (unit) => {
    if (unit === "\n") return "\\n"
    if (unit === "\t") return "\\t"
    return `\\u{${unit.codePointAt(0)!.toString(16)}}`
  })
}

/**
 * A value of a column, in the form that the store returns, as text of at most `limit` characters;
 * null for NULL.
 */
export const shownValue = (type: ColumnType, value: unknown, limit: number): string | null => {
  if (value === null || value === undefined) return null
  const writer = new Writer(limit)
  writer.write(type, value, true)
  return shownText(writer.text, limit)
}

/** Builds the text of one value, and stops at the limit, because a cell may hold megabytes. */
class Writer {
  text = ""
  private readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  private get isFull(): boolean {
    return this.text.length > this.limit
  }

  write(type: ColumnType, value: unknown, isTop: boolean): void {
    if (this.isFull) return
    if (value === null || value === undefined) return this.add("null")
    switch (type._tag) {
      case "Struct": {
        const fields = value as Readonly<Record<string, unknown>>
        return this.list("{", "}", type.fields, (field) => {
          this.add(`${field.name}: `)
          this.write(field.type, fields[field.name], false)
        })
      }
      case "Array":
        return this.list("[", "]", value as ReadonlyArray<unknown>, (item) =>
          this.write(type.element, item, false)
        )
      case "Map":
        return this.list("{", "}", value as ReadonlyMap<unknown, unknown>, ([key, item]) => {
          this.write(type.key, key, false)
          this.add(": ")
          this.write(type.value, item, false)
        })
      // The store returns it as JSON text.
      case "Variant":
        return this.add((value as string).slice(0, this.limit + 1))
      case "Binary":
        return this.add(
          `0x${Buffer.from((value as Uint8Array).subarray(0, this.limit)).toString("hex")}`
        )
      case "Date":
        return this.add(dateText(Number(value)))
      case "Timestamp":
        return this.add(`${timeText(value as bigint)}Z`)
      case "TimestampNtz":
        return this.add(timeText(value as bigint))
      case "Boolean":
      case "TinyInt":
      case "SmallInt":
      case "Int":
      case "BigInt":
      case "Float":
      case "Double":
      case "Decimal":
      case "String":
        return this.scalar(value, isTop)
    }
  }

  private scalar(value: unknown, isTop: boolean): void {
    if (typeof value !== "string") return this.add(Object.is(value, -0) ? "-0" : String(value))
    const start = value.slice(0, this.limit + 1)
    this.add(isTop ? start : JSON.stringify(start))
  }

  private list<A>(open: string, close: string, items: Iterable<A>, item: (one: A) => void): void {
    this.add(open)
    let first = true
    for (const one of items) {
      if (this.isFull) return
      if (!first) this.add(", ")
      first = false
      item(one)
    }
    this.add(close)
  }

  private add(text: string): void {
    this.text += text
  }
}

const dateText = (days: number): string => isoOf(days * 86_400_000)?.slice(0, -14) ?? `day ${days}`

const timeText = (micros: bigint): string => {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const iso = isoOf(Number((micros - fraction) / 1000n))
  if (iso === undefined) return `${micros} µs`
  const digits =
    fraction === 0n ? "" : `.${fraction.toString().padStart(6, "0").replace(/0+$/, "")}`
  return `${iso.slice(0, -5).replace("T", " ")}${digits}`
}

/** The ISO text of a time; undefined outside the range of `Date`. */
const isoOf = (millis: number): string | undefined => {
  const date = new Date(millis)
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}
