/**
 * Finds values of a schema for which JSON and the service have different forms: dates and times,
 * durations, maps and options. The server would refuse their JSON form and end the stream, so they
 * are refused at the call.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"

/** A value for which the service requires another form. */
export interface ForeignForm {
  readonly path: ReadonlyArray<string | number>
  readonly what: string
  readonly advice: string
}

const time =
  "Use the form that the service takes, a number: microseconds since 1970 for TIMESTAMP, " +
  "days for " +
  "DATE. Or use Table.make, which converts it, or Schema.DateFromString for a STRING column."

const kinds: ReadonlyArray<
  readonly [is: (value: object) => boolean, what: string, advice: string]
> = [
  [(value) => value instanceof Date, "a Date", time],
  [DateTime.isDateTime, "a DateTime", time],
  [Duration.isDuration, "a Duration", "Use a number or a text instead."],
  [
    (value) => value instanceof Map || HashMap.isHashMap(value),
    "a Map",
    "A MAP column takes an object, such as that of Schema.Record."
  ],
  [
    (value) => Option.isOption(value) || Result.isResult(value),
    "an Option or Result",
    "Use the value or null, as Schema.NullOr does."
  ]
]

/**
 * Returns a function that finds such values in a record, or `undefined` when the encoded side of
 * the schema has only plain values.
 */
export const foreignFormsOf = <A, I>(
  schema: Schema.Codec<A, I>
): ((record: unknown) => ForeignForm | undefined) | undefined => {
  if (!mayHold(SchemaAST.toEncoded(schema.ast), new Set())) return undefined
  const encode = Schema.encodeUnknownResult(schema)
  return (record) => {
    const encoded = encode(record)
    return Result.isFailure(encoded) ? undefined : find(encoded.success)
  }
}

/** Whether a schema or a part of it is a class or can be anything. */
const mayHold = (part: unknown, seen: Set<unknown>): boolean => {
  if (typeof part !== "object" || part === null || seen.has(part)) return false
  seen.add(part)
  if (
    "_tag" in part &&
    /^(?:Declaration|Suspend|Unknown|Any|ObjectKeyword)$/.test(String(part._tag))
  )
    return true
  return Object.entries(part).some(([key, value]) => key !== "annotations" && mayHold(value, seen))
}

const find = (value: unknown): ForeignForm | undefined => {
  if (typeof value !== "object" || value === null) return undefined
  for (const [is, what, advice] of kinds) if (is(value)) return { path: [], what, advice }
  // Fields of other classes are private to them, such as the digits of a decimal.
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null && !Array.isArray(value))
    return undefined
  for (const [key, inner] of Object.entries(value)) {
    const found = find(inner)
    if (found !== undefined)
      return { ...found, path: [Array.isArray(value) ? Number(key) : key, ...found.path] }
  }
  return undefined
}
