/**
 * What a seed decides before its run starts: the pace of network and server, the streams and their
 * options, and the faults with their times.
 */
import type { StreamConfigurationOptions } from "effect-zerobus"
import type { Fault, FaultAction, FaultPoint } from "../../src/local/faults/faultScript.ts"
import { type HostilePlan, makeHostile } from "./hostile.ts"
import type { SchedulePlan } from "./virtualTime.ts"
import type { StreamSettings } from "./history.ts"
import { makeRandom, type SeededRandom } from "./seededRandom.ts"
import { refuse, type Refusing } from "./refusing.ts"
import { type TokenPlan, widen, type Wider } from "./wider.ts"

/** The faults of a run. `calm` has none; `hostile` has a server that sends false responses. */
export const profiles = [
  "calm",
  "lossy",
  "rotating",
  "killing",
  "auth",
  "slow",
  "refusing",
  "mixed",
  "hostile"
] as const
export type Profile = (typeof profiles)[number]

/** A fault with its time; scripted faults go to the server's fault script. */
export type TimedFault = { readonly at: number } & (
  | {
      readonly kind: "cut"
      readonly sees: "both" | "client" | "server"
      readonly otherAfter: number
    }
  | {
      readonly kind: "blackHole"
      readonly up: boolean
      readonly down: boolean
      readonly foundAfter: number
    }
  | { readonly kind: "stall"; readonly direction: "up" | "down"; readonly millis: number }
  | {
      readonly kind: "kill"
      readonly downFor: number
      readonly how: "refused" | "unavailable" | "silent"
    }
  | { readonly kind: "shutdown"; readonly downFor: number }
  | { readonly kind: "revoke"; readonly live: boolean }
  | { readonly kind: "storage"; readonly groups: number }
  | { readonly kind: "pressure"; readonly millis: number }
  | { readonly kind: "clockJump"; readonly millis: number }
  | { readonly kind: "script"; readonly fault: Fault }
  | { readonly kind: "release" }
  | { readonly kind: "lie"; readonly what: Lie }
)

/** The false responses of a hostile server. */
export const lies = [
  "beyond",
  "farBeyond",
  "missing",
  "negative",
  "repeated",
  "lower",
  "unknown",
  "empty",
  "malformed",
  "created",
  "premature",
  "nagging",
  "nagging",
  "ackAndClose",
  "closeWithoutDuration"
] as const
export type Lie = (typeof lies)[number]

/**
 * The form of a stream's records: JSON text, bytes, objects of a typed table, or objects of a
 * schema sent as JSON.
 */
export type Format = "json" | "proto" | "typed" | "schema"

/** The version of the program that a plan is for. Each past failure names its generation. */
export type Generation = 1 | 2 | 3 | 4 | 5

export interface StreamPlan {
  readonly format: Format
  readonly startAt: number
  readonly options: StreamConfigurationOptions
  readonly settings: StreamSettings
  readonly workers: number
  readonly operations: number
  readonly pace: number
  /** The probability that a call is interrupted. */
  readonly interrupts: number
  readonly leave: "close" | "flushAndClose" | "scope" | "concurrentCloses"
  readonly recreates: number
  readonly invalidates: boolean
  readonly wider?: Wider
  readonly refusing?: Refusing
}

export interface Plan {
  readonly generation: Generation
  /** Users whose code throws; since the third generation. */
  readonly hostile?: HostilePlan
  /** Many streams open at once. */
  readonly crowd?: boolean
  /** A run of days: the world drops connections that are over. */
  readonly soak?: boolean
  /** All streams share one connection, so that its faults affect all of them. */
  readonly shared?: boolean
  /**
   * The token service behind the real cache. Without it, each stream's provider makes its own
   * tokens.
   */
  readonly tokens?: TokenPlan | undefined
  readonly profile: Profile
  readonly schedule: SchedulePlan
  /** Faults stop at this time, in milliseconds. */
  readonly horizon: number
  readonly latency: readonly [number, number]
  readonly window: number
  readonly sentLag: number
  readonly fsync: readonly [number, number]
  readonly ackInterval: number
  readonly streamLife: number
  readonly closeGrace: number
  readonly readDelay: number
  readonly maxUndurableBytes: number
  readonly tokenLife: number
  readonly tokenFailures: number
  readonly poison: boolean
  readonly faults: ReadonlyArray<TimedFault>
  readonly streams: ReadonlyArray<StreamPlan>
}

/** The plan of a seed. */
export const makePlan = (seed: string, generation: Generation = 5): Plan => {
  const plan = makeNarrow(seed)
  if (generation === 1) return plan
  const wider = widen(plan, seed)
  if (generation === 2) return wider
  const random = makeRandom(`${seed}/hostile`)
  const hostile = {
    ...wider,
    generation,
    ...(random.chance(0.4) ? { hostile: makeHostile(random) } : {})
  }
  return generation === 3 ? hostile : refuse(hostile, seed)
}

const makeNarrow = (seed: string): Plan => {
  const random = makeRandom(`${seed}/plan`)
  const profile = random.pick(profiles)
  const horizon = random.pick([500, 5_000, 30_000, 120_000])
  const slow = profile === "slow"
  const fast = random.between(0, 3)
  const has = (...names: ReadonlyArray<Profile>) => names.includes(profile)
  return {
    generation: 1,
    profile,
    horizon,
    schedule: { shuffle: random.pick([0, 0, 0.2, 0.7]), yields: random.pick([0, 0.01, 0.1, 0.3]) },
    latency: [fast, fast + random.pick([0, 2, 20, slow ? 2_000 : 50])],
    window: random.pick([1, 2, 16, 64]),
    sentLag: random.pick([0, 0, 1, 30]),
    fsync: [0, random.pick([1, 10, slow ? 5_000 : 100])],
    ackInterval: random.pick([0, 0, 5, 50]),
    streamLife:
      has("rotating") || (has("mixed") && random.chance(0.3))
        ? random.pick([100, 1_000, 20_000])
        : Infinity,
    closeGrace: random.pick([0, 50, 1_000, 5_000]),
    readDelay: slow ? random.pick([0, 10, 1_000]) : 0,
    maxUndurableBytes: random.pick([200, 10_000, 1_000_000]),
    tokenLife: has("auth", "mixed") ? random.pick([200, 5_000, 60_000]) : Infinity,
    tokenFailures: has("auth") ? random.pick([0, 0.1, 0.4]) : 0,
    poison: has("refusing") && random.chance(0.2),
    faults: profile === "calm" ? [] : makeFaults(random.fork("faults"), profile, horizon),
    streams: Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, (_, i) =>
      makeStream(random.fork(`stream${i}`), horizon)
    )
  }
}

/** Faults of a profile, at moments before the horizon. */
export const makeFaults = (
  random: SeededRandom,
  profile: Profile,
  horizon: number
): ReadonlyArray<TimedFault> => {
  const count = random.between(1, random.pick([2, 6, 15]))
  return Array.from({ length: count }, () => {
    const kind = random.pick(kindsOf[profile])
    return {
      at: Math.floor(random.float() * (random.chance(0.5) ? horizon : Math.min(horizon, 500))),
      ...makeFault(random, kind, profile)
    }
  })
}

type Kind = TimedFault["kind"]

const kindsOf: Record<Profile, ReadonlyArray<Kind>> = {
  calm: [],
  lossy: ["cut", "cut", "cut", "blackHole", "stall", "script"],
  rotating: ["script", "script", "cut", "stall", "shutdown"],
  killing: ["kill", "kill", "shutdown", "cut", "storage", "script"],
  auth: ["revoke", "revoke", "cut", "script"],
  slow: ["stall", "pressure", "stall", "script", "storage", "clockJump"],
  refusing: ["script", "script", "kill", "cut"],
  mixed: [
    "cut",
    "blackHole",
    "stall",
    "kill",
    "shutdown",
    "revoke",
    "storage",
    "pressure",
    "clockJump",
    "script",
    "release"
  ],
  hostile: ["lie", "lie", "cut", "script"]
}

type Without<F> = F extends unknown ? Omit<F, "at"> : never

const makeFault = (random: SeededRandom, kind: Kind, profile: Profile): Without<TimedFault> => {
  const later = () => random.pick([0, 10, 1_000, 30_000])
  switch (kind) {
    case "cut":
      return { kind, sees: random.pick(["both", "client", "server"]), otherAfter: later() }
    case "blackHole": {
      const both = random.chance(0.5)
      const up = both || random.chance(0.5)
      return { kind, up, down: both || !up, foundAfter: random.pick([30_000, 2_000, 600_000]) }
    }
    case "stall":
      return {
        kind,
        direction: random.pick(["up", "down"]),
        millis: random.pick([20, 1_000, 20_000, 200_000])
      }
    case "kill":
      return {
        kind,
        downFor: random.pick([0, 10, 3_000, 20_000]),
        how: random.pick(["refused", "unavailable", "silent"])
      }
    case "shutdown":
      return { kind, downFor: random.pick([0, 100, 3_000]) }
    case "revoke":
      return { kind, live: random.chance(0.6) }
    case "storage":
      return { kind, groups: random.between(1, 3) }
    case "pressure":
      return { kind, millis: random.pick([10, 2_000, 90_000]) }
    case "clockJump":
      return { kind, millis: random.pick([-3_600_000, -5_000, 5_000, 120_000, 3_600_000]) }
    case "lie":
      return { kind, what: random.pick(lies) }
    case "release":
      return { kind }
    case "script":
      return { kind, fault: makeScripted(random, profile) }
  }
}

const retryableCodes = [1, 2, 4, 8, 10, 13, 14, 14, 14, 15]
const finalCodes = [3, 5, 7, 9, 11, 12, 16]

const makeScripted = (random: SeededRandom, profile: Profile): Fault => {
  const at = random.pick<FaultPoint>([
    "connect",
    "create",
    "create",
    "message",
    "durable",
    "ack",
    "ack",
    "halfClose"
  ])
  const status = (): FaultAction => ({
    _tag: "Status",
    code: random.pick(profile === "refusing" && random.chance(0.4) ? finalCodes : retryableCodes),
    message: "scripted"
  })
  const actions: Array<() => FaultAction> = [
    () => ({ _tag: "Cut", how: random.pick(["reset", "fin"]) }),
    status,
    status,
    () => ({ _tag: "End" }),
    () => ({ _tag: "Delay", millis: random.pick([5, 500, 10_000, 100_000]) }),
    () => ({ _tag: "CloseSignal", afterMillis: random.pick([0, 100, 2_000, 10_000]) })
  ]
  if (profile === "mixed") actions.push(() => ({ _tag: "Hold" }))
  // After a skipped message the server would acknowledge a record that it never stored, and
  // skipping a connect has no effect.
  if (at !== "message" && at !== "connect") actions.push(() => ({ _tag: "Skip" }))
  if (profile === "hostile" && at === "ack") {
    actions.push(() => ({
      _tag: "BadAck",
      kind: random.pick(["future", "lower", "repeated", "negative", "missing"])
    }))
  }
  let action = random.pick(actions)()
  if (profile === "rotating" && random.chance(0.6)) {
    action = { _tag: "CloseSignal", afterMillis: random.pick([0, 100, 2_000, 10_000]) }
  }
  // The end cannot be announced before the stream was created.
  if (action._tag === "CloseSignal" && (at === "connect" || at === "create")) action = status()
  return { at, nth: random.between(1, 4), times: random.pick([1, 1, 1, 3, 8]), action }
}

const makeStream = (random: SeededRandom, horizon: number): StreamPlan => {
  const settings: StreamSettings = {
    maxInflightRecords: random.pick([1, 2, 5, 20, 20, 100, 10_000]),
    maxInflightBytes: random.pick([700, 5_000, 400_100, 134_217_728]),
    recovery: random.chance(0.9),
    recoveryTimeout: random.pick([500, 5_000, 15_000]),
    recoveryBackoff: random.pick([0, 10, 2_000]),
    recoveryRetries: random.pick([0, 1, 4, 4, 20]),
    serverLackOfAckTimeout: random.pick([2_000, 20_000, 60_000]),
    flushTimeout: random.pick([100, 10_000, 300_000]),
    drainTimeout: random.pick([0, 50, 500]),
    scopeCloseTimeout: random.pick([0, 1_000, 30_000])
  }
  const pausedMax = random.pick([undefined, undefined, 0, 100, 5_000])
  const batching = random.pick<StreamConfigurationOptions["batching"]>([
    undefined,
    undefined,
    "off",
    { maxRecords: 3 },
    { maxBytes: 120 }
  ])
  return {
    format: random.pick(["json", "proto"]),
    startAt: random.pick([0, 0, 100, Math.floor(horizon / 2)]),
    settings,
    options: {
      ...settings,
      ...(pausedMax === undefined ? {} : { streamPausedMaxWaitTime: pausedMax }),
      ...(batching === undefined ? {} : { batching })
    },
    workers: random.between(1, 3),
    operations: random.pick([3, 10, 30, 60]),
    pace: random.pick([0, 0, 5, 300, 3_000]),
    interrupts: random.pick([0, 0, 0.1, 0.4]),
    leave: random.pick(["close", "flushAndClose", "scope", "concurrentCloses"]),
    recreates: random.pick([0, 1, 2]),
    invalidates: random.chance(0.9)
  }
}
