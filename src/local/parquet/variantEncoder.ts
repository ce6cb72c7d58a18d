/**
 * Encodes JSON text in Parquet's binary Variant encoding (version 1), at a cost linear in the
 * length of the text.
 *
 *   text -> VariantReader: a tape of all values in their order, scalars encoded already
 *        -> dictionary: the names in use, sorted by their bytes
 *        -> measure: the size of each object and array, from the inside out
 *        -> write: headers and scalars into one buffer of that size
 *
 * Numbers keep their digits: integers use the smallest integer type, other numbers without an
 * exponent become decimals of up to 38 digits, and the rest become doubles. Object fields are
 * sorted by name; of equal names, the last one counts.
 */
import { expectation } from "../../internal/columns/expectation.ts"
import type { VariantBytes } from "./variant.ts"
import { GrowingBytes, integerInto, numberInto, textInto } from "./variantScalars.ts"
import { ARRAY, DROPPED, OBJECT, SCALAR, VariantTape } from "./variantTape.ts"

const maxDepth = 500
const maxBytes = 16 * 1024 * 1024

const notJson = expectation({ _tag: "Variant" })
const tooDeep = `${notJson}, nested at most ${maxDepth} deep`
const tooLarge = `${notJson}, of at most 16 MiB`
const outOfRange = `${notJson}, with numbers in the range of DOUBLE`

/** Thrown to stop reading a text; always caught in this module. */
class Refused {
  readonly expected: string
  constructor(expected: string) {
    this.expected = expected
  }
}

/**
 * Encodes JSON text. Returns a text of what was expected when the input is not JSON, is nested too
 * deeply, is too large, or has numbers beyond DOUBLE.
 */
export const encodeVariant = (json: string): VariantBytes | string => {
  if (!json.isWellFormed()) return notJson
  const reader = new VariantReader(json)
  try {
    reader.document()
    const { names, scalars, tape } = reader
    const { bytes, ranks } = dictionary(names, tape)
    measure(tape, ranks)
    const size = tape.size[0]!
    if (size > maxBytes) return tooLarge
    const value = Buffer.allocUnsafe(size)
    write(value, 0, 0, { tape, ranks, scalars })
    return { metadata: bytes, value }
  } catch (error) {
    if (error instanceof Refused) return error.expected
    if (error instanceof SyntaxError) return notJson
    throw error
  }
}

const isSpace = (code: number): boolean =>
  code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39

/** Reads one JSON text. */
class VariantReader {
  /** The distinct field names, in order of first use. */
  readonly names: Array<string> = []
  readonly scalars = new GrowingBytes()
  readonly tape = new VariantTape()
  private readonly text: string
  private readonly numbers = new Map<string, number>()
  /** The last object in which each name occurred, and its value there. */
  private readonly lastObject: Array<number> = []
  private readonly lastValue: Array<number> = []
  private at = 0

  constructor(text: string) {
    this.text = text
  }

  document(): void {
    this.value(0, 0)
    this.space()
    if (this.at !== this.text.length) this.refuse()
  }

  private refuse(): never {
    throw new Refused(notJson)
  }

  private space(): void {
    while (isSpace(this.text.charCodeAt(this.at))) this.at++
  }

  private value(depth: number, name: number): void {
    this.space()
    const { scalars, tape } = this
    const node = tape.add(name)
    const code = this.text.charCodeAt(this.at)
    if (code === 0x7b || code === 0x5b) {
      if (depth >= maxDepth) throw new Refused(tooDeep)
      this.at++
      tape.kind[node] = code === 0x7b ? OBJECT : ARRAY
      // Read first, then access the array, because reading may replace it with a larger one.
      const count = code === 0x7b ? this.fields(node, depth + 1) : this.items(depth + 1)
      tape.count[node] = count
    } else {
      tape.start[node] = scalars.size
      if (code === 0x22) textInto(scalars, this.string())
      else if (code === 0x2d || isDigit(code)) this.number()
      else this.word()
      tape.size[node] = scalars.size - tape.start[node]!
    }
    tape.next[node] = tape.length
  }

  /** Whether the next character is this one; it is then skipped. */
  private takes(code: number): boolean {
    this.space()
    if (this.text.charCodeAt(this.at) !== code) return false
    this.at++
    return true
  }

  /** Reads the items of an array, and returns their number. */
  private items(depth: number): number {
    if (this.takes(0x5d)) return 0
    let count = 0
    do {
      this.value(depth, 0)
      count++
    } while (this.takes(0x2c))
    return this.takes(0x5d) ? count : this.refuse()
  }

  /** Reads the fields of an object, and returns their number. */
  private fields(object: number, depth: number): number {
    if (this.takes(0x7d)) return 0
    let count = 0
    do {
      this.space()
      if (this.text.charCodeAt(this.at) !== 0x22) this.refuse()
      const name = this.nameNumber(this.string())
      if (!this.takes(0x3a)) this.refuse()
      this.value(depth, name)
      count++
    } while (this.takes(0x2c))
    return this.takes(0x7d) ? count - this.dropEarlier(object) : this.refuse()
  }

  /**
   * Drops all values except the last one for each name, and returns the number of dropped values.
   * Nested objects are already complete.
   */
  private dropEarlier(object: number): number {
    const { tape } = this
    let dropped = 0
    for (let value = object + 1; value < tape.length; value = tape.next[value]!) {
      const name = tape.name[value]!
      if (this.lastObject[name] === object) {
        tape.kind[this.lastValue[name]!]! |= DROPPED
        dropped++
      }
      this.lastObject[name] = object
      this.lastValue[name] = value
    }
    return dropped
  }

  private nameNumber(name: string): number {
    let number = this.numbers.get(name)
    if (number === undefined) {
      number = this.names.length
      this.numbers.set(name, number)
      this.names.push(name)
      this.lastObject.push(-1)
      this.lastValue.push(-1)
    }
    return number
  }

  /** Reads a string, starting at its opening quote. */
  private string(): string {
    const { text } = this
    const start = ++this.at
    let escaped = false
    for (let code = text.charCodeAt(this.at); code !== 0x22; code = text.charCodeAt(++this.at)) {
      // Past the end, the code is NaN.
      if (!(code >= 0x20)) this.refuse()
      if (code === 0x5c) {
        escaped = true
        this.at++
      }
    }
    const end = this.at++
    if (!escaped) return text.slice(start, end)
    const unescaped = JSON.parse(text.slice(start - 1, end + 1)) as string
    return unescaped.isWellFormed() ? unescaped : this.refuse()
  }

  private digits(): void {
    if (!isDigit(this.text.charCodeAt(this.at))) this.refuse()
    while (isDigit(this.text.charCodeAt(this.at))) this.at++
  }

  private number(): void {
    const { text } = this
    const start = this.at
    if (text.charCodeAt(this.at) === 0x2d) this.at++
    if (text.charCodeAt(this.at) === 0x30) this.at++
    else this.digits()
    const whole = this.at
    if (text.charCodeAt(this.at) === 0x2e) {
      this.at++
      this.digits()
    }
    const plain = this.at
    if ((text.charCodeAt(this.at) | 0x20) === 0x65) {
      const sign = text.charCodeAt(++this.at)
      if (sign === 0x2b || sign === 0x2d) this.at++
      this.digits()
    }
    const source = text.slice(start, this.at)
    if (plain === this.at && whole === this.at && source.length < 16)
      integerInto(this.scalars, Number(source))
    else if (!numberInto(this.scalars, source, plain === this.at)) throw new Refused(outOfRange)
  }

  private word(): void {
    for (const [word, header] of words) {
      if (!this.text.startsWith(word, this.at)) continue
      this.at += word.length
      return this.scalars.byte(header)
    }
    this.refuse()
  }
}

const words = [
  ["null", 0],
  ["true", 1 << 2],
  ["false", 2 << 2]
] as const

const widthOf = (largest: number): number =>
  largest < 0x100 ? 1 : largest < 0x10000 ? 2 : largest < 0x1000000 ? 3 : 4

/** The dictionary with the used names, and the position of each name in it. */
const dictionary = (
  names: ReadonlyArray<string>,
  tape: VariantTape
): { readonly bytes: Uint8Array; readonly ranks: Uint32Array } => {
  const used = new Uint8Array(names.length)
  for (
    let node = 0;
    node < tape.length;
    node = tape.isDropped(node) ? tape.next[node]! : node + 1
  ) {
    if (tape.isDropped(node) || tape.kind[node] !== OBJECT) continue
    for (let value = tape.first(node); value < tape.next[node]!; value = tape.after(value))
      used[tape.name[value]!] = 1
  }
  const sorted = names.map((_, number) => number).filter((number) => used[number] === 1)
  const order = byteOrder(names)
  sorted.sort((a, b) => order(names[a]!, names[b]!))
  const ranks = new Uint32Array(names.length)
  let total = 0
  for (let rank = 0; rank < sorted.length; rank++) {
    ranks[sorted[rank]!] = rank
    total += Buffer.byteLength(names[sorted[rank]!]!)
  }
  const width = widthOf(Math.max(total, sorted.length))
  const bytes = Buffer.allocUnsafe(1 + width * (sorted.length + 2) + total)
  bytes[0] = 1 | 0x10 | ((width - 1) << 6)
  bytes.writeUIntLE(sorted.length, 1, width)
  const text = 1 + width * (sorted.length + 2)
  let offset = 0
  for (let rank = 0; rank <= sorted.length; rank++) {
    bytes.writeUIntLE(offset, 1 + width * (rank + 1), width)
    if (rank < sorted.length) offset += bytes.write(names[sorted[rank]!]!, text + offset)
  }
  return { bytes, ranks }
}

/** Compares texts by their UTF-8 bytes. JavaScript's order differs only for surrogate pairs. */
const byteOrder = (names: ReadonlyArray<string>): ((a: string, b: string) => number) =>
  names.some((name) => /[\ud800-\udfff]/.test(name))
    ? (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))
    : (a, b) => (a < b ? -1 : 1)

/** Computes the sizes of all objects and arrays, backwards: nested ones come later on the tape. */
const measure = (tape: VariantTape, ranks: Uint32Array): void => {
  for (let node = tape.length - 1; node >= 0; node--) {
    const kind = tape.kind[node]! & ~DROPPED
    if (kind === SCALAR) continue
    const end = tape.next[node]!
    let content = 0
    let largest = 0
    for (let value = tape.first(node); value < end; value = tape.after(value)) {
      content += tape.size[value]!
      largest = Math.max(largest, ranks[tape.name[value]!] ?? 0)
    }
    const count = tape.count[node]!
    const ids = kind === OBJECT ? widthOf(largest) : 0
    tape.start[node] = content
    tape.size[node] = 1 + countWidth(count) + ids * count + widthOf(content) * (count + 1) + content
  }
}

const countWidth = (count: number): number => (count > 255 ? 4 : 1)

interface Parts {
  readonly tape: VariantTape
  readonly ranks: Uint32Array
  readonly scalars: GrowingBytes
}

/** Writes a value and returns its end. */
const write = (out: Buffer, start: number, node: number, parts: Parts): number => {
  const { ranks, scalars, tape } = parts
  const kind = tape.kind[node]!
  if (kind === SCALAR)
    return scalars.copyTo(out, start, tape.start[node]!, tape.start[node]! + tape.size[node]!)
  const count = tape.count[node]!
  const large = count > 255 ? 1 : 0
  const width = widthOf(tape.start[node]!)
  let at = out.writeUIntLE(count, start + 1, countWidth(count))
  if (kind === ARRAY) {
    out[start] = 3 | ((width - 1) << 2) | (large << 4)
    const base = at + width * (count + 1)
    let end = base
    for (let value = node + 1; value < tape.next[node]!; value = tape.next[value]!) {
      at = out.writeUIntLE(end - base, at, width)
      end = write(out, end, value, parts)
    }
    out.writeUIntLE(end - base, at, width)
    return end
  }
  const values: Array<number> = []
  for (let value = tape.first(node); value < tape.next[node]!; value = tape.after(value))
    values.push(value)
  const rankOf = (value: number): number => ranks[tape.name[value]!]!
  values.sort((a, b) => rankOf(a) - rankOf(b))
  const ids = widthOf(count === 0 ? 0 : rankOf(values[count - 1]!))
  out[start] = 2 | ((width - 1) << 2) | ((ids - 1) << 4) | (large << 6)
  for (const value of values) at = out.writeUIntLE(rankOf(value), at, ids)
  const base = at + width * (count + 1)
  let end = base
  for (const value of values) {
    at = out.writeUIntLE(end - base, at, width)
    end = write(out, end, value, parts)
  }
  out.writeUIntLE(end - base, at, width)
  return end
}
