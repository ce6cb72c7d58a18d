/**
 * Scripted faults of one table as data, and the events of its streams.
 *
 * A stream calls `next` at every point where a fault can strike. The script counts the events,
 * selects the fault that is due, and keeps held streams until `releaseUnsafe`.
 * `stream/streamFaults.ts` carries out the actions. Everything here is synchronous, so that the
 * order of events in a test is the order of the script.
 */
import { type AckRule, type AckRules, makeAckRules } from "./ackRules.ts"

/**
 * Points in the life of a stream where a fault can strike.
 *
 * - `connect`: a call arrived, before anything was read from it.
 * - `create`: the create request was accepted, before it is answered. A persistent stream already
 *   exists.
 * - `resume`: the resume request of a persistent stream was accepted, before it is answered.
 * - `message`: a record or batch arrived, before it is stored.
 * - `durable`: records became durable, before they are acknowledged.
 * - `ack`: an acknowledgement is about to be sent.
 * - `halfClose`: the client half-closed the call.
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
 * Events that a test can wait for: the points above, and actions of the server or the client.
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
  /** Stops here for this many milliseconds. */
  | {
      readonly _tag: "Delay"
      /** The pause in milliseconds. */
      readonly millis: number
    }
  /**
   * Skips the next step: no response or no acknowledgement. A skipped message counts as never
   * received, so the next one is out of order.
   */
  | { readonly _tag: "Skip" }
  /**
   * Acknowledges a message that is not stored, so that the audit shows a loss. Does nothing at
   * other points.
   */
  | { readonly _tag: "Lose" }
  /** Announces the end of the stream in this many milliseconds, and ends it then. */
  | {
      readonly _tag: "CloseSignal"
      /** Time until the end, in milliseconds. */
      readonly afterMillis: number
    }
  /** Sends an acknowledgement that breaks the protocol, then continues. */
  | {
      readonly _tag: "BadAck"
      /** How it breaks the protocol. */
      readonly kind: "future" | "lower" | "repeated" | "negative" | "missing"
    }
  /** Sends these bytes as a response, then continues. */
  | {
      readonly _tag: "Raw"
      /** The message of the response. */
      readonly bytes: Uint8Array
    }
  /**
   * Announces the end of the stream in this many milliseconds, in the same message as the next
   * acknowledgement, and ends it then.
   */
  | {
      readonly _tag: "AckAndClose"
      /** Time until the end, in milliseconds. */
      readonly afterMillis: number
    }
  /**
   * Answers a resume with the committed offset plus this number, which may be negative. Does
   * nothing at other points.
   */
  | {
      readonly _tag: "Committed"
      /** What is added to the committed offset. */
      readonly by: number
    }
  /** Ends the call with UNAUTHENTICATED and refuses its token from then on. */
  | { readonly _tag: "ExpireToken" }
  /**
   * Applies to whole connections instead of one occurrence of `ack`: when acknowledgements are
   * sent, and their latency.
   */
  | AckRule

/**
 * A fault: where it strikes, when, how often, and its action. Counting starts when the fault is
 * injected.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fault {
  /** Where it strikes. */
  readonly at: FaultPoint
  /** The first occurrence of `at` that it strikes, from 1; default 1. */
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
  /** How many times it strikes; default 1. */
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
  /** Adds a fault after the existing ones. */
  readonly inject: (fault: Fault) => void
  /** Removes all faults. Held streams stay held until they are released. */
  readonly clear: () => void
  /**
   * Reports that a stream reached a point, and returns the action there, at most one per point.
   * `records` is the number of records of a message. `offset` is the wire offset that arrives, is
   * durable or is about to be acknowledged.
   */
  readonly next: (
    point: FaultPoint,
    connection: number,
    records: number,
    offset?: number
  ) => StruckAction | undefined
  /** The rules for acknowledgements. */
  readonly acks: AckRules
  /** Records an event, with its connection if known, and calls back its waiters. */
  readonly note: (event: LocalEvent, connection?: number) => void
  /** Keeps a continuation until the next release. */
  readonly hold: (resume: () => void) => void
  /** Continues everything that is held now; returns the number of continuations. */
  readonly releaseUnsafe: () => number
  /**
   * The number of pending faults, without rules for acknowledgements, and of held continuations.
   */
  readonly pending: () => { readonly faults: number; readonly held: number }
  /** How often an event has happened so far. */
  readonly count: (event: LocalEvent) => number
  /**
   * Calls back once an event has happened `count` times in total, immediately if it already has.
   * Returns a function that stops waiting.
   */
  readonly when: (event: LocalEvent, count: number, resume: () => void) => () => void
}

/** Creates an empty script. */
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
    // A waiter may change the script, so it continues after the current step of the stream.
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
