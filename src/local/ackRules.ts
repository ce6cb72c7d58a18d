/**
 * Rules for the acknowledgements of a table: at which offsets they are sent, and how long they take. A connection comes under a rule
 * with the first message or acknowledgement it has after the rule was injected.
 */
import type { Fault } from "./faultScript.ts"
import { type Latency, makeSampler } from "./latency.ts"

/** One acknowledgement that a script asks for. */
export interface PlannedAck {
  /** The wire offset it is for; it is sent once that is durable. */
  readonly offset: number
  /** Messages that must have arrived before it; messages beyond them wait for it. Only a replay says so. */
  readonly after?: number | undefined
}

/** What the acknowledgements of a connection are to be like. */
export type AckRule =
  /** Exactly these acknowledgements; then all as usual, none, or none until the client half-closes. */
  | {
      readonly _tag: "AckAt"
      readonly acks: ReadonlyArray<PlannedAck>
      readonly then: "automatic" | "silence" | "halfClose"
    }
  /** Each takes so long; none overtakes another. */
  | { readonly _tag: "AckLatency"; readonly latency: Latency; readonly seed: number }

/** Where the acknowledgements of a connection are. */
export interface AckProgress {
  readonly acked: number
  readonly durable: number
  /** Messages that arrived. */
  readonly received: number
  /** Whether the stream ends as soon as what is stored is acknowledged. */
  readonly ending: boolean
}

/** The rules of one table. */
export interface AckRules {
  readonly inject: (fault: Fault, rule: AckRule) => void
  readonly clear: () => void
  /** Whether a script decides at which offsets the connection is acknowledged. */
  readonly isPlanned: (connection: number) => boolean
  /** The offset to acknowledge now, or undefined when none is due. */
  readonly due: (connection: number, progress: AckProgress) => number | undefined
  /** Whether the next message must wait for an acknowledgement. */
  readonly owes: (connection: number, progress: AckProgress) => boolean
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
  const plans = makeKind((rule: Of<"AckAt">) => ({ acks: [...rule.acks], then: rule.then }))
  const latencies = makeKind((rule: Of<"AckLatency">, connection) => makeSampler(rule.latency, rule.seed, connection))

  /** The plan of a connection without what is acknowledged already. */
  const planOf = (connection: number, acked: number) => {
    const plan = plans.of(connection)
    while (plan?.acks[0] !== undefined && plan.acks[0].offset <= acked) plan.acks.shift()
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
      const next = plan?.acks[0]
      if (next !== undefined) {
        return durable >= next.offset && received >= (next.after ?? 0) ? next.offset : undefined
      }
      const automatic = plan === undefined || plan.then === "automatic" || (plan.then === "halfClose" && ending)
      return automatic && durable > acked ? durable : undefined
    },
    owes: (connection, { acked, received }) => {
      const next = planOf(connection, acked)?.acks[0]
      return next?.after !== undefined && next.after <= received
    },
    delay: (connection) => latencies.of(connection)?.() ?? 0
  }
}
