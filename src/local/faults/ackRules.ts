/**
 * Rules for the acknowledgements of a table: at which offsets they are sent, and how long they take. A connection comes under a rule
 * with the first message or acknowledgement it has after the rule was injected.
 */
import type { Fault } from "./faultScript.ts"
import { type Latency, makeSampler } from "./latency.ts"

/** One acknowledgement that a script asks for. The other fields are for a replay, which keeps the order of a trace. */
export interface PlannedAck {
  /** The wire offset it is for; it is sent once that is durable. */
  readonly offset: number
  /** Messages, and at last the half-close, that must have arrived before; what comes beyond them waits for this step. */
  readonly after?: number | undefined
  /** Nothing is sent: at this step a fault strikes, where an acknowledgement is due or where the offset becomes durable. */
  readonly fault?: "ack" | "durable" | undefined
}

/** What the acknowledgements of a connection are to be like. */
export type AckRule =
  /** Exactly these acknowledgements; then all as usual, none, or none until the client half-closes. */
  | {
      readonly _tag: "AckAt"
      readonly acks: ReadonlyArray<PlannedAck>
      readonly afterwards: "automatic" | "silence" | "halfClose"
    }
  /** Each takes so long; none overtakes another. */
  | { readonly _tag: "AckLatency"; readonly latency: Latency; readonly seed: number }

/** Where the acknowledgements of a connection are. */
export interface AckProgress {
  readonly acked: number
  readonly durable: number
  /** Messages that arrived, and one more for the half-close. */
  readonly received: number
  /** Whether the stream ends as soon as everything that arrived, all of it durable by now, is acknowledged. */
  readonly ending: boolean
}

/** An acknowledgement that is due. */
export interface DueAck {
  readonly offset: number
  /** Whether a plan asks for exactly this offset; otherwise it is for everything that is durable. */
  readonly isPlanned: boolean
  /** Whether only a fault is to strike here. */
  readonly isFault: boolean
}

/** The rules of one table. */
export interface AckRules {
  readonly inject: (fault: Fault, rule: AckRule) => void
  readonly clear: () => void
  /** Whether a script decides at which offsets the connection is acknowledged. */
  readonly isPlanned: (connection: number) => boolean
  /** What to acknowledge now, or undefined when nothing is due. */
  readonly due: (connection: number, progress: AckProgress) => DueAck | undefined
  /** The first step of the plan is done. */
  readonly passed: (connection: number) => void
  /** Whether what arrives next must wait for a step of the plan. */
  readonly owes: (connection: number, progress: AckProgress) => boolean
  /**
   * The offset up to which records may count as durable now, where a plan lets that of `offset` wait. Undefined when it need not; the plan's
   * step, if there is one, is done with that.
   */
  readonly durableUntil: (connection: number, offset: number, progress: AckProgress) => number | undefined
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

/** Rules of one kind, each with a state per connection that came under it. */
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
        ({ fault, left }) => left > 0 && (fault.connection === undefined || fault.connection === connection)
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
  const plans = makeKind((rule: Of<"AckAt">) => ({ acks: [...rule.acks], afterwards: rule.afterwards }))
  const latencies = makeKind((rule: Of<"AckLatency">, connection) => makeSampler(rule.latency, rule.seed, connection))

  /** The plan of a connection without what is acknowledged already. */
  const planOf = (connection: number, acked: number) => {
    const plan = plans.of(connection)
    const isDone = (step: PlannedAck | undefined) =>
      step !== undefined && step.fault === undefined && step.offset <= acked
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
    due: (connection, { acked, durable, ending, received }) => {
      const plan = planOf(connection, acked)
      // Nothing more will come that the steps beyond could wait for.
      if (ending) plan?.acks.splice(0, Infinity, ...plan.acks.filter(({ offset }) => offset <= durable))
      const next = plan?.acks[0]
      if (next !== undefined) {
        const arrived = ending || received >= (next.after ?? 0)
        if (next.fault === "durable" || durable < next.offset || !arrived) return undefined
        return { offset: next.offset, isPlanned: true, isFault: next.fault === "ack" }
      }
      const automatic =
        plan === undefined || plan.afterwards === "automatic" || (plan.afterwards === "halfClose" && ending)
      return automatic && durable > acked ? { offset: durable, isPlanned: false, isFault: false } : undefined
    },
    passed: (connection) => {
      plans.of(connection)?.acks.shift()
    },
    durableUntil: (connection, offset, { acked, received }) => {
      const plan = planOf(connection, acked)
      const index = plan?.acks.findIndex((step) => step.fault === "durable" && step.offset <= offset) ?? -1
      const step = plan?.acks[index]
      if (step === undefined) return undefined
      if (index > 0 || received < (step.after ?? 0)) return step.offset - 1
      plan?.acks.shift()
      return undefined
    },
    owes: (connection, { acked, received }) => {
      const next = planOf(connection, acked)?.acks[0]
      return next?.after !== undefined && next.after <= received
    },
    delay: (connection) => latencies.of(connection)?.() ?? 0
  }
}
