/**
 * Fast path from the bytes of a CSV row to a JSON record: each field is checked against its column
 * and copied without creating strings. Numbers are not parsed, so they keep their digits.
 *
 * As in `jsonShortcut.ts`, unusual or invalid values are left to the exact check.
 */
import type { ColumnDefinition, ColumnType } from "../../internal/columns/columnType.ts"
import { numberRange } from "../../internal/columns/scalarTypes.ts"
import {
  copyBytes,
  daysAt,
  endOfPointZero,
  integerAt,
  isDecimal,
  isLongInteger,
  isMicros,
  isPaddedBase64,
  microsAt,
  numberEnd,
  type Output,
  writeInteger
} from "./plainBytes.ts"
import { emptyIsNull } from "./recordCheck.ts"
import type { ValueForms } from "./valueForms.ts"
import type { PlacedRow } from "./sourceRecord.ts"

const quote = 0x22
const backslash = 0x5c
const hex = Buffer.from("0123456789abcdef")

/**
 * Writes the JSON value of the field from `start` to `end`. Returns false when the exact check has
 * to decide. With `doubled`, two quotes in the field mean one.
 */
type Put = (bytes: Buffer, start: number, end: number, output: Output, doubled: boolean) => boolean

interface Cell {
  /** The column's name as in a record, with quotes and a colon. */
  readonly name: Uint8Array
  readonly put: Put
  readonly text: boolean
  readonly nullable: boolean
  readonly emptyIsNull: boolean
}

const copied = (bytes: Buffer, start: number, end: number, output: Output): true => {
  copyBytes(bytes, start, end, output)
  return true
}

const inQuotes = (bytes: Buffer, start: number, end: number, output: Output): true => {
  output.buffer[output.position++] = quote
  copyBytes(bytes, start, end, output)
  output.buffer[output.position++] = quote
  return true
}

const word = (text: string, output: Output): true => {
  for (let n = 0; n < text.length; n++) output.buffer[output.position++] = text.charCodeAt(n)
  return true
}

const isWord = (bytes: Buffer, start: number, end: number, text: string): boolean => {
  if (end - start !== text.length) return false
  for (let n = 0; n < text.length; n++)
    if ((bytes[start + n]! | 0x20) !== text.charCodeAt(n)) return false
  return true
}

/** Writes text as a JSON string. */
const putText: Put = (bytes, start, end, output, doubled) => {
  const { buffer } = output
  let position = output.position
  buffer[position++] = quote
  for (let at = start; at < end; at++) {
    const code = bytes[at]!
    if (code >= 0x20 && code !== quote && code !== backslash) {
      buffer[position++] = code
      continue
    }
    buffer[position++] = backslash
    if (code >= 0x20) {
      buffer[position++] = code
      if (doubled && code === quote) at++
      continue
    }
    // A control character becomes a `\u` escape.
    buffer[position++] = 0x75
    buffer[position++] = 0x30
    buffer[position++] = 0x30
    buffer[position++] = hex[code >> 4]!
    buffer[position++] = hex[code & 15]!
  }
  buffer[position++] = quote
  output.position = position
  return true
}

const putInteger =
  (min: number, max: number): Put =>
  (bytes, start, end, output) => {
    const until = endOfPointZero(bytes, end)
    const value = integerAt(bytes, start, until)
    return value >= min && value <= max && copied(bytes, start, until, output)
  }

const putNumber =
  (float: boolean): Put =>
  (bytes, start, end, output) =>
    numberEnd(bytes, start, float) === end && copied(bytes, start, end, output)

/** Reads a text in the user's format. */
const putTime =
  (read: (text: string) => bigint | number | undefined): Put =>
  (bytes, start, end, output, doubled) => {
    const value = doubled ? undefined : Number(read(bytes.toString("latin1", start, end)))
    if (value === undefined || !Number.isSafeInteger(value)) return false
    writeInteger(value, output)
    return true
  }

const putOf = (type: ColumnType, forms: ValueForms): Put | undefined => {
  switch (type._tag) {
    case "Boolean":
      return (bytes, start, end, output) => {
        if (isWord(bytes, start, end, "true")) return word("true", output)
        return isWord(bytes, start, end, "false") && word("false", output)
      }
    case "TinyInt":
    case "SmallInt":
    case "Int":
      return putInteger(...numberRange(type._tag))
    case "BigInt":
      return (bytes, start, end, output) => {
        const until = endOfPointZero(bytes, end)
        if (!Number.isNaN(integerAt(bytes, start, until)))
          return copied(bytes, start, until, output)
        return isLongInteger(bytes, start, end) && inQuotes(bytes, start, end, output)
      }
    case "Float":
      return putNumber(true)
    case "Double":
      return putNumber(false)
    case "Decimal": {
      const { precision, scale } = type
      return (bytes, start, end, output) =>
        isDecimal(bytes, start, end, precision, scale) && inQuotes(bytes, start, end, output)
    }
    case "String":
      return putText
    case "Binary":
      return (bytes, start, end, output) =>
        isPaddedBase64(bytes, start, end) && inQuotes(bytes, start, end, output)
    case "Date": {
      const { dateFormat } = forms
      if (dateFormat !== undefined) return putTime(dateFormat.days)
      const days = putInteger(...numberRange(type._tag))
      return (bytes, start, end, output) => {
        const value = daysAt(bytes, start, end)
        if (Number.isNaN(value)) return days(bytes, start, end, output, false)
        writeInteger(value, output)
        return true
      }
    }
    case "Timestamp":
    case "TimestampNtz": {
      const zoned = type._tag === "Timestamp"
      const { timestampFormat, timestampUnit = "us" } = forms
      if (timestampFormat !== undefined)
        return putTime((text) => timestampFormat.micros(text, zoned))
      return (bytes, start, end, output) => {
        const value = microsAt(bytes, start, end, zoned)
        if (Number.isNaN(value)) {
          return (
            timestampUnit === "us" &&
            isMicros(bytes, start, end) &&
            copied(bytes, start, end, output)
          )
        }
        writeInteger(value, output)
        return true
      }
    }
    case "Variant":
    case "Array":
    case "Map":
    case "Struct":
      return undefined
  }
}

/** The fast path for rows whose fields belong to these columns. */
export class CsvShortcut {
  /** Bytes that a record may need in addition to six times the size of its row. */
  readonly extra: number
  private readonly cells: ReadonlyArray<Cell | undefined>
  /** Whether every column has a fast path. */
  private readonly complete: boolean
  private readonly output: Output
  private readonly nullWords: ReadonlyArray<Buffer>

  constructor(
    targets: ReadonlyArray<ColumnDefinition | undefined>,
    output: Output,
    forms: ValueForms = {}
  ) {
    this.output = output
    this.nullWords = (forms.nullWords ?? []).map((word) => Buffer.from(word))
    this.cells = targets.map((column): Cell | undefined => {
      const put = column === undefined ? undefined : putOf(column.type, forms)
      return column === undefined || put === undefined
        ? undefined
        : {
            name: Buffer.from(`${JSON.stringify(column.name)}:`),
            put,
            text: column.type._tag === "String",
            nullable: column.nullable,
            emptyIsNull: emptyIsNull(column)
          }
    })
    this.complete = targets.every(
      (column, index) => column === undefined || this.cells[index] !== undefined
    )
    this.extra = this.cells.reduce(
      (sum, cell) => sum + (cell === undefined ? 0 : cell.name.length + 24),
      2
    )
  }

  /**
   * Writes the row as a record to the output, which must have enough room. Returns false when the
   * exact check has to decide; the output is then undefined.
   */
  take({ bounds, bytes, first }: PlacedRow): boolean {
    if (!this.complete) return false
    const { cells, nullWords, output } = this
    const { buffer } = output
    buffer[output.position] = 0x7b
    const begin = ++output.position
    for (let index = 0; index < cells.length; index++) {
      const cell = cells[index]
      if (cell === undefined) continue
      const bound = bounds[first + 2 * index]!
      const start = bound < 0 ? -1 - bound : bound
      const end = bounds[first + 2 * index + 1]!
      if (
        (start === end && cell.emptyIsNull) ||
        (nullWords.length > 0 && this.isNullWord(bytes, start, end))
      ) {
        if (!cell.nullable) return false
        continue
      }
      if (bound < 0 && !cell.text) return false
      if (output.position > begin) buffer[output.position++] = 0x2c
      copyBytes(cell.name, 0, cell.name.length, output)
      if (!cell.put(bytes, start, end, output, bound < 0)) return false
    }
    buffer[output.position++] = 0x7d
    return true
  }

  private isNullWord(bytes: Buffer, start: number, end: number): boolean {
    for (const word of this.nullWords) {
      if (word.length === end - start && bytes.compare(word, 0, word.length, start, end) === 0)
        return true
    }
    return false
  }
}
