/**
 * The default of a column, if it is an SQL literal: the value in the form of a JSON record.
 *
 * Other writers set defaults as SQL text. Only literals with the same meaning in every session are
 * read. Functions, arithmetic, timestamps without a zone and values that a cast would round are
 * not.
 */
import type { ColumnType, SimpleType } from "./columnType.ts"
import { integerRange, isSimple } from "./scalarTypes.ts"
import { daysOfText, microsOfText } from "./timeText.ts"

const numberPattern = /^([+-]?)\s*(\d+\.?\d*|\.\d+)(e[+-]?\d+)?(bd|[lsydf])?$/i
const quotedPattern =
  /^(?:(date|timestamp|timestamp_ltz|timestamp_ntz|x)\s*)?(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")$/is
const zonePattern = /(?:z|utc|[+-]\d{2}:?\d{2})$/i

const escapes: Readonly<Record<string, string>> = {
  "n": "\n",
  "t": "\t",
  "r": "\r",
  "b": "\b",
  "0": "\0",
  "\\": "\\",
  "'": "'",
  '"': '"'
}

/**
 * The value of a literal for a column of the type; undefined when the SQL is not such a literal.
 * NULL has the value `null`.
 */
export const literalValue = (
  type: ColumnType,
  sql: string
): { readonly value: unknown } | undefined => {
  const text = sql.trim()
  if (/^null$/i.test(text)) return { value: null }
  if (!isSimple(type)) return undefined
  const value = simpleValue(type, text)
  return value === undefined ? undefined : { value }
}

const simpleValue = (type: SimpleType, text: string): unknown => {
  switch (type._tag) {
    case "Boolean":
      return /^true$/i.test(text) ? true : /^false$/i.test(text) ? false : undefined
    case "TinyInt":
    case "SmallInt":
    case "Int":
    case "BigInt": {
      const integer = integerOf(text)
      const [min, max] = integerRange(type._tag)
      if (integer === undefined || integer < min || integer > max) return undefined
      return type._tag === "BigInt" ? String(integer) : Number(integer)
    }
    case "Float":
    case "Double":
      return numberOf(text)
    case "Decimal":
      return decimalOf(text, type.precision, type.scale)
    case "String":
      return quoted(text, "")
    case "Binary":
      return binaryOf(quoted(text, "x"))
    case "Date":
      return daysOfText(quoted(text, "date") ?? "")
    case "Timestamp": {
      const time = quoted(text, "timestamp") ?? quoted(text, "timestamp_ltz")
      return time !== undefined && zonePattern.test(time) ? micros(time, true) : undefined
    }
    case "TimestampNtz":
      return micros(quoted(text, "timestamp_ntz") ?? "", false)
    case "Variant":
      return undefined
  }
}

const micros = (text: string, zoned: boolean): string | undefined =>
  microsOfText(text, zoned)?.toString()

const integerOf = (text: string): bigint | undefined => {
  const [, sign = "", digits = "", exponent, suffix = ""] = numberPattern.exec(text) ?? []
  if (!/^\d+$/.test(digits) || exponent !== undefined || !/^[lsy]?$/i.test(suffix)) return undefined
  return sign === "-" ? -BigInt(digits) : BigInt(digits)
}

const numberOf = (text: string): number | undefined => {
  const [, sign = "", digits, exponent = ""] = numberPattern.exec(text) ?? []
  const number = Number(`${digits}${exponent}`)
  if (digits === undefined || !Number.isFinite(number)) return undefined
  return sign === "-" ? -number : number
}

const decimalOf = (text: string, precision: number, scale: number): string | undefined => {
  const [, sign = "", digits = "", exponent, suffix = ""] = numberPattern.exec(text) ?? []
  if (digits === "" || exponent !== undefined || !/^(?:bd|[lsy])?$/i.test(suffix)) return undefined
  const [whole = "", fraction = ""] = digits.split(".")
  if (
    whole.replace(/^0+/, "").length > precision - scale ||
    fraction.replace(/0+$/, "").length > scale
  )
    return undefined
  return `${sign}${whole === "" ? "0" : whole}${fraction === "" ? "" : `.${fraction}`}`
}

const binaryOf = (hex: string | undefined): string | undefined =>
  hex !== undefined && /^(?:[0-9a-f]{2})*$/i.test(hex) ? btoa(bytesOfHex(hex)) : undefined

const bytesOfHex = (hex: string): string =>
  hex.replace(/../g, (pair) => String.fromCharCode(Number.parseInt(pair, 16)))

/**
 * The content of a quoted text after a word. Undefined for another word, and for an escape that
 * sessions interpret differently.
 */
const quoted = (text: string, word: string): string | undefined => {
  const match = quotedPattern.exec(text)
  if (match === null || (match[1] ?? "").toLowerCase() !== word) return undefined
  let isKnown = true
  const content = (match[2] ?? match[3] ?? "").replace(/\\(.)/gs, (_, sign: string) => {
    if (!Object.hasOwn(escapes, sign)) isKnown = false
    return escapes[sign] ?? ""
  })
  // "\0" begins the code of a character in octal digits.
  return isKnown && !/\\0\d/.test(text) ? content : undefined
}
