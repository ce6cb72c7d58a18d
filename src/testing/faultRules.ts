/**
 * Validation rules for scripted faults. A fault that could never trigger is refused at injection;
 * otherwise the test that needs it would pass without it.
 */
import {
  checkOptions,
  count,
  either,
  type OptionRule,
  type OptionRules,
  oneOf,
  required,
  text,
  that
} from "../internal/optionRules.ts"
import type { Fault, FaultAction } from "../local/faults/faultScript.ts"
import { InvalidArgument } from "../ZerobusError.ts"

const millis = that(
  "milliseconds from 0 to 2147483647 (24 days)",
  (value) => typeof value === "number" && value >= 0 && value < 2 ** 31
)
const bytes = that("bytes (Uint8Array)", (value) => value instanceof Uint8Array)
const offsets = that(
  "an array of wire offsets from 0",
  (value) => Array.isArray(value) && value.every((ack) => count(0).accepts(ack?.offset))
)
const latency = that(
  "a Latency",
  (value) =>
    typeof value === "object" && value !== null && "_tag" in value && typeof value._tag === "string"
)

type Member<Tag> = Extract<FaultAction, { readonly _tag: Tag }>

/** The fields of each action, apart from its tag. */
const actions: { readonly [Tag in FaultAction["_tag"]]: OptionRules<Omit<Member<Tag>, "_tag">> } = {
  Cut: { how: required(oneOf("reset", "fin")) },
  Status: { code: required(count(0)), message: required(text("text")), details: bytes },
  End: {},
  Hold: {},
  Delay: { millis: required(millis) },
  Skip: {},
  Lose: {},
  CloseSignal: { afterMillis: required(millis) },
  BadAck: { kind: required(oneOf("future", "lower", "repeated", "negative", "missing")) },
  Raw: { bytes: required(bytes) },
  AckAndClose: { afterMillis: required(millis) },
  Committed: { by: required(that("a whole number", Number.isSafeInteger)) },
  ExpireToken: {},
  AckAt: {
    acks: required(offsets),
    afterwards: required(oneOf("automatic", "silence", "halfClose"))
  },
  AckLatency: { latency: required(latency), seed: required(that("a number", Number.isFinite)) }
}

const action: OptionRule = {
  words: `an object whose _tag is one of ${Object.keys(actions).join(", ")}`,
  accepts: (value) =>
    typeof value === "object" &&
    value !== null &&
    "_tag" in value &&
    Object.hasOwn(actions, String(value._tag))
}

const rules: OptionRules<Fault> = {
  at: required(oneOf("connect", "create", "resume", "message", "durable", "ack", "halfClose")),
  nth: count(),
  afterRecords: count(),
  offset: count(0),
  connection: count(),
  times: either(
    count(),
    that("Infinity", (value) => value === Infinity)
  ),
  action: required(action)
}

/**
 * The problem with a fault that could not trigger, with its path. `within` is the path of the fault
 * itself.
 */
export const faultProblem = (
  fault: Fault,
  within: ReadonlyArray<string | number>
): InvalidArgument | undefined => {
  const wrong = checkOptions(rules, fault, within)
  if (wrong !== undefined) return wrong
  const { _tag, ...rest } = fault.action
  return (
    checkOptions(actions[_tag] as OptionRules, rest, [...within, "action"]) ??
    contradiction(fault, within)
  )
}

const contradiction = (
  { action: { _tag }, at, ...when }: Fault,
  within: ReadonlyArray<string | number>
): InvalidArgument | undefined => {
  const refuse = (field: string, why: string) =>
    new InvalidArgument({
      message: `The option ${[...within, field].join(".")} ${why}.`,
      path: [...within, field]
    })
  const given = (["offset", "afterRecords", "nth"] as const).filter(
    (field) => when[field] !== undefined
  )
  if (_tag === "AckAt" || _tag === "AckLatency") {
    if (at !== "ack") return refuse("at", `must be "ack" for ${_tag}`)
    if (given[0] !== undefined)
      return refuse(given[0], `is not allowed for ${_tag}, which applies to a whole connection`)
  }
  if (given.length > 1)
    return refuse(given.at(-1)!, `cannot be given together with ${given[0]}; leave one of them out`)
  if (when.offset !== undefined && !["message", "durable", "ack"].includes(at)) {
    return refuse(
      "offset",
      `is not allowed for the point "${at}", which has no wire offset; give nth`
    )
  }
  if (_tag === "Committed" && at !== "resume") return refuse("at", 'must be "resume" for Committed')
  if (_tag === "Lose" && at !== "message") return refuse("at", 'must be "message" for Lose')
  return undefined
}
