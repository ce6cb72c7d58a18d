/**
 * Scans and copies the bytes of one JSON record: whitespace, strings, numbers and keywords.
 */
import { copyBytes, numberEnd, type Output, writeInteger } from "./plainBytes.ts"

const quote = 0x22
const backslash = 0x5c

/**
 * Bytes that end a plain run inside a string: the quote, an escape, and control characters, which
 * strings cannot contain.
 */
const endsStretch = new Uint8Array(256).fill(1, 0, 0x20)
endsStretch[quote] = endsStretch[backslash] = 1

/** Characters that form a complete escape with a backslash. */
const escapes = new Uint8Array(256)
for (const letter of '"\\/bfnrt') escapes[letter.charCodeAt(0)] = 1

/** Scanner of one record. */
export class JsonScan {
  bytes: Buffer = Buffer.alloc(0)
  at = 0
  /** End of the record. A line feed from there on is not part of it. */
  end = 0
  /** The index up to which the record was copied. */
  copied = 0
  readonly output: Output

  constructor(output: Output) {
    this.output = output
  }

  passSpace(): number {
    let code = this.bytes[this.at]
    while (
      code === 0x20 ||
      code === 0x09 ||
      code === 0x0d ||
      (code === 0x0a && this.at < this.end)
    ) {
      code = this.bytes[++this.at]
    }
    return code ?? 0
  }

  /** Reads past a string. Returns false when it contains `\u` escapes. */
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
      // A `\u` escape may be a lone surrogate.
      if (code !== backslash || escapes[bytes[at + 1]!] !== 1) return false
      at += 2
    }
  }

  /** Reads past a string without escapes. */
  passPlainText(): boolean {
    const { bytes } = this
    if (bytes[this.at] !== quote) return false
    let at = this.at + 1
    while (endsStretch[bytes[at]!] === 0) at++
    if (bytes[at] !== quote) return false
    this.at = at + 1
    return true
  }

  /**
   * Reads past a number. Also returns false for one that a DOUBLE (or FLOAT, with `float`) may not
   * hold.
   */
  passNumber(float: boolean): boolean {
    const end = numberEnd(this.bytes, this.at, float)
    if (end < 0) return false
    this.at = end
    return true
  }

  passWord(word: string): boolean {
    for (let n = 0; n < word.length; n++)
      if (this.bytes[this.at + n] !== word.charCodeAt(n)) return false
    this.at += word.length
    return true
  }

  /** Copies everything before `until` and skips the bytes up to `next`. */
  copyUntil(until: number, next: number): void {
    copyBytes(this.bytes, this.copied, until, this.output)
    this.copied = next
  }

  /** Replaces the value from `start` to the current position with an integer. */
  replaceByInteger(start: number, value: number): true {
    this.copyUntil(start, this.at)
    writeInteger(value, this.output)
    return true
  }

  /** Copies the value from `start` to the current position in quotes. */
  putInQuotes(start: number): true {
    const { output } = this
    this.copyUntil(start, start)
    output.buffer[output.position++] = quote
    this.copyUntil(this.at, this.at)
    output.buffer[output.position++] = quote
    return true
  }
}
