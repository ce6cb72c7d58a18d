/**
 * Finds the one record that a server refuses among those it may mean.
 *
 * A server processes in order, but may refuse before it acknowledged what came before. So the suspects are all messages that were in
 * flight. Until they are settled, sessions send nothing beyond them, and send each unit only when everything before is acknowledged:
 *
 * | what was in flight when the refusal came | next session |
 * | --- | --- |
 * | several messages, for the first time | the oldest in pieces, one at a time; then groups of about the square root of the others |
 * | a group of messages | its oldest in pieces, then its others, one at a time |
 * | one message of single records | pieces of about the square root of its records, one at a time |
 * | one piece | its records, one at a time |
 * | one record or batch, and nothing became durable since the refusal before | the same once more |
 * | one record or batch | it is refused for certain |
 */
import * as Effect from "effect/Effect"
import type { Message } from "../landing/chunk.ts"
import type { StreamCore } from "./streamCore.ts"

/** The state of a search. */
export interface Isolation {
  /** The last offset of the suspects. */
  readonly last: number
  /** Up to this offset one message travels at a time. */
  aloneTo: number
  /** How many messages travel together beyond that. */
  readonly group: number
  /** The last offset of a message that was divided once, whose pieces are divided into records. */
  dividedTo: number
  /** The offset that was sent alone and refused with nothing durable since the refusal before. */
  repeated: number
}

/** From this many records on a message is divided twice. */
const DIVIDE_TWICE = 8

/**
 * A session was refused with so many messages in flight. Narrows the search and returns `undefined`, or returns the message that is
 * refused for certain, which is the oldest. Only while no session is open.
 */
export const narrowUnsafe = (core: StreamCore<any>, inFlight: number): Message | undefined => {
  const { zone } = core
  const durableBefore = core.durableSinceRefusal
  core.durableSinceRefusal = false
  const oldest = zone.oldestUnsafe()!
  const known = core.isolation !== undefined
  const last = zone.window.at(inFlight - 1).lastOffset
  const search = (core.isolation ??= {
    last,
    aloneTo: oldest.lastOffset,
    group: Math.ceil(Math.sqrt(inFlight)),
    dividedTo: -1,
    repeated: -1
  })
  // Of the first suspects only the oldest travels alone, of a refused group each message does.
  search.aloneTo = Math.max(search.aloneTo, known ? last : oldest.lastOffset)
  if (oldest.records > 1 && !oldest.atomic) {
    const whole = oldest.lastOffset > search.dividedTo && oldest.records > DIVIDE_TWICE
    zone.divideUnsafe(1, ({ records }) => (whole ? Math.ceil(Math.sqrt(records)) : 1))
    if (whole) search.dividedTo = oldest.lastOffset
    return undefined
  }
  if (inFlight > 1) return undefined
  if (durableBefore || search.repeated === oldest.offset) return oldest
  search.repeated = oldest.offset
  return undefined
}

/** Sends the suspects, each unit when everything before it is acknowledged, until all of them are settled. */
export const sendSuspects = Effect.fnUntraced(function* (
  core: StreamCore<any>,
  idle: Effect.Effect<void>,
  hand: (message: Message) => boolean,
  writable: Effect.Effect<void>
) {
  const { zone } = core
  for (;;) {
    yield* idle
    const search = core.isolation
    if (search === undefined) return
    const next = zone.window.toReplay > 0 ? zone.window.at(zone.window.inFlight) : undefined
    if (next === undefined || next.offset > search.last) {
      core.isolation = undefined
      if (next === undefined) core.states.enterUnsafe("open")
      return
    }
    const together = next.offset <= search.aloneTo ? 1 : search.group
    for (let sent = 0; sent < together && zone.window.toReplay > 0; sent++) {
      if (zone.window.at(zone.window.inFlight).offset > search.last) break
      if (!hand(zone.nextUnsafe()!)) yield* writable
    }
  }
})
