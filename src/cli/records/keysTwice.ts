/**
 * Finds duplicate keys in a JSON object. `JSON.parse` silently keeps the last value.
 */

const quote = 0x22
const backslash = 0x5c

/** The index after the closing quote of the JSON string that starts at `at`. */
const stringEnd = (text: string, at: number): number => {
  let end = text.indexOf('"', at + 1)
  for (;;) {
    let slashes = 0
    while (text.charCodeAt(end - 1 - slashes) === backslash) slashes++
    if (slashes % 2 === 0) return end + 1
    end = text.indexOf('"', end + 1)
  }
}

/**
 * The first duplicate key in any object of the text. Undefined when there is none. The text must be
 * valid JSON.
 */
export const keyTwice = (text: string): string | undefined => {
  /** The keys of the open objects; undefined for arrays. */
  const open: Array<Set<string> | undefined> = []
  let key = false
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x7b:
        open.push(new Set())
        key = true
        break
      case 0x5b:
        open.push(undefined)
        key = false
        break
      case 0x7d:
      case 0x5d:
        open.pop()
        break
      case 0x2c:
        key = open.at(-1) !== undefined
        break
      case quote: {
        const end = stringEnd(text, at)
        const keys = key ? open.at(-1) : undefined
        if (keys !== undefined) {
          const written = text.slice(at + 1, end - 1)
          const name = written.includes("\\")
            ? (JSON.parse(text.slice(at, end)) as string)
            : written
          if (keys.has(name)) return name
          keys.add(name)
          key = false
        }
        at = end - 1
      }
    }
  }
  return undefined
}
