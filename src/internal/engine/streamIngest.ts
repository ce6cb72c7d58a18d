/**
 * How records enter an open stream: the ingest calls and their receipts. The landing zone decides
 * what is accepted, and when.
 *
 *   yield* ingestRecord --> must give way? -- no --> zone.offerUnsafe --> offset: Ack, at once
 *                              |                        |
 *                              | yes                    +--> refusal: fails with it
 *                              v                        +--> Full: zone.waitUnsafe --> Ack, or
 *                           inTurn --> offer -----------+          StreamClosed
 *   ingestRecord as a plain effect --> ingest: the same, in the fiber's run loop
 *
 * A call that has to wait joins the line at once and yields afterwards.
 *
 *   ingestRecords --> must give way? --> zone.offerBatchUnsafe --> the same, one Ack per batch
 *   offerUnsafe --> zone.offerUnsafe --> Ack, undefined when Full or closed, throws a refusal
 *
 *   Ack.await, waitForOffset --> acks.pollUnsafe, else acks.await, at most for flushTimeout
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { Scheduler } from "effect/Scheduler"
import { Offset } from "../../Offset.ts"
import type { AckError, RecordAck } from "../../RecordAck.ts"
import { FlushTimeout, InvalidArgument } from "../../ZerobusError.ts"
import type { IngestError, ZerobusStream } from "../../ZerobusStream.ts"
import type { Refusal } from "../landing/landingZone.ts"
import { Full } from "../landing/waitingLine.ts"
import type { AckLimit } from "../receipts/acknowledgements.ts"
import { isRefusedForColumn } from "../tableForm.ts"
import { wake } from "../userCode/wake.ts"
import { handles, insideHandler } from "./streamRefused.ts"
import {
  type AckFailure,
  noteRaised,
  pendingOf,
  type StreamFace,
  streamClosed
} from "./streamCore.ts"

/**
 * A receipt. An ingest call that needs no wait returns it as an iterator that is done at once:
 * `yield*` reads the receipt from the receipt itself, which saves one object per record.
 */
class Ack implements RecordAck {
  readonly offset: Offset
  // Private at run time: receipts are often logged, and the core holds credentials and records.
  readonly #core: StreamFace<any>

  constructor(core: StreamFace<any>, offset: number) {
    this.#core = core
    this.offset = Offset(offset)
  }

  get persisted(): Effect.Effect<void, AckError> {
    return Effect.asVoid(this.await)
  }

  get await(): Effect.Effect<Offset, AckError> {
    return awaitOffset(this.#core, this.offset)
  }

  get poll(): Effect.Effect<Option.Option<Exit.Exit<Offset, AckFailure>>> {
    return Effect.sync(() => Option.fromUndefinedOr(this.#core.acks.pollUnsafe(this.offset)))
  }

  next(): this {
    return this
  }

  get done(): true {
    return true
  }

  get value(): this {
    return this
  }
}

/**
 * Waits, at most `flushTimeout`, until an offset that was given out is durable. Fails for a refused
 * one.
 */
export const awaitOffset = (
  core: StreamFace<any>,
  offset: Offset
): Effect.Effect<Offset, AckError> =>
  Effect.withFiber(
    (fiber) =>
      core.acks.pollUnsafe(offset) ??
      waitOutside(core, fiber, (limit) => core.acks.await(offset, limit))
  )

/** Waits, at most `flushTimeout`, until an offset that was given out is durable or refused. */
export const awaitSettled = (
  core: StreamFace<any>,
  offset: Offset
): Effect.Effect<Offset, AckError> =>
  Effect.withFiber((fiber) => waitOutside(core, fiber, (limit) => core.acks.settled(offset, limit)))

/** A wait for an offset, up to a limit if there is one. */
type Wait = (
  limit: AckLimit<FlushTimeout> | undefined
) => Effect.Effect<Offset, AckFailure | FlushTimeout>

const waitOutside = (
  core: StreamFace<any>,
  fiber: AnyFiber,
  wait: Wait
): Effect.Effect<Offset, AckError> =>
  handles(core, fiber)
    ? insideHandler("waitForOffset")
    : waitLimited(core, fiber, "waitForOffset", wait)

/**
 * Bounds a wait for an offset by `flushTimeout`. Uses the stream's timer when the fiber has the
 * same clock.
 */
export const waitLimited = (
  core: StreamFace<any>,
  fiber: AnyFiber,
  operation: FlushTimeout["operation"],
  wait: Wait
): Effect.Effect<Offset, AckFailure | FlushTimeout> => {
  const { clock, options, waitLimit } = core
  if (fiber.getRef(Clock.Clock) !== clock)
    return withinLimit(core, wait(undefined), operation, options.flushTimeout)
  return wait({
    limit: waitLimit,
    expired: () => Exit.fail(timedOut(core, operation, options.flushTimeout))
  })
}

/** Bounds a wait for durability. Beyond the limit it fails with `FlushTimeout`. */
export const withinLimit = <A, E>(
  core: StreamFace<any>,
  effect: Effect.Effect<A, E>,
  operation: FlushTimeout["operation"],
  timeoutMillis: number
): Effect.Effect<A, E | FlushTimeout> =>
  Effect.timeoutOrElse(effect, {
    duration: timeoutMillis,
    orElse: () => Effect.fail(timedOut(core, operation, timeoutMillis))
  })

/** The error of a wait that reached its limit. */
export const timedOut = (
  core: StreamFace<any>,
  operation: FlushTimeout["operation"],
  timeoutMillis: number
): FlushTimeout => {
  const { lastFailure } = core.whole
  const timeout = new FlushTimeout({
    operation,
    timeoutMillis,
    pending: pendingOf(core.whole),
    lastFailure
  })
  noteRaised(core, timeout)
  return timeout
}

/**
 * One ingest call. Like any effect it does nothing until it runs, and can run again.
 *
 * In a generator, `yield*` requests the iterator of the effect when the call is due. The record can
 * be accepted right there, without a pass through the fiber's run loop. That pass takes longer than
 * encoding a small record and writing it into its chunk. Other cases (a full zone, a refusal, a
 * closed stream) go through the run loop. Outside of a fiber no call is due: the iterator is that
 * of any effect, and accepts nothing.
 */
class IngestCall<A> extends Effectable.Class<RecordAck, IngestError> {
  readonly #door: IngestDoor<A>
  readonly #record: A

  constructor(door: IngestDoor<A>, record: A) {
    super()
    this.#door = door
    this.#record = record
  }

  asEffect(): Effect.Effect<RecordAck, IngestError> {
    const fiber = Fiber.getCurrent()
    return fiber === undefined
      ? Effect.withFiber((running) => this.#door.ingest(this.#record, running))
      : this.#door.ingest(this.#record, fiber)
  }

  override [Symbol.iterator](): Effect.EffectIterator<Effect.Effect<RecordAck, IngestError>> {
    const fiber = Fiber.getCurrent()
    if (fiber === undefined) return super[Symbol.iterator]()
    const { core } = this.#door
    if (core.closing || core.zone.mustGiveWay())
      return this.#door.ingestLater(this.#record, fiber)[Symbol.iterator]()
    const result = core.zone.offerUnsafe(this.#record)
    return typeof result === "number" && result !== Full
      ? (new Ack(core.receiver, result) as never)
      : this.#door.answer(result, this.#record, fiber)[Symbol.iterator]()
  }
}

/** What the ingest calls of one stream share. `fiber` is the calling fiber. */
class IngestDoor<A> {
  readonly core: StreamFace<A>

  constructor(core: StreamFace<A>) {
    this.core = core
  }

  ingest(record: A, fiber: AnyFiber): Effect.Effect<RecordAck, IngestError> {
    const { closing, zone } = this.core
    return closing || zone.mustGiveWay()
      ? this.ingestLater(record, fiber)
      : this.offer(record, fiber)
  }

  /** Refuses the record of a closed stream at once; otherwise joins the line with it. */
  ingestLater(record: A, fiber: AnyFiber): Effect.Effect<RecordAck, IngestError> {
    return this.core.closing
      ? this.offer(record, fiber)
      : this.inTurn(fiber, () => this.offer(record, fiber))
  }

  /** Joins the line and offers when its turn comes, before later callers of the stream. */
  inTurn(
    fiber: AnyFiber,
    offer: () => Effect.Effect<RecordAck, IngestError>
  ): Effect.Effect<RecordAck, IngestError> {
    const scheduler = fiber.getRef(Scheduler)
    // A program that runs synchronously cannot wait for a turn of the event loop.
    if (scheduler.executionMode === "sync")
      return Effect.andThen(Effect.yieldNow, Effect.suspend(offer))
    return inLine(fiber, (answer) =>
      this.core.zone.standInLineUnsafe(scheduler, () => answer(attempt(offer)))
    )
  }

  private offer(record: A, fiber: AnyFiber): Effect.Effect<RecordAck, IngestError> {
    const { core } = this
    return core.closing
      ? Effect.fail(streamClosed(core, "ingestRecord"))
      : this.answer(core.zone.offerUnsafe(record), record, fiber)
  }

  answer(
    result: number | Refusal,
    record: A,
    fiber: AnyFiber
  ): Effect.Effect<RecordAck, IngestError> {
    if (typeof result !== "number")
      return this.refused(result, fiber, () => this.ingest(record, fiber))
    return result === Full
      ? this.wait([record], false, "ingestRecord", fiber)
      : Effect.succeed(new Ack(this.core.receiver, result))
  }

  /**
   * Fails with the refusal, unless the table meanwhile has the column that the record was refused
   * for.
   */
  refused(
    refusal: Refusal,
    fiber: AnyFiber,
    again: () => Effect.Effect<RecordAck, IngestError>
  ): Effect.Effect<RecordAck, IngestError> {
    const { core } = this
    // The fiber that would open the next session waits for the handler.
    const follows =
      core.followed !== undefined && isRefusedForColumn(refusal) && !handles(core, fiber)
    if (!follows) return Effect.fail(refusal)
    return Effect.flatMap(core.followed!.follow(core.finished.await), (found) =>
      found ? again() : Effect.fail(refusal)
    )
  }

  /** Waits in line for room, at most `ingestTimeout`. */
  wait(
    records: ReadonlyArray<A>,
    atomic: boolean,
    operation: "ingestRecord" | "ingestRecords",
    fiber: AnyFiber
  ): Effect.Effect<RecordAck, IngestError> {
    const { core } = this
    const { ingestTimeout } = core.options
    if (handles(core, fiber)) {
      const forced = core.zone.forceUnsafe(records, atomic)
      return typeof forced === "number"
        ? Effect.succeed(new Ack(core.receiver, forced))
        : Effect.fail(forced)
    }
    let leave = (): boolean => false
    const admitted = inLine<RecordAck, IngestError>(fiber, (answer) => {
      const waiting = core.zone.waitUnsafe(records, atomic, (offset) =>
        answer(
          offset === undefined
            ? Effect.fail(streamClosed(core, operation))
            : Effect.succeed(new Ack(core.receiver, offset))
        )
      )
      if (typeof waiting === "function") leave = waiting
      else answer(this.refused(waiting, fiber, () => this.wait(records, atomic, operation, fiber)))
      return leave
    })
    if (ingestTimeout === undefined) return admitted
    // A record that was admitted at the last moment is accepted: its wait completes with the
    // receipt.
    const late = Effect.suspend(() =>
      leave() ? Effect.fail(timedOut(core, operation, ingestTimeout)) : Effect.never
    )
    return Effect.raceFirst(admitted, Effect.delay(late, ingestTimeout))
  }
}

type AnyFiber = Fiber.Fiber<unknown, unknown>

/**
 * Joins a line now, and returns the effect that waits there for the answer. The scheduler may pause
 * the fiber before that effect runs, and later callers must not overtake it then. `join` returns
 * how to leave the line; a fiber that ends leaves it.
 */
const inLine = <A, E>(
  fiber: AnyFiber,
  join: (answer: (effect: Effect.Effect<A, E>) => void) => () => unknown
): Effect.Effect<A, E> => {
  let given: Effect.Effect<A, E> | undefined
  let resume = (answer: Effect.Effect<A, E>): void => void (given = answer)
  const leave = join((answer) => wake(resume, answer))
  const unobserve = fiber.addObserver(leave)
  return Effect.callback<A, E>((waiting) => {
    unobserve()
    if (given !== undefined) {
      waiting(given)
      return undefined
    }
    resume = waiting
    return Effect.sync(leave)
  })
}

/** Runs the call; a defect in it belongs to its caller. */
const attempt = <A, E>(call: () => Effect.Effect<A, E>): Effect.Effect<A, E> => {
  try {
    return call()
  } catch (defect) {
    return Effect.die(defect)
  }
}

/** The ingest calls of a stream. */
export const makeIngest = <A>(
  core: StreamFace<A>
): Pick<ZerobusStream<A>, "ingestRecord" | "ingestRecords" | "offerUnsafe"> => {
  const { zone } = core
  const door = new IngestDoor(core)

  const offerBatch = (
    records: ReadonlyArray<A>,
    fiber: AnyFiber
  ): Effect.Effect<RecordAck, IngestError> => {
    if (core.closing) return Effect.fail(streamClosed(core, "ingestRecords"))
    const result = zone.offerBatchUnsafe(records)
    if (typeof result !== "number")
      return door.refused(result, fiber, () => offerBatch(records, fiber))
    return result === Full
      ? door.wait(records, true, "ingestRecords", fiber)
      : Effect.succeed(new Ack(core.receiver, result))
  }
  const ingestRecords = (
    records: ReadonlyArray<A>
  ): Effect.Effect<RecordAck | undefined, IngestError> =>
    Effect.withFiber((fiber): Effect.Effect<RecordAck | undefined, IngestError> => {
      if (core.closing) return Effect.fail(streamClosed(core, "ingestRecords"))
      if (!Array.isArray(records)) {
        return Effect.fail(
          new InvalidArgument({ message: "ingestRecords takes an array of records.", path: [] })
        )
      }
      if (records.length === 0) return Effect.succeed(undefined)
      return zone.mustGiveWay()
        ? door.inTurn(fiber, () => offerBatch(records, fiber))
        : offerBatch(records, fiber)
    })

  return {
    ingestRecord: (record) => new IngestCall(door, record),
    ingestRecords,
    offerUnsafe: (record) => {
      if (core.closing || !zone.turnLine.isEmpty) return undefined
      const result = zone.offerUnsafe(record)
      if (typeof result !== "number") throw result
      return result === Full ? undefined : new Ack(core.receiver, result)
    }
  }
}
