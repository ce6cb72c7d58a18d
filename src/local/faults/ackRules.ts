/**
 * Rules for the acknowledgements of a table: at which offsets they are decided, and how long they
 * take. A rule applies to a connection from the first message or acknowledgement after the rule was
 * injected. Terms as in `stream/serverStream.ts`.
 */
import type { Fault } from "./faultScript.ts"
import { type Latency, makeSampler } from "./latency.ts"

/** One acknowledgement of a plan. The optional fields make a replay keep the order of its trace. */
export interface PlannedAck {
  /** The wire offset up to which it acknowledges; it is due once that is ready. */
  readonly offset: number
  /** Messages, and at last the half-close, that arrive before this step. The next one waits. */
  readonly after?: number | undefined
  /** Nothing is acknowledged: a fault strikes when the offset is due or durable. */
  readonly fault?: "ack" | "durable" | undefined
}

/** A rule for the acknowledgements of a connection. */
export type AckRule =
  /** Exactly these acknowledgements; then as usual, none, or none until the half-close. */
  | {
      readonly _tag: "AckAt"
      readonly acks: ReadonlyArray<PlannedAck>
      readonly afterwards: "automatic" | "silence" | "halfClose"
    }
  /** Each takes this long; none overtakes another. */
  | { readonly _tag: "AckLatency"; readonly latency: Latency; readonly seed: number }

/** How far the acknowledgements of a connection are. */
export interface AckProgress {
  /** The highest wire offset of a decided acknowledgement, or -1. */
  readonly decided: number
  /** The highest wire offset that is ready, or -1. */
  readonly ready: number
  /** Messages that arrived, and one more for the half-close. */
  readonly arrived: number
  /** Whether the stream is ending and everything received is ready. */
  readonly ending: boolean
}

/** An acknowledgement that is due. */
export interface DueAck {
  readonly offset: number
  /** Whether a plan has exactly this offset; otherwise it is for everything that is ready. */
  readonly isPlanned: boolean
  /** Whether only a fault strikes here. */
  readonly isFault: boolean
}

/** The rules of one table. */
export interface AckRules {
  readonly inject: (fault: Fault, rule: AckRule) => void
  readonly clear: () => void
  /** Whether a script decides at which offsets the connection is acknowledged. */
  readonly isPlanned: (connection: number) => boolean
  /** The acknowledgement that is due, or undefined. */
  readonly due: (connection: number, progress: AckProgress) => DueAck | undefined
  /** The first step of the plan is done. */
  readonly stepDone: (connection: number) => void
  /** Whether an acknowledgement is owed, so that what arrives next is postponed. */
  readonly isOwed: (connection: number, progress: AckProgress) => boolean
  /**
   * The offset up to which messages are ready now, where a plan defers that of `offset`; undefined
   * where none does, which completes the plan's step for it.
   */
  readonly readyLimit: (
    connection: number,
    offset: number,
    progress: AckProgress
  ) => number | undefined
  /** How long the next acknowledgement takes, in milliseconds. */
  readonly delay: (connection: number) => number
}

type Of<Tag extends AckRule["_tag"]> = Extract<AckRule, { readonly _tag: Tag }>

interface Armed<Rule, State> {
  readonly fault: Fault
  readonly rule: Rule
  readonly states: Map<number, State>
  left: number
}

/** Rules of one kind, each with a state for every connection that it applies to. */
const makeKind = <Rule, State>(start: (rule: Rule, connection: number) => State) => {
  let armed: Array<Armed<Rule, State>> = []
  return {
    inject: (fault: Fault, rule: Rule) => {
      armed.push({ fault, rule, states: new Map(), left: fault.times ?? 1 })
    },
    clear: () => {
      armed = []
    },
    of: (connection: number): State | undefined => {
      if (armed.length === 0) return undefined
      for (const { states } of armed) {
        const known = states.get(connection)
        if (known !== undefined) return known
      }
      const entry = armed.find(
        ({ fault, left }) =>
          left > 0 && (fault.connection === undefined || fault.connection === connection)
      )
      if (entry === undefined) return undefined
      entry.left--
      const state = start(entry.rule, connection)
      entry.states.set(connection, state)
      return state
    }
  }
}

/** Makes an empty set of rules. */
export const makeAckRules = (): AckRules => {
  const plans = makeKind((rule: Of<"AckAt">) => ({
    acks: [...rule.acks],
    afterwards: rule.afterwards
  }))
  const latencies = makeKind((rule: Of<"AckLatency">, connection) =>
    makeSampler(rule.latency, rule.seed, connection)
  )

  /** The plan of a connection without the steps that are decided. */
  const planOf = (connection: number, decided: number) => {
    const plan = plans.of(connection)
    const isDone = (step: PlannedAck | undefined) =>
      step !== undefined && step.fault === undefined && step.offset <= decided
    while (isDone(plan?.acks[0])) plan?.acks.shift()
    return plan
  }

  return {
    inject: (fault, rule) => {
      if (rule._tag === "AckAt") plans.inject(fault, rule)
      else latencies.inject(fault, rule)
    },
    clear: () => {
      plans.clear()
      latencies.clear()
    },
    isPlanned: (connection) => plans.of(connection) !== undefined,
    due: (connection, { arrived, decided, ending, ready }) => {
      const plan = planOf(connection, decided)
      // Nothing more arrives, so later steps would never be due.
      if (ending)
        plan?.acks.splice(0, Infinity, ...plan.acks.filter(({ offset }) => offset <= ready))
      const next = plan?.acks[0]
      if (next !== undefined) {
        const isReached = ending || arrived >= (next.after ?? 0)
        if (next.fault === "durable" || ready < next.offset || !isReached) return undefined
        return { offset: next.offset, isPlanned: true, isFault: next.fault === "ack" }
      }
      const automatic =
        plan === undefined ||
        plan.afterwards === "automatic" ||
        (plan.afterwards === "halfClose" && ending)
      return automatic && ready > decided
        ? { offset: ready, isPlanned: false, isFault: false }
        : undefined
    },
    stepDone: (connection) => {
      plans.of(connection)?.acks.shift()
    },
    readyLimit: (connection, offset, { arrived, decided }) => {
      const plan = planOf(connection, decided)
      const index =
        plan?.acks.findIndex((step) => step.fault === "durable" && step.offset <= offset) ?? -1
      const step = plan?.acks[index]
      if (step === undefined) return undefined
      if (index > 0 || arrived < (step.after ?? 0)) return step.offset - 1
      plan?.acks.shift()
      return undefined
    },
    isOwed: (connection, { arrived, decided }) => {
      const next = planOf(connection, decided)?.acks[0]
      return next?.after !== undefined && next.after <= arrived
    },
    delay: (connection) => latencies.of(connection)?.() ?? 0
  }
}
