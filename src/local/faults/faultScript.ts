/**
 * Scripted faults of one table as data, and the events of its streams.
 *
 * A stream asks `next` at every point where something could go wrong; the script counts the events,
 * picks the fault that is due and remembers held streams until `releaseUnsafe`. What an action does
 * to a stream is `serverStream.ts`'s business. Everything here is synchronous, so that a test's
 * order of events is the order of the script.
 */
import { type AckRule, type AckRules, makeAckRules } from "./ackRules.ts"

/**
 * Points in the life of a stream where a fault can strike.
 *
 * - `connect`: a call arrived, before anything of it was read.
 * - `create`: the create request was accepted, before it is answered. A persistent stream exists by
 *   then.
 * - `resume`: the resume request of a persistent stream was accepted, before it is answered.
 * - `message`: a record or batch arrived, before it is stored.
 * - `durable`: records became durable, before that is acknowledged.
 * - `ack`: an acknowledgement is about to be sent.
 * - `halfClose`: the client said that it sends no more.
 *
 * @since 0.1.0
 * @category models
 */
export type FaultPoint =
  | "connect"
  | "create"
  | "resume"
  | "message"
  | "durable"
  | "ack"
  | "halfClose"

/**
 * What a test can wait for: the points above, and what the server or the client did then.
 *
 * @since 0.1.0
 * @category models
 */
export type LocalEvent =
  | FaultPoint
  | "created"
  | "resumed"
  | "acked"
  | "closeSignal"
  | "held"
  | "fault"
  | "cancelled"
  | "end"

/**
 * What happens at a point.
 *
 * @since 0.1.0
 * @category models
 */
export type FaultAction =
  /** Breaks the connection below gRPC, by RST or by FIN. */
  | {
      readonly _tag: "Cut"
      /** By RST or by FIN. */
      readonly how: "reset" | "fin"
    }
  /** Ends the call with a gRPC status. */
  | {
      readonly _tag: "Status"
      /** The number of the gRPC status. */
      readonly code: number
      /** The status message. */
      readonly message: string
      /** The bytes of `grpc-status-details-bin`. */
      readonly details?: Uint8Array | undefined
    }
  /** Ends the call with OK although the client did not half-close. */
  | { readonly _tag: "End" }
  /** Stops here until the test releases it. */
  | { readonly _tag: "Hold" }
  /** Stops here for so many milliseconds. */
  | {
      readonly _tag: "Delay"
      /** The pause in milliseconds. */
      readonly millis: number
    }
  /**
   * Does not do what comes next: no answer, no acknowledgement. A message counts as never received,
   * so the next one is out of order.
   */
  | { readonly _tag: "Skip" }
  /**
   * Lies about a message: acknowledges what was never stored, so that the audit shows a loss. At
   * other points it does nothing.
   */
  | { readonly _tag: "Lose" }
  /** Announces the end of the stream in so many milliseconds, and ends it then. */
  | {
      readonly _tag: "CloseSignal"
      /** Time until the end, in milliseconds. */
      readonly afterMillis: number
    }
  /** Sends an acknowledgement that breaks the protocol, then goes on. */
  | {
      readonly _tag: "BadAck"
      /** How it breaks the protocol. */
      readonly kind: "future" | "lower" | "repeated" | "negative" | "missing"
    }
  /** Sends these bytes as a response, then goes on. */
  | {
      readonly _tag: "Raw"
      /** The message of the response. */
      readonly bytes: Uint8Array
    }
  /**
   * Says in the same message as the next acknowledgement that the stream ends in so many
   * milliseconds, and ends it then.
   */
  | {
      readonly _tag: "AckAndClose"
      /** Time until the end, in milliseconds. */
      readonly afterMillis: number
    }
  /**
   * Answers a resume with the committed offset and so many more, or less. At other points it does
   * nothing.
   */
  | {
      readonly _tag: "Committed"
      /** What is added to the committed offset. */
      readonly by: number
    }
  /** Ends the call with UNAUTHENTICATED and refuses its token from then on. */
  | { readonly _tag: "ExpireToken" }
  /**
   * Not at one occurrence of `ack` but for whole connections: when acknowledgements are sent, and
   * how long they take.
   */
  | AckRule

/**
 * A fault: where it strikes, when, how often, and what it does. Counting starts when the fault is
 * injected.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fault {
  /** Where it strikes. */
  readonly at: FaultPoint
  /** The occurrence of `at` that strikes first, from 1; default 1. */
  readonly nth?: number | undefined
  /** Strikes once this many records have arrived, instead of counting occurrences. */
  readonly afterRecords?: number | undefined
  /**
   * Strikes once this wire offset arrives, is durable or is acknowledged, instead of counting
   * occurrences.
   */
  readonly offset?: number | undefined
  /** Only on this connection of the table, from 1. */
  readonly connection?: number | undefined
  /** How many times it strikes before it is spent; default 1. */
  readonly times?: number | undefined
  /** What it does. */
  readonly action: FaultAction
}

/** An action that happens at one point. */
export type StruckAction = Exclude<FaultAction, AckRule>

interface Armed {
  readonly fault: Fault
  readonly action: StruckAction
  seen: number
  records: number
  left: number
}

interface Waiter {
  readonly event: LocalEvent
  readonly count: number
  readonly resume: () => void
}

/** The faults and events of one table. */
export interface FaultScript {
  /** Adds a fault behind those already there. */
  readonly inject: (fault: Fault) => void
  /** Removes all faults; what is held stays held until it is released. */
  readonly clear: () => void
  /**
   * Reports that a stream reached a point; returns what is to happen there, at most one action per
   * point. `records` are those of a message, `offset` is the wire offset that arrives, is durable
   * or is to be acknowledged.
   */
  readonly next: (
    point: FaultPoint,
    connection: number,
    records: number,
    offset?: number
  ) => StruckAction | undefined
  /** The rules for acknowledgements. */
  readonly acks: AckRules
  /** Notes an event, of a connection where that is known, for those who wait for it. */
  readonly note: (event: LocalEvent, connection?: number) => void
  /** Keeps a continuation until the next release. */
  readonly hold: (resume: () => void) => void
  /** Lets everything go on that is held now; returns how much that was. */
  readonly releaseUnsafe: () => number
  /** Faults that have yet to strike, apart from rules for acknowledgements, and what is held. */
  readonly pending: () => { readonly faults: number; readonly held: number }
  /** How often an event happened so far. */
  readonly count: (event: LocalEvent) => number
  /**
   * Calls back once an event has happened `count` times in all, at once if it has already; returns
   * how to stop waiting.
   */
  readonly when: (event: LocalEvent, count: number, resume: () => void) => () => void
}

/** Makes an empty script. */
export const makeFaultScript = (): FaultScript => {
  let armed: Array<Armed> = []
  let held: Array<() => void> = []
  let waiting: Array<Waiter> = []
  const counts = new Map<LocalEvent, number>()
  const acks = makeAckRules()

  const note = (event: LocalEvent) => {
    const count = (counts.get(event) ?? 0) + 1
    counts.set(event, count)
    const due = waiting.filter((waiter) => waiter.event === event && waiter.count <= count)
    if (due.length === 0) return
    waiting = waiting.filter((waiter) => !due.includes(waiter))
    // A waiter may change the script, so it goes on when the stream's step is over, not in the
    // middle of it.
    for (const waiter of due) queueMicrotask(waiter.resume)
  }

  return {
    acks,
    inject: (fault) => {
      const { action } = fault
      if (action._tag === "AckAt" || action._tag === "AckLatency") acks.inject(fault, action)
      else armed.push({ fault, action, seen: 0, records: 0, left: fault.times ?? 1 })
    },
    clear: () => {
      armed = []
      acks.clear()
    },
    next: (point, connection, records, offset) => {
      note(point)
      let action: StruckAction | undefined
      for (const entry of armed) {
        const { fault } = entry
        if (point === "message") entry.records += records
        if (
          fault.at !== point ||
          (fault.connection !== undefined && fault.connection !== connection)
        )
          continue
        entry.seen++
        if (action !== undefined || !isDue(entry, offset)) continue
        action = entry.action
        entry.left--
      }
      if (action !== undefined) {
        armed = armed.filter((entry) => entry.left > 0)
        note("fault")
      }
      return action
    },
    note,
    hold: (resume) => {
      held.push(resume)
      note("held")
    },
    releaseUnsafe: () => {
      const free = held
      held = []
      for (const resume of free) resume()
      return free.length
    },
    pending: () => ({ faults: armed.length, held: held.length }),
    count: (event) => counts.get(event) ?? 0,
    when: (event, count, resume) => {
      if ((counts.get(event) ?? 0) >= count) {
        resume()
        return () => {}
      }
      const waiter = { event, count, resume }
      waiting.push(waiter)
      return () => {
        waiting = waiting.filter((other) => other !== waiter)
      }
    }
  }
}

const isDue = ({ fault, records, seen }: Armed, offset: number | undefined): boolean => {
  if (fault.offset !== undefined) return offset !== undefined && offset >= fault.offset
  return fault.afterRecords === undefined ? seen >= (fault.nth ?? 1) : records >= fault.afterRecords
}
