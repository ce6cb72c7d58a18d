/**
 * The meaning of acknowledgements, as simply as possible: the reference that `replies.ts` compares
 * the engine with. It holds only numbers, computes everything anew at each step, and imports
 * nothing from the engine.
 */
import type { ResponseText } from "./wireText.ts"

/** Options of the tested stream that the reference needs, in milliseconds. */
export const limits = { silence: 1_000, drain: 50.5 } as const

interface Connection {
  /** Records that were durable when it began; wire offset 0 is the record after them. */
  readonly base: number
  created: boolean
  handed: number
  left: number
  claimed: number
  acknowledged: number
  /** When the silence began, while something is in flight. */
  since: number
  /** When the server announced its end, and how long it stays. */
  closing: { readonly at: number; readonly grace: number } | undefined
  /** When nothing was in flight any more after that. */
  idleAt: number | undefined
}

/** A stream of single records, one message each, over one connection after another. */
export class ReplyReference {
  now = 0
  accepted = 0
  durable = 0
  /** How the current connection ended; undefined while it is open. */
  ended: string | undefined
  private connection: Connection | undefined
  /** How long earlier connections were open with something in flight, since the last progress. */
  private silence = 0

  get watermark(): number {
    return this.durable - 1
  }

  /** The wire offset of the next message of this connection. */
  get handed(): number {
    return this.connection?.handed ?? 0
  }

  get claimed(): number {
    return this.connection?.claimed ?? -1
  }

  get left(): number {
    return this.connection?.left ?? 0
  }

  /** A connection begins. */
  connect(): void {
    this.ended = undefined
    this.connection = {
      base: this.durable,
      created: false,
      handed: 0,
      left: 0,
      claimed: -1,
      acknowledged: 0,
      since: this.now,
      closing: undefined,
      idleAt: undefined
    }
  }

  /** A record was accepted. */
  accept(): void {
    this.accepted++
    this.hand()
  }

  /** One more message was sent to the network. */
  leave(): void {
    if (this.connection === undefined) return
    this.connection.left++
    this.settle()
  }

  /** The server sent this response. */
  hear(text: ResponseText): void {
    const { connection } = this
    if (connection === undefined || this.ended !== undefined) return
    if (!connection.created) {
      if (text.created !== true) this.end("ProtocolViolation", this.now)
      connection.created = text.created === true
      this.hand()
      return
    }
    const { ack } = text
    const impossible =
      ack === "missing" || (ack !== undefined && (ack < 0 || ack >= connection.handed))
    if (!impossible && typeof ack === "number" && ack > connection.claimed) {
      connection.claimed = ack
      this.settle()
    }
    if (!impossible && text.closeAfter !== undefined && connection.closing === undefined) {
      connection.closing = { at: this.now, grace: text.closeAfter === "none" ? 0 : text.closeAfter }
      this.noteIdle()
    }
    if (impossible || text.bad !== undefined || text.created === true) {
      this.end("ProtocolViolation", this.now)
    }
  }

  /** Time has advanced to `now`, and nothing else happened. */
  pass(now: number): void {
    this.now = now
    const { connection } = this
    if (connection === undefined || !connection.created || this.ended !== undefined) return
    const silent =
      connection.handed > connection.acknowledged ? connection.since + limits.silence : Infinity
    const { closing, idleAt = Infinity } = connection
    const rotated =
      closing === undefined ? Infinity : Math.min(closing.at + closing.grace, idleAt) + limits.drain
    const at = Math.min(silent, rotated)
    if (at > now) return
    if (silent < rotated) this.end("Retryable AckTimeout", at)
    else this.end("Rotated", at)
  }

  /** The connection ended at that time, which may be earlier than now. Its silence ends with it. */
  private end(cause: string, at: number): void {
    const { connection } = this
    this.ended = cause
    if (cause === "Retryable AckTimeout") this.silence = 0
    else if (connection !== undefined && connection.handed > connection.acknowledged)
      this.silence = at - connection.since
  }

  /** Everything accepted is passed on at once, unless the server has announced its end. */
  private hand(): void {
    const { connection } = this
    if (connection === undefined || !connection.created || this.ended !== undefined) return
    if (connection.closing !== undefined) return
    const due = this.accepted - connection.base
    if (due > connection.handed && connection.handed === connection.acknowledged)
      connection.since = this.now - this.silence
    connection.handed = due
  }

  /** Messages that are acknowledged and were sent are durable. */
  private settle(): void {
    const { connection } = this
    if (connection === undefined || this.ended !== undefined) return
    const now = Math.min(connection.claimed + 1, connection.left)
    if (now <= connection.acknowledged) return
    connection.acknowledged = now
    connection.since = this.now
    this.silence = 0
    this.durable = connection.base + now
    this.noteIdle()
  }

  private noteIdle(): void {
    const { connection } = this
    if (connection?.closing === undefined || connection.acknowledged < connection.handed) return
    connection.idleAt ??= this.now
  }
}
