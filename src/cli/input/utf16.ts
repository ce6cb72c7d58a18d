/**
 * Converts UTF-16 to UTF-8. A lone surrogate becomes a byte that is invalid in UTF-8, so that its
 * record is rejected with a reason.
 */
import { Transform } from "node:stream"

/** A lone surrogate. */
const lone = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

const noUtf8 = Buffer.of(0xff)

const utf8Of = (text: string): Buffer => {
  if (text.isWellFormed()) return Buffer.from(text)
  return Buffer.concat(
    text
      .split(lone)
      .flatMap((part, index) => (index === 0 ? [Buffer.from(part)] : [noUtf8, Buffer.from(part)]))
  )
}

/** Creates the transform for one file. */
export const utf16ToUtf8 = (order: "utf16le" | "utf16be"): Transform => {
  let rest: Buffer = Buffer.alloc(0)
  return new Transform({
    transform: (chunk: Buffer, _, done) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      let end = bytes.length - (bytes.length % 2)
      const last = order === "utf16le" ? bytes[end - 1]! : bytes[end - 2]!
      // A high surrogate at the end waits for the next chunk.
      if (end > 0 && last >= 0xd8 && last <= 0xdb) end -= 2
      rest = Buffer.from(bytes.subarray(end))
      const whole = Buffer.from(bytes.subarray(0, end))
      done(null, utf8Of((order === "utf16le" ? whole : whole.swap16()).toString("utf16le")))
    },
    flush: (done) => done(null, rest.length === 0 ? undefined : noUtf8)
  })
}
