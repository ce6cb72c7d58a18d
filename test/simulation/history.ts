/**
 * What happened in a run, in order: calls and answers of the program, traffic of each connection as the client's end saw it, and
 * what the server stored. The checker reads nothing else.
 */
import * as Crypto from "node:crypto"
import type { ResponseText } from "./wireText.ts"
import type { VirtualTime } from "./virtualTime.ts"

/** How a call of the program ended. */
export type Outcome =
  | { readonly _tag: "Done" }
  | { readonly _tag: "Offset"; readonly offset: number }
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

/** How a connection ended, as the client was told. */
export type Ended =
  | { readonly how: "ok" }
  | { readonly how: "status"; readonly code: number }
  | { readonly how: "lost" }

/** Settings of a stream that the rules refer to; milliseconds. */
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
}

export type Happening =
  | {
      readonly e: "call"
      readonly id: number
      readonly stream: number
      readonly op: string
      readonly records?: ReadonlyArray<number>
      /** Bytes of the records' payloads, at least. */
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
  | { readonly e: "unacked"; readonly stream: number; readonly records: ReadonlyArray<number>; readonly cause: string }
  | { readonly e: "watermark"; readonly stream: number; readonly offset: number }
  | { readonly e: "state"; readonly stream: number; readonly state: string }
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
  | { readonly e: "response"; readonly conn: number; readonly text: ResponseText; readonly hostile: boolean }
  | { readonly e: "ended"; readonly conn: number; readonly ended: Ended }
  | { readonly e: "stored" | "durable"; readonly conn: number; readonly records: ReadonlyArray<number> }
  | { readonly e: "broken"; readonly what: string }
  | { readonly e: "fault"; readonly what: string; readonly conn?: number }
  | { readonly e: "probe"; readonly stream: number; readonly accepted: number; readonly capacity: number }
  | {
      readonly e: "left"
      readonly fibers: number
      readonly sleeps: number
      readonly open: number
      readonly unfinished: number
    }

/** A happening with its place in the run. */
export type HistoryEvent = Happening & { readonly seq: number; readonly t: number; readonly quiet: number }

/** Collects the events of one run. */
export class History {
  readonly events: Array<HistoryEvent> = []
  private calls = 0
  private readonly time: VirtualTime

  constructor(time: VirtualTime) {
    this.time = time
  }

  add(happening: Happening): void {
    this.events.push({ ...happening, seq: this.events.length, t: this.time.now, quiet: this.time.quiet })
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
