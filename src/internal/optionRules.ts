/**
 * One mechanism for all options of the client: a rule per option defines what it may be, in code
 * and in words. A table of rules checks a whole object, refuses unknown names, and gives the path
 * of an invalid option. Values are never quoted: they may be secrets.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { InvalidArgument } from "../ZerobusError.ts"

/** What one option may be. */
export interface OptionRule {
  /** The end of the sentence "The option x must be ...". */
  readonly words: string
  readonly accepts: (value: unknown) => boolean
  /** Nested options. An object is checked by them instead of by `accepts`. */
  readonly fields?: OptionRules
  /** Whether the option is mandatory. */
  readonly required?: boolean
}

/** A rule for every option of `Options`: one without a rule does not compile. */
export type OptionRules<Options = Readonly<Record<string, unknown>>> = {
  readonly [Name in keyof Required<Options>]: OptionRule
}

/** The longest wait a timer can represent, in milliseconds. */
const LONGEST_WAIT = 2 ** 31 - 1

/** A whole number. */
export const count = (min = 1, max = Number.MAX_SAFE_INTEGER): OptionRule => ({
  words: `a whole number from ${min} to ${max}`,
  accepts: (value) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
})

/**
 * A duration that a timer can wait for: above zero unless `from` states otherwise, in milliseconds.
 */
export const duration = (from: "above zero" | "from zero" | "from 1 millisecond"): OptionRule => ({
  words: `a duration ${from}, such as "15 seconds", at most ${LONGEST_WAIT} milliseconds (24 days)`,
  accepts: (value) => {
    const millis = millisOf(value)
    const enough = from === "above zero" ? millis > 0 : millis >= (from === "from zero" ? 0 : 1)
    return enough && millis <= LONGEST_WAIT
  }
})

/** A duration that no timer waits for, so it may be infinite. */
export const period: OptionRule = {
  words: 'a duration above zero, such as "15 seconds"',
  accepts: (value) => millisOf(value) > 0
}

const units = [
  "weeks",
  "days",
  "hours",
  "minutes",
  "seconds",
  "milliseconds",
  "microseconds",
  "nanoseconds"
] as const

/**
 * The milliseconds of a duration. `NaN` for anything else, including values that Effect accepts as
 * zero: NaN, `{}`, a Date.
 */
const millisOf = (value: unknown): number => {
  if (typeof value === "number") return value
  if (typeof value === "object" && !Duration.isDuration(value)) {
    if (value === null) return Number.NaN
    const parts = Array.isArray(value)
      ? value
      : units
          .map((unit) => (value as Readonly<Record<string, unknown>>)[unit])
          .filter((part) => part !== undefined)
    if (parts.length === 0 || parts.some((part) => typeof part !== "number" || Number.isNaN(part)))
      return Number.NaN
  }
  return Option.match(Duration.fromInput(value as Duration.Input), {
    onNone: () => Number.NaN,
    onSome: Duration.toMillis
  })
}

/** `true` or `false`. */
export const flag: OptionRule = {
  words: "true or false",
  accepts: (value) => typeof value === "boolean"
}

/** Text that matches the pattern after trimming. */
export const text = (words: string, pattern = /^[^]*$/): OptionRule => ({
  words,
  accepts: (value) => typeof value === "string" && pattern.test(value.trim())
})

/** Text, or several of them. */
export const texts = (words: string): OptionRule => ({
  words,
  accepts: (value) =>
    typeof value === "string" ||
    (Array.isArray(value) && value.every((item) => typeof item === "string"))
})

/** One of a few values. */
export const oneOf = (...values: ReadonlyArray<string | false>): OptionRule => ({
  words: values.map((value) => JSON.stringify(value)).join(" or "),
  accepts: (value) => values.some((known) => known === value)
})

/** Text that logs do not show. */
export const secret: OptionRule = {
  words: "a text that is wrapped with Redacted.make",
  accepts: (value) => {
    if (!Redacted.isRedacted(value)) return false
    try {
      return typeof Redacted.value(value) === "string"
    } catch {
      // Its text was wiped.
      return false
    }
  }
}

/** Any value that a predicate accepts. */
export const that = (words: string, accepts: (value: unknown) => boolean): OptionRule => ({
  words,
  accepts
})

/** What either rule accepts. */
export const either = (one: OptionRule, other: OptionRule): OptionRule => ({
  ...one,
  ...other,
  words: `${one.words}, or ${other.words}`,
  accepts: (value) => one.accepts(value) || other.accepts(value)
})

/** An object of further options. */
export const fields = <Options>(rules: OptionRules<Options>): OptionRule => ({
  words: `an object with ${inWords(Object.keys(rules))}`,
  accepts: () => false,
  fields: rules as OptionRules
})

/** A mandatory option. */
export const required = (rule: OptionRule): OptionRule => ({ ...rule, required: true })

const inWords = (names: ReadonlyArray<string>): string =>
  names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`

/**
 * Whether the value is an object of options: a literal, or an instance with at least one of the
 * options. A Redacted, for example, has none.
 */
const isOptions = (value: unknown, rules: object): value is Readonly<Record<string, unknown>> => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false
  const prototype: object | null = Object.getPrototypeOf(value)
  const literal = prototype === null || Object.getPrototypeOf(prototype) === null
  return literal || Object.keys(rules).some((name) => name in value)
}

const refuse = (path: ReadonlyArray<string | number>, words: string): InvalidArgument =>
  new InvalidArgument({
    message:
      `${path.length === 0 ? "The options" : `The option ${path.join(".")}`} must be ` +
      `${words}.`,
    path
  })

/**
 * The first option that breaks its rule, or has none. An option that is `undefined` counts as
 * missing. `within` is the path of the options themselves.
 */
export const checkOptions = <Options>(
  rules: OptionRules<Options>,
  options: unknown,
  within: ReadonlyArray<string | number> = []
): InvalidArgument | undefined => {
  if (!isOptions(options, rules)) return refuse(within, fields(rules).words)
  for (const name in rules) {
    const rule: OptionRule = rules[name]
    const value = options[name]
    if (value === undefined ? rule.required !== true : rule.accepts(value)) continue
    const path = [...within, name]
    if (rule.fields === undefined || !isOptions(value, rule.fields)) return refuse(path, rule.words)
    const inner = checkOptions(rule.fields, value, path)
    if (inner !== undefined) return inner
  }
  for (const name of Object.keys(options)) {
    if (options[name] === undefined || Object.hasOwn(rules, name)) continue
    const shown = /^\w{1,64}$/.test(name) ? name : "(not a plain name)"
    const path = [...within, shown]
    const message =
      `There is no option ${path.join(".")}. The options here are ` +
      `${inWords(Object.keys(rules))}.`
    return new InvalidArgument({ message, path })
  }
  return undefined
}
