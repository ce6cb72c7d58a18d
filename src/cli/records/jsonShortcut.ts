/**
 * Fast path from the bytes of a JSON record to the wire form. One pass checks each value against
 * its column, copies unchanged bytes, and replaces dates, times, decimals and long integers with
 * their wire form. Numbers are not parsed, so they keep their digits.
 *
 * It handles common values and returns `false` for everything else, including invalid values. The
 * exact check then reads the record again and decides (`recordCheck.ts`).
 */
import type { ColumnDefinition, ColumnType } from "../../internal/columns/columnType.ts"
import { numberRange } from "../../internal/columns/scalarTypes.ts"
import { JsonScan } from "./jsonScan.ts"
import { NameMatch } from "./nameMatch.ts"
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
  type Output
} from "./plainBytes.ts"
import type { ValueForms } from "./valueForms.ts"
import { NamesOfObjects, takeVariant } from "./variantShortcut.ts"

const quote = 0x22
const comma = 0x2c
const colon = 0x3a

/** Reads a value and copies or replaces it. Returns false when the exact check has to decide. */
type Take = (scan: JsonScan) => boolean

/** Most names that are cached with their fields. */
const mostAlike = 1000

/** The fields of an object by name. */
class ObjectShortcut {
  /** Quoted names as bytes. None contains a character that JSON escapes. */
  private readonly names: ReadonlyArray<Uint8Array>
  private readonly places: ReadonlyMap<string, number>
  private readonly match: NameMatch
  /** Fields by names that match only approximately; -1 for names without a field. */
  private readonly alike = new Map<string, number>()
  private readonly takes: ReadonlyArray<Take>
  private readonly required: Uint8Array
  private readonly requiredCount: number
  /** The object in which each field was last seen, to find duplicates. */
  private readonly seen: Float64Array
  private objects = 0

  constructor(fields: ReadonlyArray<ColumnDefinition>, forms: ValueForms) {
    this.names = fields.map(({ name }) => Buffer.from(JSON.stringify(name)))
    this.places = new Map(
      this.names.map((name, index) => [Buffer.from(name).toString("latin1"), index])
    )
    this.match = new NameMatch(fields.map(({ name }) => name))
    this.takes = fields.map(({ nullable, type }) => nullableTake(type, nullable, forms))
    this.required = Uint8Array.from(fields, ({ nullable }) => (nullable ? 0 : 1))
    this.requiredCount = fields.filter(({ nullable }) => !nullable).length
    this.seen = new Float64Array(fields.length)
  }

  take(scan: JsonScan): boolean {
    const { bytes } = scan
    if (bytes[scan.at] !== 0x7b) return false
    scan.at++
    const object = ++this.objects
    let expected = 0
    let required = 0
    if (scan.passSpace() === 0x7d) {
      scan.at++
      return this.requiredCount === 0
    }
    for (;;) {
      const index = this.passName(scan, expected)
      if (index < 0 || this.seen[index] === object) return false
      this.seen[index] = object
      required += this.required[index]!
      if (scan.passSpace() !== colon) return false
      scan.at++
      scan.passSpace()
      if (!this.takes[index]!(scan)) return false
      const code = scan.passSpace()
      scan.at++
      if (code === 0x7d) return required === this.requiredCount
      if (code !== comma) return false
      scan.passSpace()
      expected = index + 1
    }
  }

  /**
   * Reads past a name and returns its field, usually the one after the last. Returns -1 when there
   * is none.
   */
  private passName(scan: JsonScan, expected: number): number {
    const { bytes } = scan
    const name = this.names[expected]
    if (name !== undefined) {
      let n = 0
      while (n < name.length && bytes[scan.at + n] === name[n]) n++
      if (n === name.length) {
        scan.at += n
        return expected
      }
    }
    const start = scan.at
    if (!scan.passPlainText()) return -1
    const written = bytes.toString("latin1", start, scan.at)
    return this.places.get(written) ?? this.passAlike(scan, start, written)
  }

  /**
   * Replaces an approximately matching name with the field's own name. Returns -1 when no field
   * matches.
   */
  private passAlike(scan: JsonScan, start: number, written: string): number {
    const { alike, match, names } = this
    let index = alike.get(written)
    if (index === undefined) {
      const found = match.alike(scan.bytes.toString("utf8", start + 1, scan.at - 1))
      index = typeof found === "number" ? found : -1
      if (alike.size < mostAlike) alike.set(written, index)
    }
    const name = names[index]
    // The output has room for twice the input bytes.
    if (name === undefined || name.length > 2 * (scan.at - start)) return -1
    scan.copyUntil(start, scan.at)
    copyBytes(name, 0, name.length, scan.output)
    return index
  }
}

const nullableTake = (type: ColumnType, nullable: boolean, forms: ValueForms): Take => {
  const take = takeOf(type, forms)
  const plain: Take = (scan) =>
    scan.bytes[scan.at] === 0x6e ? nullable && scan.passWord("null") : take(scan)
  const words = (forms.nullWords ?? []).map((word) => Buffer.from(word))
  if (words.length === 0) return plain
  return (scan) => {
    const start = scan.at
    if (!plain(scan)) return false
    return scan.bytes[start] !== quote || !mayBeWord(scan, start + 1, words)
  }
}

/** Whether the string that ends here may be one of the words. A string with escapes may be. */
const mayBeWord = (
  { at, bytes }: JsonScan,
  start: number,
  words: ReadonlyArray<Buffer>
): boolean => {
  const text = bytes.subarray(start, at - 1)
  return text.includes(0x5c) || words.some((word) => word.equals(text))
}

const takeOf = (type: ColumnType, forms: ValueForms): Take => {
  switch (type._tag) {
    case "Boolean":
      return (scan) =>
        scan.bytes[scan.at] === 0x74 ? scan.passWord("true") : scan.passWord("false")
    case "TinyInt":
    case "SmallInt":
    case "Int":
      return integerTake(...numberRange(type._tag))
    case "BigInt":
      return (scan) => {
        const start = scan.at
        if (!scan.passNumber(false)) return false
        if (!Number.isNaN(integerAt(scan.bytes, start, scan.at))) return true
        if (isLongInteger(scan.bytes, start, scan.at)) return scan.putInQuotes(start)
        return passPointZero(scan, start, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
      }
    case "Float":
      return (scan) => scan.passNumber(true)
    case "Double":
      return (scan) => scan.passNumber(false)
    case "Decimal": {
      const { precision, scale } = type
      return (scan) => {
        const start = scan.at
        if (scan.bytes[start] !== quote) {
          return (
            scan.passNumber(false) &&
            isDecimal(scan.bytes, start, scan.at, precision, scale) &&
            scan.putInQuotes(start)
          )
        }
        return (
          scan.passPlainText() && isDecimal(scan.bytes, start + 1, scan.at - 1, precision, scale)
        )
      }
    }
    case "String":
      return (scan) => scan.passText()
    case "Binary":
      return (scan) => {
        const start = scan.at
        return scan.passPlainText() && isPaddedBase64(scan.bytes, start + 1, scan.at - 1)
      }
    case "Date": {
      const days = integerTake(...numberRange(type._tag))
      return (scan) => {
        const start = scan.at
        if (scan.bytes[start] !== quote) return days(scan)
        if (forms.dateFormat !== undefined || !scan.passPlainText()) return false
        const value = daysAt(scan.bytes, start + 1, scan.at - 1)
        return !Number.isNaN(value) && scan.replaceByInteger(start, value)
      }
    }
    case "Timestamp":
    case "TimestampNtz": {
      const zoned = type._tag === "Timestamp"
      const micros = (forms.timestampUnit ?? "us") === "us"
      return (scan) => {
        const start = scan.at
        if (scan.bytes[start] !== quote) {
          return micros && scan.passNumber(false) && isMicros(scan.bytes, start, scan.at)
        }
        if (forms.timestampFormat !== undefined || !scan.passPlainText()) return false
        const value = microsAt(scan.bytes, start + 1, scan.at - 1, zoned)
        return !Number.isNaN(value) && scan.replaceByInteger(start, value)
      }
    }
    case "Struct": {
      const fields = new ObjectShortcut(type.fields, forms)
      return (scan) => fields.take(scan)
    }
    case "Array": {
      const element = nullableTake(type.element, type.containsNull, forms)
      return (scan) => takeElements(scan, element)
    }
    case "Variant":
      return takeVariant
    case "Map": {
      if (type.key._tag !== "String") return () => false
      const value = nullableTake(type.value, type.valueContainsNull, forms)
      const names = new NamesOfObjects()
      return (scan) => takeEntries(scan, names, value)
    }
  }
}

const integerTake =
  (min: number, max: number): Take =>
  (scan) => {
    const start = scan.at
    if (!scan.passNumber(false)) return false
    const value = integerAt(scan.bytes, start, scan.at)
    if (Number.isNaN(value)) return passPointZero(scan, start, min, max)
    return value >= min && value <= max
  }

/** Omits the `.0` after the integer that starts at `start`. */
const passPointZero = (scan: JsonScan, start: number, min: number, max: number): boolean => {
  const end = endOfPointZero(scan.bytes, scan.at)
  const value = integerAt(scan.bytes, start, end)
  if (!(value >= min && value <= max)) return false
  scan.copyUntil(end, scan.at)
  return true
}

const takeEntries = (scan: JsonScan, names: NamesOfObjects, value: Take): boolean => {
  if (scan.bytes[scan.at] !== 0x7b) return false
  scan.at++
  names.clear()
  if (scan.passSpace() === 0x7d) {
    scan.at++
    return true
  }
  for (;;) {
    if (!names.passName(scan) || scan.passSpace() !== colon) return false
    scan.at++
    scan.passSpace()
    if (!value(scan)) return false
    const code = scan.passSpace()
    scan.at++
    if (code === 0x7d) return true
    if (code !== comma) return false
    scan.passSpace()
  }
}

const takeElements = (scan: JsonScan, element: Take): boolean => {
  if (scan.bytes[scan.at] !== 0x5b) return false
  scan.at++
  if (scan.passSpace() === 0x5d) {
    scan.at++
    return true
  }
  for (;;) {
    if (!element(scan)) return false
    const code = scan.passSpace()
    scan.at++
    if (code === 0x5d) return true
    if (code !== comma) return false
    scan.passSpace()
  }
}

/** The fast path for records of a table. */
export class JsonShortcut {
  private readonly scan: JsonScan
  private readonly record: ObjectShortcut

  constructor(columns: ReadonlyArray<ColumnDefinition>, output: Output, forms: ValueForms = {}) {
    this.scan = new JsonScan(output)
    this.record = new ObjectShortcut(columns, forms)
  }

  /**
   * Writes the record from `start` to `end` to the output. The record must be valid UTF-8, followed
   * by the end of the bytes, a line end or whitespace. The output must have room for twice its
   * bytes plus 16. Returns false when the exact check has to decide; the output is then undefined.
   */
  take(bytes: Buffer, start: number, end: number): boolean {
    const { scan } = this
    scan.bytes = bytes
    scan.at = scan.copied = start
    scan.end = end
    if (!this.record.take(scan) || scan.at !== end) return false
    scan.copyUntil(end, end)
    return true
  }
}
