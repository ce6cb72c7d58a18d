/**
 * The events of a run, in order: calls of the program and their results, the traffic of each
 * connection as seen at the client's end, and the records that the server stored. The checker reads
 * nothing else.
 */
import * as Crypto from "node:crypto"
import type { PolicySettings } from "./policies.ts"
import type { ResponseText } from "./wireText.ts"
import type { VirtualTime } from "./virtualTime.ts"

/** How a call of the program ended. */
export type Outcome =
  | { readonly _tag: "Done" }
  | { readonly _tag: "Offset"; readonly offset: number }
  /** Accepted, at an offset that the caller did not receive. */
  | { readonly _tag: "Taken" }
  /** The result of a sink; `calls` are those that it accepted records from, in order. */
  | {
      readonly _tag: "Summary"
      readonly records: number
      readonly bytes: number
      readonly lastOffset: number
      readonly calls: ReadonlyArray<number>
    }
  | { readonly _tag: "Nothing" }
  | { readonly _tag: "Records"; readonly groups: ReadonlyArray<ReadonlyArray<number>> }
  | {
      readonly _tag: "Error"
      readonly error: string
      readonly reason?: string | undefined
      readonly attempts?: number | undefined
    }
  | { readonly _tag: "Interrupted" }
  | { readonly _tag: "Defect"; readonly message: string }

/** How a connection ended, as reported to the client. */
export type Ended =
  | { readonly how: "ok" }
  | { readonly how: "status"; readonly code: number }
  | { readonly how: "lost" }

/** Settings of a stream that the rules refer to, in milliseconds. */
export interface StreamSettings {
  readonly maxInflightRecords: number
  readonly maxInflightBytes: number
  readonly recovery: boolean
  readonly recoveryTimeout: number
  readonly recoveryBackoff: number
  readonly recoveryRetries: number
  readonly serverLackOfAckTimeout: number
  readonly flushTimeout: number
  readonly drainTimeout: number
  readonly scopeCloseTimeout: number
  readonly ingestTimeout?: number
  /**
   * The lanes of the stream, one if not given, and how many keys its records have; no keys without
   * `laneKey`.
   */
  readonly lanes?: number
  readonly keys?: number
  /** A schedule of the user, instead of backoff and retries. */
  readonly policy?: PolicySettings
}

export type Happening =
  | {
      readonly e: "call"
      readonly id: number
      readonly stream: number
      readonly op: string
      readonly records?: ReadonlyArray<number>
      /** A lower bound for the bytes of the records' payloads. */
      readonly bytes?: number
      readonly offset?: number
      readonly settings?: StreamSettings
      readonly from?: number
    }
  | { readonly e: "return"; readonly id: number; readonly outcome: Outcome }
  | {
      readonly e: "final"
      readonly stream: number
      readonly offset: number
      readonly durable: boolean
      readonly error?: string
    }
  | {
      readonly e: "refused"
      readonly stream: number
      readonly offset: number
      readonly records: ReadonlyArray<number>
    }
  | {
      readonly e: "unacked"
      readonly stream: number
      readonly records: ReadonlyArray<number>
      readonly cause: string
    }
  | {
      readonly e: "watermark"
      readonly stream: number
      readonly reader: number
      readonly offset: number
    }
  /** A reader of offsets or states has reached the end and did not stop early. */
  | {
      readonly e: "readerEnd"
      readonly stream: number
      readonly reader: number
      readonly outcome: Outcome
    }
  | {
      readonly e: "state"
      readonly stream: number
      readonly reader: number
      readonly state: string
    }
  /** A request to the token endpoint starts, and ends. */
  | { readonly e: "mint"; readonly request: number; readonly lead: number }
  | {
      readonly e: "minted"
      readonly request: number
      /** Undefined if the request failed. */
      readonly token: string | undefined
      readonly life: number
      /** When the token expires, for the server. */
      readonly end: number
    }
  | { readonly e: "headers"; readonly stream: number; readonly outcome: string }
  | { readonly e: "invalidate"; readonly stream: number; readonly token: string }
  | { readonly e: "open"; readonly conn: number; readonly stream: number; readonly token: string }
  | {
      readonly e: "send"
      readonly conn: number
      readonly wireOffset: number | undefined
      readonly records: ReadonlyArray<number>
    }
  | { readonly e: "sendCreate" | "halfClose" | "released" | "sent"; readonly conn: number }
  | {
      readonly e: "response"
      readonly conn: number
      readonly text: ResponseText
      readonly hostile: boolean
    }
  | { readonly e: "ended"; readonly conn: number; readonly ended: Ended }
  | {
      readonly e: "stored" | "durable"
      readonly conn: number
      readonly records: ReadonlyArray<number>
    }
  /** A process of the client starts, crashes alone or with the power, or ends normally. */
  | {
      readonly e: "process"
      readonly process: number
      readonly how: "start" | "kill" | "power" | "end"
      readonly sync: "group" | "os"
      readonly maxBytes: number
      /**
       * At the start, the acknowledged offset in its spool; at a normal end, also what remains in
       * the spool.
       */
      readonly acknowledged?: number
      readonly files?: number
      readonly bytes?: number
      /** Whether everything was acknowledged when it ended. */
      readonly drained?: boolean
      readonly fibers?: number
      readonly sleeps?: number
    }
  /**
   * Records reach a file of the spool, and are durable there; the spool records offsets up to this
   * one as acknowledged.
   */
  | {
      readonly e: "logged"
      readonly offset: number
      readonly batch: boolean
      readonly records: ReadonlyArray<number>
    }
  | { readonly e: "synced"; readonly records: ReadonlyArray<number> }
  | { readonly e: "noted"; readonly offset: number }
  /** A second process has the spool's lock, at a moment when the first one did not hold it. */
  | { readonly e: "rival" }
  /** A spool was opened. `text` is its latest position. */
  | { readonly e: "restored"; readonly text: string | undefined }
  /** The log takes more bytes than before. */
  | { readonly e: "logBytes"; readonly bytes: number }
  | { readonly e: "diskFailure"; readonly call: string }
  /** A refused record is written down. */
  | { readonly e: "letter"; readonly records: ReadonlyArray<number> }
  | { readonly e: "broken"; readonly what: string }
  | { readonly e: "fault"; readonly what: string; readonly conn?: number }
  | {
      readonly e: "probe"
      readonly stream: number
      readonly accepted: number
      readonly capacity: number
    }
  | {
      readonly e: "left"
      readonly fibers: number
      readonly sleeps: number
      readonly open: number
      readonly unfinished: number
    }

/** An event with its place in the run. */
export type HistoryEvent = Happening & {
  readonly seq: number
  readonly t: number
  readonly quiet: number
}

/** Stores events outside the heap. */
export interface Archive {
  readonly put: (event: HistoryEvent) => void
  /** Returns the events added since the last call. */
  readonly takeAll: () => Iterable<HistoryEvent>
}

/** Collects the events of one run. */
export class History {
  private readonly list: Array<HistoryEvent> = []
  private calls = 0
  private added = 0
  private readonly time: VirtualTime
  private readonly archive: Archive | undefined

  /**
   * With an archive the events are stored outside the heap, so that the heap shows the engine's
   * memory.
   */
  constructor(time: VirtualTime, archive?: Archive) {
    this.time = time
    this.archive = archive
  }

  /** All events so far; reading them removes them from the archive. */
  get events(): ReadonlyArray<HistoryEvent> {
    if (this.archive !== undefined)
      for (const event of this.archive.takeAll()) this.list.push(event)
    return this.list
  }

  add(happening: Happening): void {
    const event: HistoryEvent = {
      ...happening,
      seq: this.added++,
      t: this.time.now,
      quiet: this.time.quiet
    }
    if (this.archive === undefined) this.list.push(event)
    else this.archive.put(event)
  }

  call(fields: Omit<Extract<Happening, { readonly e: "call" }>, "e" | "id">): number {
    const id = this.calls++
    this.add({ e: "call", id, ...fields })
    return id
  }

  /** The same for the same run, and in practice for no other. */
  get hash(): string {
    const hash = Crypto.createHash("sha256")
    for (const event of this.events) hash.update(JSON.stringify(event)).update("\n")
    return hash.digest("hex").slice(0, 16)
  }
}
