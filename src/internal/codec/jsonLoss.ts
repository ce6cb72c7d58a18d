/**
 * Finds objects whose content `JSON.stringify` leaves out without a word: a promise whose `await` was forgotten, a Map, a Set, an Error.
 * They become `{}`, and the record would be durable without what its sender meant.
 *
 * The record itself is refused when it is any of these, or an Effect. Of what it holds, objects are refused of which nothing is left, and
 * those are found in the text: a search for `{}` costs a small part of what looking at every field, or a replacer, does.
 */
import * as Effect from "effect/Effect"

/** What is lost: where, what it is, and what to do instead. */
export interface JsonLoss {
  readonly path: ReadonlyArray<string | number>
  readonly what: string
  readonly advice: string
}

const loss = (what: string, advice: string): JsonLoss => ({ path: [], what, advice })

const promise = loss("a promise", "Await it before it is handed in.")
const effect = loss("an Effect", "Run it first, as yield* does, and hand in its result.")
const bytes = loss("binary data", "Turn it into text first, such as base64, or into an array.")
const bare = loss(
  "an object without fields of its own",
  "JSON does not see getters and private fields: hand in a plain object, or give the class a toJSON."
)
const weak = (name: string): JsonLoss => loss(`a ${name}`, "Hand in its content as plain values.")

/** Kinds by the tag that `Object.prototype.toString` gives: it is the same for objects of another realm. */
const kinds: ReadonlyMap<string, JsonLoss> = new Map([
  ["Map", loss("a Map", "Turn it into an object first, as Object.fromEntries does.")],
  ["Set", loss("a Set", "Turn it into an array first, as Array.from does.")],
  ["WeakMap", weak("WeakMap")],
  ["WeakSet", weak("WeakSet")],
  ["WeakRef", weak("WeakRef")],
  ["RegExp", loss("a RegExp", "Turn it into text first, as String does.")],
  ["Error", loss("an Error", "Pick the fields to send, such as its name and message.")],
  ["ArrayBuffer", bytes],
  ["SharedArrayBuffer", bytes]
])

const hasMethod = (value: object, name: "then" | "toJSON"): boolean =>
  typeof (value as { readonly then?: unknown; readonly toJSON?: unknown })[name] === "function"

/** Whether the object is a literal, of this realm or another one. */
const isLiteral = (value: object): boolean => {
  const prototype: object | null = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

const kindOf = (value: object): JsonLoss | undefined =>
  hasMethod(value, "then")
    ? promise
    : ArrayBuffer.isView(value)
      ? bytes
      : kinds.get(Object.prototype.toString.call(value).slice(8, -1))

/** What JSON leaves out of an object that is to be a record, before it is written. */
export const lossOfRecord = (record: object): JsonLoss | undefined =>
  // Nearly always a literal; asking for its prototype would cost ten times as much.
  record.constructor === Object && !Effect.isEffect(record) ? undefined : lossOfInstance(record)

const lossOfInstance = (record: object): JsonLoss | undefined => {
  const kind = kindOf(record)
  if (kind === promise || kind === bytes) return kind
  // Before toJSON: an Effect has one for logs. Errors of Effect are Effects too, but their toJSON gives their fields.
  if (kind === undefined && Effect.isEffect(record)) return effect
  if (hasMethod(record, "toJSON")) return undefined
  return kind ?? (isLiteral(record) || Object.keys(record).length > 0 ? undefined : bare)
}

/** What is lost of the objects that a record holds, given its text; what has a `toJSON` says itself what it is. */
export const lossInText = (text: string, record: object): JsonLoss | undefined =>
  // A record without objects in it ends at its first brace, and that is a single character to search for.
  text.indexOf("}") < text.length - 1 && text.includes("{}") ? lossWithin(record) : undefined

// The record could be written, so it has no cycles but behind a toJSON.
const lossWithin = (value: object): JsonLoss | undefined => {
  if (hasMethod(value, "toJSON")) return undefined
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const found = lossOfField(value[index])
      if (found !== undefined) return { ...found, path: [index, ...found.path] }
    }
    return undefined
  }
  for (const key in value) {
    const found = lossOfField((value as Readonly<Record<string, unknown>>)[key])
    if (found !== undefined && Object.hasOwn(value, key)) return { ...found, path: [key, ...found.path] }
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
  Object.keys(value).length > 0 || hasMethod(value, "toJSON")
    ? undefined
    : (kindOf(value) ?? (isLiteral(value) || isBoxed(value) ? undefined : bare))

/** Number, String and Boolean objects are written as their value. */
const isBoxed = (value: object): boolean => typeof value.valueOf() !== "object"
