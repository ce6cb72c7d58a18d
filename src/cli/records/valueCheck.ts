/**
 * Converters of single values by column type, composed once per table. Each takes a value from
 * `JSON.parse` and returns its wire form, or refuses it with the column's path and what is expected
 * there. The message never contains the value.
 */
import type { ColumnDefinition, ColumnType } from "../../internal/columns/columnType.ts"
import { paddedBase64 } from "../../internal/columns/base64Text.ts"
import { absentHere, writtenExpectation } from "../../internal/columns/expectation.ts"
import {
  type IntegerTag,
  integerJson,
  integerRange,
  numberRange
} from "../../internal/columns/scalarTypes.ts"
import * as DecimalText from "./decimalText.ts"
import * as ExactJson from "./exactJson.ts"
import { keyTwice } from "./keysTwice.ts"
import { NameMatch, noColumn } from "./nameMatch.ts"
import { daysOf, formHint, microsOf, microsOfNumber, type ValueForms } from "./valueForms.ts"

/** Result of the converters for one record: whether the record changed, and why it was refused. */
export interface Report {
  changed: boolean
  /** Whether the record contains numbers that only `ExactJson.stringify` writes. */
  exact: boolean
  problem: string
}

/** Returned by a converter that refuses a value. The reason is in the report. */
export const refused: unique symbol = Symbol("refused")

/** Returns the wire form of a value (the same value when nothing changes), or `refused`. */
export type Convert = (value: unknown, report: Report) => unknown

type Path = ReadonlyArray<string>

const numberText = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
const wireDecimal = /^-?\d{1,60}(?:\.\d{1,40})?$/
/** JSON.stringify writes a negative zero without its sign. */
const minusZero = new ExactJson.ExactNumber("-0.0")
const specialNumbers = new Set<unknown>(["NaN", "Infinity", "-Infinity"])

const refuse = (report: Report, path: Path, reason: string): typeof refused => {
  report.problem = path.length === 0 ? reason : `column ${path.join(".")}: ${reason}`
  return refused
}

/** Replaces a cell with a duplicate key in an object or a map. */
export class KeyTwice {
  readonly key: string
  constructor(key: string) {
    this.key = key
  }
}

/** The message for a duplicate key in a record or in a JSON value. */
export const keyTwiceProblem = (key: string): string =>
  `the key ${JSON.stringify(key.slice(0, 64).toWellFormed())} appears twice in an object; only ` +
  `one of the values could be kept`

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof ExactJson.ExactNumber)

/**
 * Converter of a struct, or of a whole record when the path is empty. Changes the object in place.
 */
export const structConverter = (
  path: Path,
  fields: ReadonlyArray<ColumnDefinition>,
  forms: ValueForms
): Convert => {
  const names = fields.map((field) => field.name)
  const known = new Set(names)
  const match = new NameMatch(names)
  const converts = fields.map((field) => fieldConverter([...path, field.name], field, forms))
  const isRecord = path.length === 0
  const withoutColumn =
    forms.ignoreUnknown === true
      ? "remove"
      : forms.rescueUnknown === true && isRecord
        ? "keep"
        : "refuse"
  return (value, report) => {
    if (!isObject(value))
      return refuse(
        report,
        path,
        path.length === 0 ? "is not a JSON object" : "expected STRUCT, a JSON object"
      )
    for (const key in value) {
      if (known.has(key)) continue
      const problem = giveColumnNames(value, names, match, withoutColumn)
      if (problem !== undefined) return refuse(report, path, problem)
      report.changed = true
      // Their numbers keep their digits.
      if (withoutColumn === "keep") report.exact = true
      break
    }
    for (let index = 0; index < names.length; index++) {
      const name = names[index]!
      const before = Object.hasOwn(value, name) ? value[name] : undefined
      const after = converts[index]!(before, report)
      if (after === refused) return refused
      if (after !== before) {
        value[name] = after
        report.changed = true
      }
    }
    return value
  }
}

/**
 * Renames the keys of an object to their column names. Returns a message when a key has no column.
 */
const giveColumnNames = (
  value: Record<string, unknown>,
  names: ReadonlyArray<string>,
  match: NameMatch,
  withoutColumn: "remove" | "keep" | "refuse"
): string | undefined => {
  const keys = Object.keys(value)
  const places = match.columnsOf(keys)
  for (const [index, key] of keys.entries()) {
    const place = places[index]!
    if (typeof place !== "number") {
      if (withoutColumn === "keep" && place === "unknown") continue
      if (withoutColumn !== "remove") return noColumn(key, place)
      delete value[key]
      continue
    }
    const name = names[place]!
    if (name === key) continue
    if (Object.hasOwn(value, name)) return `two names of the record belong to the column ${name}`
    // A plain assignment to __proto__ would set the prototype instead of a property.
    Object.defineProperty(value, name, {
      value: value[key],
      configurable: true,
      enumerable: true,
      writable: true
    })
    delete value[key]
  }
  return undefined
}

/** Converter of a column or struct field: that of its type, with the check for NULL. */
export const fieldConverter = (path: Path, field: ColumnDefinition, forms: ValueForms): Convert =>
  nullable(path, field.type, field.nullable, forms)

const nullable = (path: Path, type: ColumnType, allowed: boolean, forms: ValueForms): Convert => {
  const convert = converter(path, type, forms)
  const words = forms.nullWords ?? []
  return (given, report) => {
    const value = typeof given === "string" && words.includes(given) ? null : given
    if (value instanceof KeyTwice) return refuse(report, path, keyTwiceProblem(value.key))
    if (value !== null && value !== undefined) return convert(value, report)
    return allowed ? value : refuse(report, path, `${writtenExpectation(type)}; ${absentHere}`)
  }
}

const converter = (path: Path, type: ColumnType, forms: ValueForms): Convert => {
  const no = (report: Report) => refuse(report, path, writtenExpectation(type))
  switch (type._tag) {
    case "Boolean":
      return (value, report) => (typeof value === "boolean" ? value : no(report))
    case "TinyInt":
    case "SmallInt":
    case "Int": {
      const [min, max] = numberRange(type._tag)
      return (value, report) => {
        const number = wholeNumber(value)
        return number !== undefined && number >= min && number <= max ? number : no(report)
      }
    }
    case "BigInt":
      return (value, report) => bigInteger(value, "BigInt") ?? no(report)
    case "Float":
    case "Double": {
      const fits = (value: number) =>
        Number.isFinite(type._tag === "Float" ? Math.fround(value) : value)
      return (value, report) => {
        const number = value instanceof ExactJson.ExactNumber ? Number(value.source) : value
        if (typeof number !== "number") return specialNumbers.has(value) ? value : no(report)
        if (!fits(number)) return no(report)
        if (!Object.is(number, -0)) return number
        report.exact = true
        return minusZero
      }
    }
    case "Decimal":
      return (value, report) => {
        if (typeof value === "string" && wireDecimal.test(value)) {
          return DecimalText.plain(value, type.precision, type.scale) === undefined
            ? no(report)
            : value
        }
        const text =
          value instanceof ExactJson.ExactNumber
            ? value.source
            : typeof value === "number"
              ? String(value)
              : value
        return (
          (typeof text === "string"
            ? DecimalText.plain(text, type.precision, type.scale)
            : undefined) ?? no(report)
        )
      }
    case "String":
      return (value, report) =>
        typeof value === "string" && value.isWellFormed() ? value : no(report)
    case "Binary":
      return (value, report) =>
        (typeof value === "string" ? paddedBase64(value) : undefined) ?? no(report)
    case "Date": {
      const [min, max] = numberRange(type._tag)
      return (value, report) => {
        if (typeof value === "string") {
          return (
            daysOf(value, forms) ??
            refuse(report, path, writtenExpectation(type) + formHint(value, "Date", forms))
          )
        }
        const days = wholeNumber(value)
        return days !== undefined && days >= min && days <= max ? days : no(report)
      }
    }
    case "Timestamp":
    case "TimestampNtz": {
      const tag = type._tag
      const [min, max] = integerRange(tag)
      const unit = forms.timestampUnit ?? "us"
      return (value, report) => {
        if (typeof value === "string") {
          const micros = microsOf(value, tag === "Timestamp", forms)
          if (micros !== undefined) return integerJson(micros)
          if (!numberText.test(value) || forms.timestampFormat !== undefined) {
            return refuse(report, path, writtenExpectation(type) + formHint(value, tag, forms))
          }
        }
        if (unit === "us") return bigInteger(value, tag) ?? no(report)
        const text = value instanceof ExactJson.ExactNumber ? value.source : String(value)
        const micros =
          typeof value === "object" && !(value instanceof ExactJson.ExactNumber)
            ? undefined
            : microsOfNumber(text, unit)
        return micros === undefined || micros < min || micros > max
          ? no(report)
          : integerJson(micros)
      }
    }
    case "Variant":
      return (value, report) => {
        const text = variantText(value)
        if (typeof text === "string") return text
        return text === undefined ? no(report) : refuse(report, path, keyTwiceProblem(text.key))
      }
    case "Array": {
      const element = nullable([...path, "element"], type.element, type.containsNull, forms)
      return (value, report) => {
        if (!Array.isArray(value)) return no(report)
        for (let index = 0; index < value.length; index++) {
          const after = element(value[index], report)
          if (after === refused) return refused
          if (after !== value[index]) {
            value[index] = after
            report.changed = true
          }
        }
        return value
      }
    }
    case "Map": {
      const item = nullable([...path, "value"], type.value, type.valueContainsNull, forms)
      const key = converter([...path, "key"], type.key, forms)
      return (value, report) => {
        if (!isObject(value)) return no(report)
        for (const name of Object.keys(value)) {
          // Keys are sent as written, so they must be in wire form.
          const read = readCell(type.key, name, forms)
          const checked = key(read, report)
          if (checked === refused) return refused
          if (String(checked) !== name) {
            return refuse(
              report,
              [...path, "key"],
              "expected the key in wire form: true or false, plain digits, days, microseconds"
            )
          }
          const after = item(value[name], report)
          if (after === refused) return refused
          if (after !== value[name]) {
            value[name] = after
            report.changed = true
          }
        }
        return value
      }
    }
    case "Struct":
      return structConverter(path, type.fields, forms)
  }
}

/** Most digits of an integer that are examined; longer ones exceed 64 bits. */
const mostDigits = 38

/** An integer of up to 15 digits as a number, in any notation: `1.0`, `1e2`, `-0.0`. */
const wholeNumber = (value: unknown): number | undefined => {
  if (typeof value === "number") return Number.isInteger(value) ? value + 0 : undefined
  if (!(value instanceof ExactJson.ExactNumber)) return undefined
  const digits = DecimalText.plain(value.source, mostDigits, 0)
  return digits === undefined || digits.length > 15 ? undefined : Number(digits)
}

/**
 * A 64-bit integer as a number, or as text beyond 2^53. Text may use any number notation: `1.0`,
 * `1e2`, `+5`.
 */
const bigInteger = (value: unknown, tag: IntegerTag): number | string | undefined => {
  const [min, max] = integerRange(tag)
  if (typeof value === "number") {
    return Number.isSafeInteger(value) && value >= min && value <= max ? value + 0 : undefined
  }
  const text = value instanceof ExactJson.ExactNumber ? value.source : value
  const digits = typeof text === "string" ? DecimalText.plain(text, mostDigits, 0) : undefined
  if (digits === undefined) return undefined
  const exact = BigInt(digits)
  if (exact < min || exact > max) return undefined
  return value instanceof ExactJson.ExactNumber && Number.isSafeInteger(Number(exact))
    ? Number(exact)
    : digits
}

/**
 * A lone surrogate as `JSON.stringify` writes it. When the backslash before the `u` is itself
 * escaped, it is plain text.
 */
const loneSurrogate = /(?<!\\)(?:\\\\)*\\ud[89a-f]/

/** Deepest nesting of a VARIANT that the local server stores. */
const deepestVariant = 500

/**
 * Whether a VARIANT can hold a JSON value: not too deep, and its numbers in the range of DOUBLE.
 */
const isStorable = (value: unknown, depth: number): boolean => {
  if (typeof value === "number") return Number.isFinite(value)
  if (value instanceof ExactJson.ExactNumber) return Number.isFinite(Number(value.source))
  if (typeof value !== "object" || value === null) return true
  return depth > 0 && Object.values(value).every((item) => isStorable(item, depth - 1))
}

/**
 * A VARIANT is sent as JSON text. Text that is valid JSON stays unchanged; everything else is
 * written as JSON. Undefined when a VARIANT cannot hold the value.
 */
const variantText = (value: unknown): string | KeyTwice | undefined => {
  let json = value
  let text: string | undefined
  if (typeof value === "string") {
    try {
      json = JSON.parse(value)
      text = value
    } catch {
      json = value
    }
  }
  if (!isStorable(json, deepestVariant)) return undefined
  const twice = text === undefined ? undefined : keyTwice(text)
  if (twice !== undefined) return new KeyTwice(twice)
  const written = ExactJson.stringify(json)
  return loneSurrogate.test(written) ? undefined : (text ?? written)
}

const isTime = ({ _tag }: ColumnType): boolean =>
  _tag === "Date" || _tag === "Timestamp" || _tag === "TimestampNtz"

const trueTexts = new Set(["true", "t", "yes", "y", "1"])
const falseTexts = new Set(["false", "f", "no", "n", "0"])

/**
 * The value of a CSV field or map key as in JSON. Text that does not fit stays text and is refused
 * later.
 */
export const readCell = (type: ColumnType, text: string, forms: ValueForms): unknown => {
  switch (type._tag) {
    case "Boolean": {
      const word = text.trim().toLowerCase()
      return trueTexts.has(word) ? true : falseTexts.has(word) ? false : text
    }
    case "TinyInt":
    case "SmallInt":
    case "Int":
    case "BigInt":
    case "Float":
    case "Double":
    case "Date":
    case "Timestamp":
    case "TimestampNtz": {
      const number = text.trim()
      // Digits without separators may match the user's format.
      const format = type._tag === "Date" ? forms.dateFormat : forms.timestampFormat
      if (format !== undefined && isTime(type)) return number
      return numberText.test(number) ? new ExactJson.ExactNumber(number) : number
    }
    case "String":
    case "Variant":
      return text
    case "Array":
    case "Map":
    case "Struct":
      try {
        const json = ExactJson.parse(text)
        const twice = keyTwice(text)
        return twice === undefined ? json : new KeyTwice(twice)
      } catch {
        return text
      }
    case "Binary":
    case "Decimal":
      return text.trim()
  }
}
