/**
 * Finds the one record that a server refuses among those it may mean.
 *
 * A server processes in order, but may refuse before it acknowledged what came before. So the
 * suspects are all messages that were in flight. Until the refused one is found, sessions send
 * nothing beyond them. The first search of a stream is careful: each unit is sent when everything
 * before it is acknowledged.
 *
 * | what was in flight when the refusal came | next session |
 * | --- | --- |
 * | several messages, for the first time | the oldest in pieces, one at a time; then groups of about the square root of the others |
 * | a group of messages | its oldest in pieces, then its others, one at a time |
 * | one message of single records | pieces of about the square root of its records, one at a time |
 * | one piece | its records, one at a time |
 * | one record or batch, and nothing became durable since the refusal before | the same once more |
 * | one record or batch | it is refused for certain |
 *
 * Where acknowledgements take long, a careful search does too. It shows how the server refuses:
 * after the acknowledgements of what came before, or at once, within some time. Later searches take
 * that for a guess. A unit follows the one before after a pause. A refusal then points at one unit:
 * the oldest in flight, or the one that was sent just before. The next session sends what came
 * before that unit together, then the unit in smaller ones. Only a record that is alone in flight
 * is refused, so a wrong guess costs connections alone; the rest of such a search is careful.
 *
 * What came behind a refused record was no suspect. It is sent in groups of 1, 2, 4, ... messages,
 * since bad records often are neighbours.
 */
import * as Effect from "effect/Effect"
import type { Message } from "../landing/chunk.ts"
import type { StreamCore } from "./streamCore.ts"

/** The state of a search, or of what follows it. */
export interface Isolation {
  /** The last offset of the suspects; none once the refused record is found. */
  last: number
  /**
   * Messages before this offset travel together, and are acknowledged before the next one is sent.
   */
  from: number
  /**
   * Whether the message at `from` is one record or batch, which is acknowledged before the next one
   * is sent.
   */
  lone: boolean
  /** From there up to this offset one message travels at a time. */
  aloneTo: number
  /** How many messages travel together beyond that. */
  group: number
  /** Whether the refused record is found: groups double. */
  readonly found: boolean
  /**
   * The last offset of a message that was divided; a careful search divides its pieces into
   * records.
   */
  dividedTo: number
  /** The offset that was sent alone and refused with nothing durable since the refusal before. */
  repeated: number
  /**
   * Milliseconds after which the next unit follows unacknowledged ones; `undefined` in a careful
   * search.
   */
  pace: number | undefined
  /**
   * Whether the oldest message in flight is the guess, rather than the one that was sent just
   * before the refusal.
   */
  readonly inOrder: boolean
  /** The last offset of the message that was guessed last. */
  guessedTo: number
  /** When the latest unit was sent, if nothing else was in flight. */
  unitAt: number | undefined
  /** The last offset of the oldest suspect, if there were several. */
  readonly oldestTo: number | undefined
}

/** What earlier refusals of a stream tell about the server. */
export interface RefusalHabits {
  /** Whether it acknowledges everything before a record that it refuses. */
  inOrder: boolean | undefined
  /** Milliseconds from the sending of a lone unit to its refusal. */
  delay: number | undefined
}

/** From this many records on a careful search divides a message twice. */
const DIVIDE_TWICE = 8

/** Into how many pieces a search that guesses divides. */
const PIECES = 24

/** Up to this many messages travel one at a time in a search that guesses. */
const FEW = 48

/** How many pauses the refusal of a message may take that was not paced. */
const FIRST_GUESS = 4

/** The pause between units for a server that refuses in order, in milliseconds. */
const SHORT_PACE = 1

/**
 * A session was refused with so many messages in flight, at a time in milliseconds. Narrows the
 * search and returns `undefined`, or returns the message that is refused for certain, which is the
 * oldest. Only while no session is open.
 */
export const narrowUnsafe = (
  core: StreamCore<any>,
  inFlight: number,
  at: number
): Message | undefined => {
  const { habits, zone } = core
  const { window } = zone
  const durableBefore = core.durableSinceRefusal
  core.durableSinceRefusal = false
  const oldest = window.at(0)
  const newest = window.at(inFlight - 1)
  const known = core.isolation
  if (known?.unitAt !== undefined) learnDelay(habits, at - known.unitAt)
  const first = known === undefined || known.found
  const search = first ? begin(core, oldest, newest, inFlight > 1) : known
  const missed =
    newest.lastOffset < search.from || (search.inOrder && oldest.offset > search.guessedTo)
  if (missed) search.pace = search.inOrder ? undefined : (search.pace ?? 0) * 2
  const points = search.pace !== undefined && !search.inOrder
  const index =
    points && !missed ? pointed(core, inFlight, at - search.pace! * (first ? FIRST_GUESS : 1)) : 0
  const suspect = window.at(index)
  const suspects = inFlight - index
  search.last = newest.lastOffset
  search.from = suspect.offset
  search.guessedTo = suspect.lastOffset
  search.lone = suspect.records === 1 || suspect.atomic
  const groups = (first || missed) && !(points && suspects <= FEW)
  if (groups) search.group = Math.ceil(Math.sqrt(suspects))
  // Of the first suspects only the oldest travels alone, of a refused group each message does.
  search.aloneTo = groups ? suspect.lastOffset : Math.max(search.aloneTo, newest.lastOffset)
  if (!search.lone) {
    if (!points || suspects === 1) divide(core, search, suspect, index + 1)
    return undefined
  }
  if (inFlight > 1) return undefined
  if (!durableBefore && search.repeated !== oldest.offset) {
    search.repeated = oldest.offset
    return undefined
  }
  if (search.oldestTo !== undefined) habits.inOrder = oldest.offset <= search.oldestTo
  core.isolation = following(search, habits)
  return oldest
}

/** The mean of what was measured, the latest most. */
const learnDelay = (habits: RefusalHabits, millis: number): void => {
  habits.delay = habits.delay === undefined ? millis : (habits.delay + millis) / 2
}

const begin = (
  core: StreamCore<any>,
  oldest: Message,
  newest: Message,
  several: boolean
): Isolation => {
  const { habits, isolation } = core
  return (core.isolation = {
    last: newest.lastOffset,
    from: -1,
    lone: false,
    aloneTo: -1,
    group: 1,
    found: false,
    dividedTo: isolation?.dividedTo ?? -1,
    repeated: -1,
    pace: paceOf(habits),
    inOrder: habits.inOrder === true,
    guessedTo: newest.lastOffset,
    unitAt: undefined,
    oldestTo: several ? oldest.lastOffset : undefined
  })
}

/** What follows a refused record. */
const following = (search: Isolation, habits: RefusalHabits): Isolation => ({
  ...search,
  found: true,
  last: Infinity,
  from: -1,
  aloneTo: -1,
  group: 1,
  pace: paceOf(habits),
  unitAt: undefined
})

const paceOf = ({ delay, inOrder }: RefusalHabits): number | undefined =>
  inOrder === true
    ? SHORT_PACE
    : inOrder === false && delay !== undefined
      ? Math.ceil(2 * delay) + 1
      : undefined

/** The index of the first message in flight that was sent since a time, or of the newest. */
const pointed = ({ zone }: StreamCore<any>, inFlight: number, since: number): number => {
  let index = inFlight - 1
  while (index > 0 && zone.window.at(index - 1).handedAt > since) index--
  return index
}

/** Divides a message, which is the last of so many. */
const divide = (
  { zone }: StreamCore<any>,
  search: Isolation,
  suspect: Message,
  count: number
): void => {
  const { records } = suspect
  const piece = suspect.lastOffset <= search.dividedTo
  const careful = piece || records <= DIVIDE_TWICE ? 1 : Math.ceil(Math.sqrt(records))
  const size = search.pace === undefined ? careful : Math.ceil(records / PIECES)
  zone.divideUnsafe(count, (message) => (message === suspect ? size : message.records))
  search.dividedTo = Math.max(search.dividedTo, suspect.lastOffset)
}

/** Sends the suspects, or what follows a refused record, unit by unit. */
export const sendSuspects = Effect.fnUntraced(function* (
  core: StreamCore<any>,
  idle: Effect.Effect<void>,
  hand: (message: Message) => Effect.Effect<void>
) {
  const { window } = core.zone
  for (;;) {
    const search = core.isolation
    if (search === undefined) return
    const next = window.toReplay > 0 ? window.at(window.inFlight) : undefined
    if (next === undefined || next.offset > search.last) {
      if (!search.found) yield* idle
      core.isolation = undefined
      if (next === undefined) core.states.enterUnsafe("open")
      return
    }
    const before = next.offset < search.from
    const limit = before ? search.from - 1 : search.last
    const together = before ? Infinity : next.offset <= search.aloneTo ? 1 : search.group
    if (search.found) search.group *= 2
    search.unitAt = window.inFlight === 0 && !before ? core.now() : undefined
    for (let sent = 0; sent < together && window.toReplay > 0; sent++) {
      if (window.at(window.inFlight).offset > limit) break
      yield* hand(core.zone.nextUnsafe()!)
    }
    // Certainty needs a record that is alone. Within a divided message little comes before, and was
    // taken once.
    const waits = before
      ? search.lone || search.from > search.dividedTo
      : search.lone && next.offset === search.from
    yield* waits || search.pace === undefined
      ? idle
      : Effect.raceFirst(idle, Effect.sleep(search.pace!))
  }
})
