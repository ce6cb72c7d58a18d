/**
 * Finds objects whose content `JSON.stringify` silently omits: a promise without `await`, a Map, a
 * Set, an Error. They become `{}`, and the record would be durable without that data.
 *
 * The record itself is refused when it is one of these, or an Effect. Nested objects are refused
 * when nothing is left of them. Those are found in the text: searching for `{}` costs a small part
 * of checking every field, or of a replacer.
 */
import * as Effect from "effect/Effect"
import { describeValue } from "./describeValue.ts"

/** The loss: its path, the kind of value, and what to do instead. */
export interface JsonLoss {
  readonly path: ReadonlyArray<string | number>
  readonly what: string
  readonly advice: string
}

const bare: JsonLoss = {
  path: [],
  what: "an object without fields of its own",
  advice:
    "JSON ignores getters and private fields: pass a plain object, or add a toJSON to the class."
}

const asText = "Turn it into text first, such as base64, or into an array."
const asPlain = "Pass its content as plain values."

/** Advice for a value of which JSON keeps nothing, by its kind. */
const advices: ReadonlyMap<string, string> = new Map([
  ["a promise", "Await it before passing it."],
  ["an Effect", "Run it first, as yield* does, and pass its result."],
  ["bytes", asText],
  ["binary data", asText],
  ["a Map", "Turn it into an object first, as Object.fromEntries does."],
  ["a Set", "Turn it into an array first, as Array.from does."],
  ["a WeakMap", asPlain],
  ["a WeakSet", asPlain],
  ["a WeakRef", asPlain],
  ["a RegExp", "Turn it into text first, as String does."],
  ["an Error", "Pick the fields to send, such as its name and message."]
])

/**
 * Kinds that are refused as a record even with a toJSON: Buffers have one, and Effects have one for
 * logs.
 */
const neverRecords: ReadonlySet<string> = new Set([
  "a promise",
  "an Effect",
  "bytes",
  "binary data"
])

const hasToJson = (value: object): boolean =>
  typeof (value as { readonly toJSON?: unknown }).toJSON === "function"

/** Whether the object is a literal, of this realm or another. */
const isLiteral = (value: object): boolean => {
  const prototype: object | null = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

const lossOfKind = (value: object): JsonLoss | undefined => {
  const what = describeValue(value)
  const advice = advices.get(what)
  return advice === undefined ? undefined : { path: [], what, advice }
}

/** What JSON would omit from an object that is to be a record, before it is written. */
export const lossOfRecord = (record: object): JsonLoss | undefined =>
  // Nearly always a literal. Reading its prototype would take ten times as long.
  record.constructor === Object && !Effect.isEffect(record) ? undefined : lossOfInstance(record)

const lossOfInstance = (record: object): JsonLoss | undefined => {
  const loss = lossOfKind(record)
  if (loss !== undefined && neverRecords.has(loss.what)) return loss
  if (hasToJson(record)) return undefined
  return loss ?? (isLiteral(record) || Object.keys(record).length > 0 ? undefined : bare)
}

/**
 * What is lost from objects inside a record, given its text. Objects with a `toJSON` define their
 * own form.
 */
export const lossInText = (text: string, record: object): JsonLoss | undefined =>
  // A record without nested objects has its first closing brace at the end. Searching for that
  // single character is cheap.
  text.indexOf("}") < text.length - 1 && text.includes("{}") ? lossWithin(record) : undefined

// The record could be serialized, so it has no cycles, except behind a toJSON.
const lossWithin = (value: object): JsonLoss | undefined => {
  if (hasToJson(value)) return undefined
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const found = lossOfField(value[index])
      if (found !== undefined) return { ...found, path: [index, ...found.path] }
    }
    return undefined
  }
  for (const key in value) {
    const found = lossOfField((value as Readonly<Record<string, unknown>>)[key])
    if (found !== undefined && Object.hasOwn(value, key))
      return { ...found, path: [key, ...found.path] }
  }
  return undefined
}

const lossOfField = (value: unknown): JsonLoss | undefined =>
  typeof value !== "object" || value === null
    ? undefined
    : Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype
      ? lossWithin(value)
      : (lossWithin(value) ?? lossOfEmpty(value))

const lossOfEmpty = (value: object): JsonLoss | undefined =>
  Object.keys(value).length > 0 || hasToJson(value)
    ? undefined
    : (lossOfKind(value) ?? (isLiteral(value) || isBoxed(value) ? undefined : bare))

/** Number, String and Boolean objects are written as their value. */
const isBoxed = (value: object): boolean => typeof value.valueOf() !== "object"
