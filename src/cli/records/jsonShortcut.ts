/**
 * The short way of a JSON record from the bytes of a file to those that travel: one pass that
 * checks each value against its column, copies what may stay and replaces dates, times, decimals
 * and long integers by the form that travels. Numbers are never read, so they keep their digits.
 *
 * It takes what most records are made of and answers `false` for all the rest, also for whatever is
 * wrong: the exact check then reads the record anew and decides (`recordCheck.ts`).
 */
import type { ColumnDefinition, ColumnType } from "../../internal/columns/columnType.ts"
import { numberRange } from "../../internal/columns/scalarTypes.ts"
import {
  copyBytes,
  daysAt,
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

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a

/**
 * Bytes that end a plain stretch of a text: its quote, an escape, and control characters, which no
 * text may hold.
 */
const endsStretch = new Uint8Array(256).fill(1, 0, 0x20)
endsStretch[quote] = endsStretch[backslash] = 1

/** Letters that stand behind a backslash by themselves. */
const escapes = new Uint8Array(256)
for (const letter of '"\\/bfnrt') escapes[letter.charCodeAt(0)] = 1

/** The record in work. */
class Scan {
  bytes: Buffer = Buffer.alloc(0)
  at = 0
  /** Up to where the record was copied. */
  copied = 0
  readonly output: Output

  constructor(output: Output) {
    this.output = output
  }

  passSpace(): number {
    let code = this.bytes[this.at]
    while (code === 0x20 || code === 0x09 || code === 0x0d || code === 0x0a) code = this.bytes[++this.at]
    return code ?? 0
  }

  /** Passes a text whose escapes, if any, need no look. */
  passText(): boolean {
    const { bytes } = this
    if (bytes[this.at] !== quote) return false
    let at = this.at + 1
    for (;;) {
      while (endsStretch[bytes[at]!] === 0) at++
      const code = bytes[at]
      if (code === quote) {
        this.at = at + 1
        return true
      }
      // An escaped code may be half of a surrogate pair.
      if (code !== backslash || escapes[bytes[at + 1]!] !== 1) return false
      at += 2
    }
  }

  /** Passes a text without escapes. */
  passPlainText(): boolean {
    const { bytes } = this
    if (bytes[this.at] !== quote) return false
    let at = this.at + 1
    while (endsStretch[bytes[at]!] === 0) at++
    if (bytes[at] !== quote) return false
    this.at = at + 1
    return true
  }

  /** Passes a number; false also for one that a DOUBLE (with `float` a FLOAT) may not hold. */
  passNumber(float: boolean): boolean {
    const end = numberEnd(this.bytes, this.at, float)
    if (end < 0) return false
    this.at = end
    return true
  }

  passWord(word: string): boolean {
    for (let n = 0; n < word.length; n++) if (this.bytes[this.at + n] !== word.charCodeAt(n)) return false
    this.at += word.length
    return true
  }

  /** Copies everything before `until` and leaves out what comes up to `next`. */
  copyUntil(until: number, next: number): void {
    copyBytes(this.bytes, this.copied, until, this.output)
    this.copied = next
  }

  /** Puts an integer where the value from `start` to here stands. */
  replaceByInteger(start: number, value: number): true {
    this.copyUntil(start, this.at)
    writeInteger(value, this.output)
    return true
  }

  /** Puts the value from `start` to here in quotes. */
  putInQuotes(start: number): true {
    const { output } = this
    this.copyUntil(start, start)
    output.buffer[output.position++] = quote
    this.copyUntil(this.at, this.at)
    output.buffer[output.position++] = quote
    return true
  }
}

/**
 * Reads a value and copies or replaces it; false when the exact check has to look at the record.
 */
type Take = (scan: Scan) => boolean

/** The fields of an object by name. */
class ObjectShortcut {
  /** Names in quotes, as bytes; none has a character that JSON escapes. */
  private readonly names: ReadonlyArray<Uint8Array>
  private readonly places: ReadonlyMap<string, number>
  private readonly takes: ReadonlyArray<Take>
  private readonly required: Uint8Array
  private readonly requiredCount: number
  /** In which object each field was seen last, to find one that stands there twice. */
  private readonly seen: Float64Array
  private objects = 0

  constructor(fields: ReadonlyArray<ColumnDefinition>) {
    this.names = fields.map(({ name }) => Buffer.from(JSON.stringify(name)))
    this.places = new Map(this.names.map((name, index) => [Buffer.from(name).toString("latin1"), index]))
    this.takes = fields.map(({ nullable, type }) => nullableTake(type, nullable))
    this.required = Uint8Array.from(fields, ({ nullable }) => (nullable ? 0 : 1))
    this.requiredCount = fields.filter(({ nullable }) => !nullable).length
    this.seen = new Float64Array(fields.length)
  }

  take(scan: Scan): boolean {
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
   * Passes a name and gives its field, which most often is the one behind the last. -1 when there
   * is none.
   */
  private passName(scan: Scan, expected: number): number {
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
    return this.places.get(bytes.toString("latin1", start, scan.at)) ?? -1
  }
}

const nullableTake = (type: ColumnType, nullable: boolean): Take => {
  const take = takeOf(type)
  return (scan) => (scan.bytes[scan.at] === 0x6e ? nullable && scan.passWord("null") : take(scan))
}

const takeOf = (type: ColumnType): Take => {
  switch (type._tag) {
    case "Boolean":
      return (scan) => (scan.bytes[scan.at] === 0x74 ? scan.passWord("true") : scan.passWord("false"))
    case "TinyInt":
    case "SmallInt":
    case "Int":
      return integerTake(...numberRange(type._tag))
    case "BigInt":
      return (scan) => {
        const start = scan.at
        if (!scan.passNumber(false)) return false
        if (!Number.isNaN(integerAt(scan.bytes, start, scan.at))) return true
        return isLongInteger(scan.bytes, start, scan.at) && scan.putInQuotes(start)
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
            scan.passNumber(false) && isDecimal(scan.bytes, start, scan.at, precision, scale) && scan.putInQuotes(start)
          )
        }
        return scan.passPlainText() && isDecimal(scan.bytes, start + 1, scan.at - 1, precision, scale)
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
        if (!scan.passPlainText()) return false
        const value = daysAt(scan.bytes, start + 1, scan.at - 1)
        return !Number.isNaN(value) && scan.replaceByInteger(start, value)
      }
    }
    case "Timestamp":
    case "TimestampNtz": {
      const zoned = type._tag === "Timestamp"
      return (scan) => {
        const start = scan.at
        if (scan.bytes[start] !== quote) return scan.passNumber(false) && isMicros(scan.bytes, start, scan.at)
        if (!scan.passPlainText()) return false
        const value = microsAt(scan.bytes, start + 1, scan.at - 1, zoned)
        return !Number.isNaN(value) && scan.replaceByInteger(start, value)
      }
    }
    case "Struct": {
      const fields = new ObjectShortcut(type.fields)
      return (scan) => fields.take(scan)
    }
    case "Array": {
      const element = nullableTake(type.element, type.containsNull)
      return (scan) => takeElements(scan, element)
    }
    case "Variant":
    case "Map":
      return () => false
  }
}

const integerTake =
  (min: number, max: number): Take =>
  (scan) => {
    const start = scan.at
    if (!scan.passNumber(false)) return false
    const value = integerAt(scan.bytes, start, scan.at)
    return value >= min && value <= max
  }

const takeElements = (scan: Scan, element: Take): boolean => {
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

/** Takes records of a table the short way. */
export class JsonShortcut {
  private readonly scan: Scan
  private readonly record: ObjectShortcut

  constructor(columns: ReadonlyArray<ColumnDefinition>, output: Output) {
    this.scan = new Scan(output)
    this.record = new ObjectShortcut(columns)
  }

  /**
   * Writes the record from `start` to `end`, valid UTF-8 that the bytes or a line end or space end,
   * to the output, which has room for twice its bytes and 16 more. False when the exact check has
   * to look at it; the output is undefined then.
   */
  take(bytes: Buffer, start: number, end: number): boolean {
    const { scan } = this
    scan.bytes = bytes
    scan.at = scan.copied = start
    if (!this.record.take(scan) || scan.at !== end) return false
    scan.copyUntil(end, end)
    return true
  }
}
