/**
 * Rules for the acknowledgements of a table: the offsets at which they are decided, and their
 * latency. A rule applies to a connection from the first message or acknowledgement after the rule
 * was injected. Terms as in `stream/serverStream.ts`.
 */
import type { Fault } from "./faultScript.ts"
import { type Latency, makeSampler } from "./latency.ts"

/** One acknowledgement of a plan. The optional fields keep the order of the trace in a replay. */
export interface PlannedAck {
  /** The wire offset up to which it acknowledges. It is due once that offset is ready. */
  readonly offset: number
  /**
   * The number of arrivals (messages and the half-close) before this step. Later arrivals wait for
   * it.
   */
  readonly after?: number | undefined
  /** Acknowledges nothing: a fault strikes when the offset is due or durable. */
  readonly fault?: "ack" | "durable" | undefined
}

/** A rule for the acknowledgements of a connection. */
export type AckRule =
  /** Exactly these acknowledgements; afterwards as usual, none, or none until the half-close. */
  | {
      readonly _tag: "AckAt"
      readonly acks: ReadonlyArray<PlannedAck>
      readonly afterwards: "automatic" | "silence" | "halfClose"
    }
  /** Each acknowledgement is delayed by this latency; their order is kept. */
  | { readonly _tag: "AckLatency"; readonly latency: Latency; readonly seed: number }

/** The progress of a connection's acknowledgements. */
export interface AckProgress {
  /** The highest wire offset of a decided acknowledgement, or -1. */
  readonly decided: number
  /** The highest wire offset that is ready, or -1. */
  readonly ready: number
  /** The number of arrived messages, plus one for the half-close. */
  readonly arrived: number
  /** Whether the stream is ending and everything received is ready. */
  readonly ending: boolean
}

/** An acknowledgement that is due. */
export interface DueAck {
  readonly offset: number
  /** Whether a plan has exactly this offset. Otherwise, it covers everything that is ready. */
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
  /** The acknowledgement that is due; undefined if none is. */
  readonly due: (connection: number, progress: AckProgress) => DueAck | undefined
  /** Marks the first step of the plan as done. */
  readonly stepDone: (connection: number) => void
  /** Whether an acknowledgement is owed, so that the next arrival has to be postponed. */
  readonly isOwed: (connection: number, progress: AckProgress) => boolean
  /**
   * The offset up to which messages are ready now, if a plan defers the message at `offset`.
   * Undefined if none does; that completes the plan's step for it.
   */
  readonly readyLimit: (
    connection: number,
    offset: number,
    progress: AckProgress
  ) => number | undefined
  /** The delay of the next acknowledgement, in milliseconds. */
  readonly delay: (connection: number) => number
}

type Of<Tag extends AckRule["_tag"]> = Extract<AckRule, { readonly _tag: Tag }>

interface Armed<Rule, State> {
  readonly fault: Fault
  readonly rule: Rule
  readonly states: Map<number, State>
  left: number
}

/** Rules of one kind, with a state for each connection that they apply to. */
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

/** Creates an empty set of rules. */
export const makeAckRules = (): AckRules => {
  const plans = makeKind((rule: Of<"AckAt">) => ({
    acks: [...rule.acks],
    afterwards: rule.afterwards
  }))
  const latencies = makeKind((rule: Of<"AckLatency">, connection) =>
    makeSampler(rule.latency, rule.seed, connection)
  )

  /** The plan of a connection without the steps that are already decided. */
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
      // Nothing more arrives, so later steps would never become due.
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
