/**
 * CHAR(n) and VARCHAR(n) of Spark tables. Delta stores both as STRING, and Spark stores the type as
 * text in the metadata of the column: `varchar(10)`, or `array<struct<a:char(3)>>` for nested
 * lengths.
 *
 * Spark's rules for writing to a Delta table: the length counts code points. A longer text is
 * refused, even if only by trailing spaces. A shorter CHAR is padded with spaces.
 */
import { refuse } from "./columnRules.ts"
import type { ColumnType, TextLength } from "./columnType.ts"

/** Words, numbers, names in back quotes, and single symbols. */
const tokens = (text: string): ReadonlyArray<string> =>
  text.match(/`(?:[^`]|``)*`|\w+|[^\s\w]/g) ?? []

/**
 * Adds the lengths in the text to the type. Throws a `Refusal` when the text does not have the
 * structure of the type.
 */
export const withTextLengths = (type: ColumnType, text: string): ColumnType => {
  const words = tokens(text)
  let at = 0
  const misread = (): never =>
    refuse(
      `The type ${JSON.stringify(text.slice(0, 80))}, which Spark stored for a column, cannot be ` +
        `read.`
    )
  const take = (word: string): void => {
    if (words[at++]?.toLowerCase() !== word) misread()
  }
  const length = (kind: TextLength["kind"]): TextLength => {
    take("(")
    const digits = words[at++] ?? ""
    take(")")
    return /^[1-9]\d{0,9}$/.test(digits) ? { kind, length: Number(digits) } : misread()
  }
  const read = (here: ColumnType): ColumnType => {
    const word = (words[at++] ?? "").toLowerCase()
    switch (here._tag) {
      case "String":
        if (word === "char") return { ...here, textLength: length("CHAR") }
        if (word === "varchar") return { ...here, textLength: length("VARCHAR") }
        return here
      case "Array": {
        take("<")
        const element = read(here.element)
        take(">")
        return { ...here, element }
      }
      case "Map": {
        take("<")
        const key = read(here.key)
        take(",")
        const value = read(here.value)
        take(">")
        return { ...here, key, value }
      }
      case "Struct": {
        take("<")
        const fields = here.fields.map((field, index) => {
          if (index > 0) take(",")
          // The name, which the schema contains as well.
          at++
          take(":")
          return { ...field, type: read(field.type) }
        })
        take(">")
        return { ...here, fields }
      }
      case "Decimal":
        if (words[at] === "(") while (at < words.length && words[at++] !== ")");
        return here
      default:
        return here
    }
  }
  const found = read(type)
  return at === words.length ? found : misread()
}

/** The text as Spark writes it into a column of this length; `undefined` when it is too long. */
export const fittedText = (text: string, { kind, length }: TextLength): string | undefined => {
  const points = codePoints(text, length)
  if (points > length) return undefined
  return kind === "CHAR" && points < length ? text + " ".repeat(length - points) : text
}

/** The number of code points, counted up to one beyond `most`. */
const codePoints = (text: string, most: number): number => {
  // A code point takes one or two UTF-16 units.
  if (text.length > 2 * most) return most + 1
  let points = 0
  for (const _ of text) points++
  return points
}
