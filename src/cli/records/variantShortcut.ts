/**
 * The short way of a VARIANT: a value of JSON becomes the text that travels, in quotes and without
 * space, with its digits.
 *
 * Texts are left to the exact check, since they may hold JSON themselves; so are names that stand
 * twice in an object.
 */
import type { JsonScan } from "./jsonScan.ts"

const quote = 0x22
const backslash = 0x5c

/** Objects in objects and arrays, at most. */
const deepest = 64
/** Names of one object that are compared with each other, at most. */
const mostNames = 64

/** The names of the objects that are open, to find one that stands twice in its object. */
export class NamesOfObjects {
  private readonly starts: Array<number> = []
  private readonly ends: Array<number> = []
  private first = 0
  private count = 0

  /** Begins an object and gives what its end needs. */
  begin(): number {
    const outer = this.first
    this.first = this.count
    return outer
  }

  end(outer: number): void {
    this.count = this.first
    this.first = outer
  }

  /** Forgets what a record that was given up has left. */
  clear(): void {
    this.first = this.count = 0
  }

  /** Passes a name without escapes; false when the object has it already, or too many. */
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

/** Puts a value of JSON in quotes; false when the exact check has to look at it. */
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
