/**
 * Fast path for VARIANT: converts a JSON value to its wire form, the JSON text in quotes without
 * whitespace, with its original digits.
 *
 * Strings are left to the exact check, because they may contain JSON. So are objects with duplicate
 * names.
 */
import type { JsonScan } from "./jsonScan.ts"

const quote = 0x22
const backslash = 0x5c

/** Deepest nesting of objects and arrays. */
const deepest = 64
/** Most names of one object that are compared with each other. */
const mostNames = 64

/** The names of the open objects, to find duplicates. */
export class NamesOfObjects {
  private readonly starts: Array<number> = []
  private readonly ends: Array<number> = []
  private first = 0
  private count = 0

  /** Starts an object and returns the argument for `end`. */
  begin(): number {
    const outer = this.first
    this.first = this.count
    return outer
  }

  end(outer: number): void {
    this.count = this.first
    this.first = outer
  }

  /** Clears the names of an abandoned record. */
  clear(): void {
    this.first = this.count = 0
  }

  /**
   * Reads past a name without escapes. Returns false when the object already has it, or has too
   * many.
   */
  passName(scan: JsonScan): boolean {
    const { bytes } = scan
    const start = scan.at
    if (this.count - this.first >= mostNames || !scan.passPlainText()) return false
    const length = scan.at - start
    for (let n = this.first; n < this.count; n++) {
      if (this.ends[n]! - this.starts[n]! !== length) continue
      let same = 0
      while (same < length && bytes[this.starts[n]! + same] === bytes[start + same]) same++
      if (same === length) return false
    }
    this.starts[this.count] = start
    this.ends[this.count++] = scan.at
    return true
  }
}

const names = new NamesOfObjects()

/** Writes a JSON value in quotes. Returns false when the exact check has to decide. */
export const takeVariant = (scan: JsonScan): boolean => {
  if (scan.bytes[scan.at] === quote) return false
  names.clear()
  scan.copyUntil(scan.at, scan.at)
  put(scan, quote)
  if (!putValue(scan, deepest)) return false
  put(scan, quote)
  scan.copied = scan.at
  return true
}

const put = ({ output }: JsonScan, code: number): void => {
  output.buffer[output.position++] = code
}

/** Copies bytes with a backslash before each quote and backslash. */
const putEscaped = ({ at, bytes, output }: JsonScan, start: number): void => {
  const { buffer } = output
  let { position } = output
  for (let from = start; from < at; from++) {
    const code = bytes[from]!
    if (code === quote || code === backslash) buffer[position++] = backslash
    buffer[position++] = code
  }
  output.position = position
}

const putValue = (scan: JsonScan, depth: number): boolean => {
  const start = scan.at
  switch (scan.bytes[start]) {
    case 0x7b:
      return depth > 0 && putObject(scan, depth - 1)
    case 0x5b:
      return depth > 0 && putArray(scan, depth - 1)
    case quote:
      if (!scan.passText()) return false
      break
    case 0x74:
      if (!scan.passWord("true")) return false
      break
    case 0x66:
      if (!scan.passWord("false")) return false
      break
    case 0x6e:
      if (!scan.passWord("null")) return false
      break
    default:
      if (!scan.passNumber(false)) return false
  }
  putEscaped(scan, start)
  return true
}

const putObject = (scan: JsonScan, depth: number): boolean => {
  const outer = names.begin()
  scan.at++
  put(scan, 0x7b)
  let more = scan.passSpace() !== 0x7d
  while (more) {
    const start = scan.at
    if (!names.passName(scan)) return false
    putEscaped(scan, start)
    if (scan.passSpace() !== 0x3a) return false
    scan.at++
    put(scan, 0x3a)
    scan.passSpace()
    if (!putValue(scan, depth)) return false
    const code = scan.passSpace()
    if (code !== 0x2c && code !== 0x7d) return false
    more = code === 0x2c
    if (!more) break
    scan.at++
    put(scan, code)
    scan.passSpace()
  }
  scan.at++
  put(scan, 0x7d)
  names.end(outer)
  return true
}

const putArray = (scan: JsonScan, depth: number): boolean => {
  scan.at++
  put(scan, 0x5b)
  let more = scan.passSpace() !== 0x5d
  while (more) {
    if (!putValue(scan, depth)) return false
    const code = scan.passSpace()
    if (code !== 0x2c && code !== 0x5d) return false
    more = code === 0x2c
    if (!more) break
    scan.at++
    put(scan, code)
    scan.passSpace()
  }
  scan.at++
  put(scan, 0x5d)
  return true
}
