/**
 * Sends random replies to the part of the engine that processes them: a real session with its
 * acknowledgements, its landing zone and its silence timer. The server acknowledges correctly,
 * late, twice, backwards, beyond what was sent, negatively, without an offset, before the stream is
 * open, after its end, or sends other responses. After every step the watermark, the waiters, the
 * reader of durable offsets and the end of the session must match `replyReference.ts`.
 */
import * as Crypto from "node:crypto"
import { type Cause, Effect, Exit, type Fiber, Option, Queue, Result } from "effect"
import {
  type StreamConfigurationOptions,
  StreamClosed,
  TableProperties,
  Transport
} from "effect-zerobus"
import type { TransportCall, TransportFailure } from "effect-zerobus"
import { Offset } from "../../src/Offset.ts"
import { resolve } from "../../src/StreamConfigurationOptions.ts"
import { Turns } from "../../src/internal/landing/turns.ts"
import { openSession, runSession, type SessionEnd } from "../../src/internal/engine/session.ts"
import type { SessionFailure } from "../../src/internal/engine/sessionFailure.ts"
import { endUnsafe, makeStreamCore, type StreamCore } from "../../src/internal/engine/streamCore.ts"
import { limits, ReplyReference } from "./replyReference.ts"
import { makeRandom, type SeededRandom } from "./seededRandom.ts"
import { VirtualTime } from "./virtualTime.ts"
import { hostile, readResponseText } from "./wireText.ts"

const table = TableProperties.json("main.default.simulated")
const options: StreamConfigurationOptions = {
  batching: "off",
  serverLackOfAckTimeout: limits.silence,
  drainTimeout: limits.drain
}
const provider = { getHeaders: () => Effect.succeed({}) }

/** The result of one sequence. */
export interface ReplyRun {
  readonly replies: number
  /** The first difference from the reference, and when it occurred; undefined if there was none. */
  readonly difference: string | undefined
  /** Every step, if they were requested. */
  readonly steps: ReadonlyArray<string>
  /** The hash of the steps. */
  readonly hash: string
}

interface Waiting {
  readonly offset: number
  readonly fiber: Fiber.Fiber<Offset, unknown>
  given: boolean
}

/** One sequence: a stream, and the replies of its server on one connection after another. */
class Sequence {
  readonly steps: Array<string> = []
  replies = 0
  private readonly random: SeededRandom
  private readonly time: VirtualTime
  private readonly reference = new ReplyReference()
  private readonly core: StreamCore<any>
  private readonly traced: boolean
  /** The probability of a reply that no correct server sends. */
  private readonly malice: number
  private readonly prompt: boolean
  private responses: Queue.Queue<Uint8Array, TransportFailure | Cause.Done> | undefined
  private session: Fiber.Fiber<SessionEnd, SessionFailure> | undefined
  private listener: (() => void) | undefined
  private sent = 0
  private handed = 0
  private readonly waiting: Array<Waiting> = []
  private read = -1
  private unordered = false

  constructor(seed: string, traced: boolean) {
    this.random = makeRandom(seed)
    this.traced = traced
    const { random } = this
    this.malice = random.pick([0.0005, 0.005, 0.02, 0.1])
    this.prompt = random.chance(0.6)
    this.time = new VirtualTime(random.fork("schedule"), {
      shuffle: random.pick([0, 0.3]),
      yields: random.pick([0, 0.05])
    })
    const resolved = Result.getOrThrow(resolve(options))
    // Forked, because it keeps the scheduler that it was created on.
    const core = this.run(makeStreamCore(table, resolved, new Turns()))
    this.time.drain()
    this.core = Exit.getSuccess(core.pollUnsafe()!).pipe(Option.getOrThrow)
    this.run(this.reading())
  }

  /** Runs up to `count` replies; returns the first difference. */
  all(count: number): string | undefined {
    let difference: string | undefined
    for (
      let sessions = 0;
      sessions < 4 && this.replies < count && difference === undefined;
      sessions++
    ) {
      this.connect()
      while (
        this.replies < count &&
        this.reference.ended === undefined &&
        difference === undefined
      ) {
        this.step()
        difference = this.compare()
      }
      // Replies after the end change nothing.
      for (
        let after = this.random.int(3);
        after > 0 && difference === undefined && this.reference.ended !== undefined;
        after--
      ) {
        this.reply()
        difference = this.compare()
      }
      if (this.session?.pollUnsafe() === undefined) this.session?.interruptUnsafe()
      this.time.drain()
    }
    return difference ?? this.finish()
  }

  private run<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    return Effect.runForkWith(this.time.context())(effect)
  }

  private note(text: string): void {
    if (this.traced) this.steps.push(`${this.time.now} ms: ${text}`)
  }

  private connect(): void {
    const { core } = this
    this.reference.connect()
    this.sent = this.handed = 0
    const open = Effect.map(
      Queue.unbounded<Uint8Array, TransportFailure | Cause.Done>(),
      (responses): TransportCall => {
        this.responses = responses
        return {
          sendUnsafe: () => {
            this.handed++
            if (this.prompt) this.sent++
            return true
          },
          writable: Effect.void,
          sentUnsafe: () => this.sent,
          onSentUnsafe: (listener) => {
            this.listener = listener
          },
          halfClose: Effect.void,
          responses
        }
      }
    )
    core.zone.rewindUnsafe()
    const session = Effect.flatMap(openSession(core, provider), (opened) =>
      runSession(core, opened)
    )
    this.session = this.run(
      Effect.scoped(Effect.provideService(session, Transport, { open: () => open }))
    )
    this.time.drain()
    this.note("connects")
  }

  private step(): void {
    const { random, reference } = this
    const dice = random.float()
    if (dice < 0.6) {
      this.reply()
      // Several in one turn of the event loop.
      while (random.chance(0.2)) this.reply()
    } else if (dice < 0.75) {
      for (let n = random.between(1, 3); n > 0; n--) {
        this.core.zone.offerUnsafe("{}")
        this.time.drain()
        reference.accept()
        if (this.prompt) this.left()
      }
      this.note("accepts records")
    } else if (dice < 0.83) this.leave()
    else if (dice < 0.9) this.wait()
    else if (dice < 0.93) {
      const gone = this.waiting.splice(random.int(this.waiting.length), 1)[0]
      gone?.fiber.interruptUnsafe()
    } else this.pass(random.pick([1, 10, 300, 999, 1_000, 2_500]))
  }

  /** A prompt transport has sent everything it received. */
  private left(): void {
    while (this.reference.left < this.handed - 1) this.reference.leave()
  }

  private leave(): void {
    if (this.prompt || this.sent >= this.handed) return
    this.sent++
    // The first request creates the stream.
    if (this.sent > 1) this.reference.leave()
    this.listener?.()
    this.note(`request ${this.sent - 1} leaves`)
  }

  private reply(): void {
    const { reference } = this
    const bytes = this.makeReply()
    const text = readResponseText(bytes)
    this.replies++
    this.note(`says ${JSON.stringify(text)}`)
    if (this.responses !== undefined) Queue.offerUnsafe(this.responses, bytes.slice())
    reference.hear(text)
    if (text.created === true) {
      this.time.drain()
      if (this.prompt) this.left()
    }
  }

  private makeReply(): Uint8Array {
    const { malice, random, reference } = this
    if (reference.handed === 0 && random.chance(0.9)) return hostile.created
    if (!random.chance(malice)) {
      const dice = random.float()
      if (dice < 0.5)
        return hostile.ack(
          random.between(Math.max(0, reference.claimed), Math.max(0, reference.handed - 1))
        )
      if (dice < 0.75) return hostile.ack(Math.max(0, reference.claimed))
      return hostile.ack(random.int(Math.max(1, reference.claimed + 1)))
    }
    return random.pick([
      () => hostile.ack(reference.handed + random.int(3)),
      () => hostile.ack(Number.MAX_SAFE_INTEGER + 10),
      () => hostile.ack(-1 - random.int(5)),
      () => hostile.ackWithoutOffset,
      () => hostile.unknownKind,
      () => hostile.empty,
      () => hostile.malformed,
      () => hostile.created,
      () => hostile.closeWithoutDuration,
      () => hostile.ackAndClose(random.int(reference.handed + 1), random.int(3))
    ])()
  }

  private wait(): void {
    const offset = this.random.int(this.reference.accepted + 3)
    if (this.waiting.length >= 8) return
    this.waiting.push({
      offset,
      fiber: this.run(this.core.acks.await(Offset(offset))),
      given: false
    })
    this.note(`a waiter for offset ${offset}`)
  }

  private pass(millis: number): void {
    const to = this.time.now + millis
    let there = false
    // Timers due at the same moment run first: the second timer is the youngest of all.
    this.time.after(millis, () => {
      this.time.after(0, () => {
        there = true
      })
    })
    this.time.run(() => there)
    this.reference.pass(to)
    this.note("time has passed")
  }

  /** Follows the durable offsets as `durableOffsets` does. */
  private reading(): Effect.Effect<never, unknown> {
    return Effect.flatMap(this.core.acks.beyond(this.read), (offset) => {
      if (offset <= this.read) this.unordered = true
      this.read = offset
      return this.reading()
    })
  }

  private compare(): string | undefined {
    const { core, reference, time } = this
    time.drain()
    if (core.acks.watermark !== reference.watermark) {
      return `the watermark is ${core.acks.watermark}, but should be ${reference.watermark}`
    }
    if (this.read !== reference.watermark || this.unordered) {
      return `the reader of durable offsets saw ${this.read}, but should see ${reference.watermark}`
    }
    const ended = this.sessionEnd()
    if (ended !== reference.ended)
      return `the session ended with ${ended}, but should end with ${reference.ended}`
    for (let index = this.waiting.length - 1; index >= 0; index--) {
      const { fiber, offset } = this.waiting[index]!
      const exit = fiber.pollUnsafe()
      if ((exit !== undefined) !== offset <= reference.watermark) {
        return (
          `the waiter for offset ${offset} ` +
          `${exit === undefined ? "still waits" : "was woken"}, but the watermark is ` +
          `${reference.watermark}`
        )
      }
      if (exit === undefined) continue
      if (!Exit.isSuccess(exit) || exit.value !== offset)
        return `the waiter for offset ${offset} received another result`
      this.waiting.splice(index, 1)
    }
    return undefined
  }

  private sessionEnd(): string | undefined {
    const exit = this.session?.pollUnsafe()
    if (exit === undefined) return undefined
    if (Exit.isFailure(exit)) {
      const reason = exit.cause.reasons[0]
      return reason?._tag === "Fail" ? reason.error.failure._tag : "a defect"
    }
    if (exit.value._tag !== "Failed") return exit.value._tag
    const { failure } = exit.value.cause
    return failure._tag === "Retryable" ? `Retryable ${failure.reason._tag}` : failure._tag
  }

  /**
   * The stream ends: waiters for offsets that are not durable receive the reason, and no waiter is
   * left.
   */
  private finish(): string | undefined {
    const { core, time } = this
    endUnsafe(core, Exit.fail(new StreamClosed({ operation: "replies" })), "failed")
    time.drain()
    for (const { fiber, offset } of this.waiting) {
      const exit = fiber.pollUnsafe()
      if (exit === undefined) return `the waiter for offset ${offset} was not notified of the end`
      if (Exit.isSuccess(exit)) return `offset ${offset} became durable because the stream ended`
    }
    core.zone.acknowledgeUnsafe(core.zone.window.inFlight)
    const later = core.acks.pollUnsafe(Offset(this.reference.accepted))
    if (later === undefined || Exit.isSuccess(later))
      return "an unacknowledged offset is not refused after the end"
    if (time.fibers !== 0 || time.sleeps !== 0)
      return `${time.fibers} fibers and ${time.sleeps} timers are left`
    return undefined
  }
}

/** Runs the sequence of a seed. */
export const runReplies = (seed: string, traced = false): ReplyRun => {
  const sequence = new Sequence(seed, traced)
  const count = makeRandom(`${seed}/length`).pick([5, 20, 60, 200, 1_000])
  const difference = sequence.all(count)
  const hash = Crypto.createHash("sha256")
    .update(sequence.steps.join("\n"))
    .digest("hex")
    .slice(0, 16)
  return { replies: sequence.replies, difference, steps: sequence.steps, hash }
}
