/**
 * The two directions of a session's call.
 *
 * Incoming: responses go to one reader at a time, first the handshake and then the session. With a
 * transport that uses callbacks, no fiber waits for them.
 *
 * Outgoing: the session hands over messages of the landing zone as long as the transport takes
 * them. Queued messages leave in the next turn of the event loop, without a fiber. Only while the
 * transport is full does a fiber wait for it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { TransportCall, TransportFailure } from "../../Transport.ts"
import type { Message } from "../landing/chunk.ts"
import type { Ending, Flight } from "./flight.ts"
import { sendSuspects } from "./isolation.ts"
import type { StreamCore } from "./streamCore.ts"

/** How a call ended: with this failure, or without one. */
export type CallEnd = TransportFailure | undefined

/** Receives responses and the end of the call. Neither callback may throw. */
export interface InboxReader {
  readonly response: (bytes: Uint8Array) => void
  readonly end: (end: CallEnd) => void
}

export class Inbox {
  /** Responses that arrived while there was no reader. */
  private early: Array<Uint8Array> = []
  private ended: { readonly end: CallEnd } | undefined
  private reader: InboxReader | undefined

  /** Opens the inbox of a call. */
  static of(call: TransportCall): Effect.Effect<Inbox, never, Scope.Scope> {
    return Effect.suspend(() => {
      const inbox = new Inbox()
      const response = (bytes: Uint8Array): void => inbox.arrivedUnsafe(bytes)
      const end = (failure: CallEnd): void => inbox.endUnsafe(failure)
      if (call.onResponseUnsafe !== undefined && call.onEndUnsafe !== undefined) {
        call.onResponseUnsafe(response)
        call.onEndUnsafe(end)
        return Effect.succeed(inbox)
      }
      const queued = Effect.forever(Effect.map(Queue.take(call.responses), response)).pipe(
        Effect.catch((failure) =>
          Effect.sync(() => end(failure._tag === "Done" ? undefined : failure))
        )
      )
      return Effect.as(Effect.forkScoped(queued, { startImmediately: true }), inbox)
    })
  }

  /** Sets the reader, and passes it the responses that arrived without one. */
  readUnsafe(reader: InboxReader | undefined): void {
    this.reader = reader
    while (this.reader !== undefined && this.early.length > 0)
      this.reader.response(this.early.shift()!)
    if (this.ended !== undefined) this.reader?.end(this.ended.end)
  }

  /** Waits for one response; fails with the end of the call. */
  get next(): Effect.Effect<Uint8Array, { readonly end: CallEnd }> {
    return Effect.callback((resume) => {
      const answer = (exit: Exit.Exit<Uint8Array, { readonly end: CallEnd }>): void => {
        this.readUnsafe(undefined)
        resume(exit)
      }
      this.readUnsafe({
        response: (bytes) => answer(Exit.succeed(bytes)),
        end: (end) => answer(Exit.fail({ end }))
      })
      return Effect.sync(() => this.readUnsafe(undefined))
    })
  }

  private arrivedUnsafe(bytes: Uint8Array): void {
    if (this.reader === undefined) this.early.push(bytes)
    else this.reader.response(bytes)
  }

  private endUnsafe(end: CallEnd): void {
    this.ended = { end }
    this.reader?.end(end)
  }
}

/** Hands messages to a session's call. */
export class Sending {
  private readonly core: StreamCore<any>
  private readonly flight: Flight
  private readonly ending: Ending
  private replaying = false
  private handing = false
  private stopped = false
  /** Stops notifications of queued messages; undefined while there are none. */
  private unlisten: (() => void) | undefined
  /** The fiber that waits for the transport, or searches for a refused record. */
  private waiting: Fiber.Fiber<void> | undefined
  /** How many waits have begun. */
  private waits = 0

  constructor(core: StreamCore<any>, flight: Flight, ending: Ending) {
    this.core = core
    this.flight = flight
    this.ending = ending
  }

  /** Starts sending: with the search for a refused record, if there is one. */
  start(): void {
    const { core, flight } = this
    const begin = (): void => {
      this.replaying = core.zone.window.toReplay > 0
      this.listen()
    }
    if (core.isolation === undefined) return begin()
    const search = sendSuspects(core, flight.idle, (message) => this.handWhole(message))
    this.wait(Effect.map(search, begin))
  }

  /** Stops sending. The next session sends the unacknowledged messages. */
  stop(): void {
    this.stopped = true
    this.unlisten?.()
    this.unlisten = undefined
    this.waiting?.interruptUnsafe()
  }

  private wait(effect: Effect.Effect<void>): void {
    const guarded = Effect.catchDefect(effect, (defect) =>
      Effect.sync(() => this.ending.die(defect))
    )
    const wait = ++this.waits
    const fiber = this.core.fork(guarded)
    // The effect may end within the fork and begin the next wait. Then that one is stopped.
    if (this.waits === wait) this.waiting = fiber
  }

  private listen(): void {
    if (this.stopped) return
    this.unlisten = this.core.zone.listenUnsafe(this.serve)
    this.serve()
  }

  private readonly serve = (): void => {
    try {
      if (this.handAll()) return
    } catch (defect) {
      this.stop()
      return this.ending.die(defect)
    }
    if (this.stopped) return
    this.unlisten?.()
    this.unlisten = undefined
    this.wait(Effect.map(this.flight.session.call.writable, () => this.listen()))
  }

  /**
   * Hands a message over, or as many of its requests as the transport takes. Returns false when the
   * transport is full.
   */
  private hand(message: Message): boolean {
    const { core, flight } = this
    const now = core.now()
    message.sends++
    message.handedAt = now
    core.telemetry.sent(message)
    flight.session.wire.begin(message)
    // A transport may answer within the call.
    flight.handedUnsafe(now)
    return this.handRest()
  }

  /** Hands over the rest of a message that was begun. Returns false when the transport is full. */
  private handRest(): boolean {
    const { call, wire } = this.flight.session
    for (;;) {
      const request = wire.next()
      if (request === undefined) return true
      if (!call.sendUnsafe(request, this.core.rpc.freeRoom)) return false
      // Sending may be stopped within the call.
      if (this.stopped) return true
    }
  }

  /** Hands a message over, and waits while the transport is full. */
  private handWhole(message: Message): Effect.Effect<void> {
    const { writable } = this.flight.session.call
    const rest: Effect.Effect<void> = Effect.suspend(() =>
      this.handRest() ? Effect.void : Effect.andThen(writable, rest)
    )
    return Effect.suspend(() => (this.hand(message) ? Effect.void : Effect.andThen(writable, rest)))
  }

  /**
   * Hands over everything queued. Returns false when the transport is full. Messages queued in the
   * meantime follow in order.
   */
  private handAll(): boolean {
    // Metrics of the program, or a resumed waiter, may queue a message, and the scheduler may run
    // its turn at once.
    if (this.handing) return true
    this.handing = true
    const { states, zone } = this.core
    try {
      if (!this.handRest()) return false
      // Sending may be stopped within a call.
      while (this.unlisten !== undefined) {
        const message = zone.nextUnsafe()
        if (message === undefined) return true
        const more = this.hand(message)
        if (this.replaying && zone.window.toReplay === 0) {
          this.replaying = false
          states.enterUnsafe("open")
        }
        if (!more) return false
      }
      return true
    } finally {
      this.handing = false
    }
  }
}
