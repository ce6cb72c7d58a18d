/**
 * What a seed decides before a run with crashes: the world of an ordinary plan without false
 * acknowledgements, a stream with a spool, the processes that use it one after another, and disk
 * failures. The last process does not crash and runs until everything is drained.
 */
import { type Generation, makePlan, type Plan, type StreamPlan } from "../plan.ts"
import { makeRandom, type SeededRandom } from "../seededRandom.ts"
import type { CrashMoment } from "./clientProcess.ts"
import { withCrashLanes } from "./crashLanes.ts"
import { type DiskCall, diskCalls } from "./simulatedDisk.ts"

/** One process of the client. */
export interface ProcessPlan {
  readonly sync: "group" | "os"
  readonly maxBytes: number
  /** How it ends, unless its program ends earlier; undefined for the last process. */
  readonly crash: { readonly how: "kill" | "power"; readonly moment: CrashMoment } | undefined
  /** Whether the crash waits until the spool is open. */
  readonly onceOpen: boolean
  /** Milliseconds until the next process starts. */
  readonly downFor: number
  readonly workers: number
  readonly operations: number
  readonly pace: number
  /** Records offered from plain callbacks. */
  readonly callbacks: number
  readonly leave: "close" | "flushAndClose" | "scope" | "stay"
  readonly lanes: number
}

/** A disk failure at a time of the run. */
export type DiskTrouble = { readonly at: number } & (
  | {
      readonly kind: "fail"
      readonly call: DiskCall
      readonly code: string
      readonly times: number
    }
  | { readonly kind: "slow"; readonly millis: number; readonly extra: number }
  | { readonly kind: "full"; readonly millis: number }
)

/** The plan of a run with crashes. */
export interface CrashPlan {
  readonly base: Plan
  readonly stream: StreamPlan
  /** Whether the stream is persistent: its table must have each record exactly once. */
  readonly persistent: boolean
  readonly processes: ReadonlyArray<ProcessPlan>
  readonly latency: readonly [number, number]
  readonly syncLatency: readonly [number, number]
  readonly troubles: ReadonlyArray<DiskTrouble>
  /** When another process tries to open the spool. */
  readonly rivals: ReadonlyArray<number>
  /** Milliseconds in which the handler of a refused record writes it down. */
  readonly letters: readonly [number, number]
  /** Whether processes may have several lanes. */
  readonly lanes: boolean
}

const codes = ["EIO", "ENOSPC", "EACCES", "EROFS"]

/** The plan of a seed. Since the fifth generation half of the plans have lanes. */
export const makeCrashPlan = (seed: string, generation: Generation = 5): CrashPlan => {
  const plan = makeSingleLanePlan(seed)
  return generation < 5 ? plan : withCrashLanes(seed, plan)
}

const makeSingleLanePlan = (seed: string): CrashPlan => {
  const persistent = makeRandom(`${seed}/persistent`).chance(0.3)
  const base = honest(seed, persistent)
  const random = makeRandom(`${seed}/crashes`)
  const calm = base.profile === "calm"
  const syncs = random.pick<ReadonlyArray<"group" | "os">>([
    ["group"],
    ["group"],
    ["os"],
    ["group", "os"]
  ])
  const pace = random.pick([0, 0, 5, 300])
  const bounds = random.pick([[1_000_000], [20_000], [6_000, 200_000], [40_000, 6_000]])
  const crashes = random.pick([1, 2, 3, 5])
  let afterOs = false
  const processes: Array<ProcessPlan> = []
  for (let i = 0; i <= crashes; i++) {
    const own = random.fork(`process${i}`)
    const sync = own.pick(syncs)
    const power = sync === "group" && own.chance(0.6)
    processes.push({
      sync,
      maxBytes: own.pick(bounds),
      crash:
        i === crashes
          ? undefined
          : { how: power ? "power" : "kill", moment: momentOf(own.fork("moment"), base.horizon) },
      // Records written with `sync: "os"` are synchronised once the spool is open; before that
      // nothing is promised for them.
      onceOpen: power && afterOs,
      downFor: own.pick([0, 0, 100, 5_000, 60_000]),
      workers: own.between(1, 3),
      operations: i === crashes ? own.pick([0, 3]) : own.pick([2, 8, 25, 50]),
      pace,
      callbacks: own.pick([0, 0, 10]),
      leave: own.pick(["close", "flushAndClose", "scope", "stay", "stay"]),
      lanes: 1
    })
    afterOs ||= sync === "os"
  }
  return {
    base,
    persistent,
    stream: streamOf(base, persistent, random.fork("stream")),
    processes,
    latency: [0, random.pick([0, 0, 1, 30])],
    syncLatency: [0, random.pick([0, 2, 10, 200])],
    troubles:
      calm || random.chance(0.4)
        ? []
        : troublesOf(random.fork("troubles"), base.horizon, syncs.length > 1),
    rivals: Array.from({ length: random.pick([0, 0, 1, 3]) }, () =>
      random.int(random.pick([100, base.horizon]))
    ),
    letters: [0, random.pick([0, 5, 2_000])],
    lanes: false
  }
}

/**
 * The world of a plan whose server sends no false acknowledgements: acknowledged records are
 * stored.
 */
const honest = (seed: string, persistent: boolean): Plan => {
  for (let again = 0; ; again++) {
    const plan = makePlan(`${seed}/world${again}`)
    if (plan.profile === "hostile" || plan.crowd === true) continue
    // A server so slow that no session opens, or tokens with too short a life, would prevent the
    // last process from ending.
    const { readDelay, tokenLife } = plan
    return {
      ...plan,
      // A stream cannot pass a record that its server refuses, unless it hands the record to its
      // users.
      poison: plan.poison && !persistent,
      tokens: undefined,
      readDelay: Math.min(readDelay, 100),
      tokenLife: Math.max(tokenLife, 10_000)
    }
  }
}

const streamOf = (
  { poison, profile, streams: [first] }: Plan,
  persistent: boolean,
  random: SeededRandom
): StreamPlan => {
  const { policy: _, ...settings } = first!.settings
  const { recoverySchedule: __, ...options } = first!.options
  const maxInflightBytes = random.pick([700, 5_000, 400_100, 134_217_728])
  // Without a handler, a refused record ends every stream that is opened on its spool.
  const handles = !persistent && (poison || profile === "refusing" || random.chance(0.3))
  const own = {
    recovery: true,
    maxInflightBytes,
    recoveryTimeout: 15_000,
    serverLackOfAckTimeout: random.pick([20_000, 60_000])
  }
  return {
    ...first!,
    startAt: 0,
    settings: { ...settings, ...own },
    options: { ...options, ...own, maxRefusals: 10_000 },
    invalidates: true,
    refusing: { handles }
  }
}

const momentOf = (random: SeededRandom, horizon: number): CrashMoment => {
  const nth = () => random.int(random.pick([3, 20, 100, 400]))
  switch (random.pick(["time", "task", "task", "operation", "disk", "disk", "disk"])) {
    case "time":
      return { at: "time", millis: random.int(random.pick([50, 1_000, horizon])) }
    case "task":
      return { at: "task", nth: random.int(random.pick([20, 200, 2_000])) }
    case "operation":
      return { at: "operation", nth: random.int(random.pick([100, 1_000, 10_000])) }
    default:
      return {
        at: "disk",
        call: random.pick([...diskCalls, "write", "write", "datasync", "create", "remove"]),
        nth: nth()
      }
  }
}

const troublesOf = (
  random: SeededRandom,
  horizon: number,
  mixed: boolean
): ReadonlyArray<DiskTrouble> =>
  Array.from({ length: random.between(1, random.pick([2, 6])) }, (): DiskTrouble => {
    const at = random.int(random.pick([100, 2_000, horizon]))
    switch (random.pick(["fail", "fail", "fail", "slow", "full", "full"])) {
      case "slow":
        return {
          kind: "slow",
          at,
          millis: random.pick([100, 10_000]),
          extra: random.pick([5, 500, 20_000])
        }
      case "full":
        return { kind: "full", at, millis: random.pick([50, 5_000]) }
      default: {
        const call = random.pick<DiskCall>([
          "write",
          "write",
          "datasync",
          "datasync",
          "create",
          "truncate",
          "remove",
          "syncFolder",
          "read",
          "open"
        ])
        // Bytes written with "os" that a later synchronisation failed to write are lost with the
        // power, as without it.
        if (mixed && call === "datasync") return { kind: "slow", at, millis: 100, extra: 5 }
        return {
          kind: "fail",
          at,
          call,
          code: random.pick(codes),
          times: random.pick([1, 1, 2, 5])
        }
      }
    }
  })
