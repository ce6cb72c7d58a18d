/**
 * Finds the one record that a server refuses among those that its refusal may mean.
 *
 * A server processes records in order, but it may refuse before it acknowledges earlier records. So
 * all messages in flight are suspects. Until the refused record is found, sessions send nothing
 * beyond the suspects. The first search of a stream is careful: it sends each unit after everything
 * before is acknowledged.
 *
 * What was in flight when the refusal came decides what the next session sends:
 *
 * - Several messages, for the first time: the oldest in pieces, one at a time; then groups of about
 *   the square root of the others.
 * - A group of messages: its oldest in pieces, then its others, one at a time.
 * - One message of single records: pieces of about the square root of its records, one at a time.
 * - One piece: its records, one at a time.
 * - One record or batch, and nothing became durable since the refusal before: the same once more.
 * - One record or batch otherwise: it is refused for certain.
 *
 * A careful search takes long where acknowledgements do. It shows how the server refuses: after it
 * acknowledged earlier records, or at once, within some time. Later searches use that as a guess
 * and send the next unit after a pause. A refusal then points at one unit: the oldest in flight, or
 * the one that was sent just before. The next session sends everything before that unit together,
 * then the unit in smaller ones. A record counts as refused only when it was alone in flight, so a
 * wrong guess costs connections and nothing else. After a wrong guess the search is careful.
 *
 * Messages behind a refused record were no suspects. They are sent in groups of 1, 2, 4, ...
 * messages, since bad records are often neighbours.
 */
import * as Effect from "effect/Effect"
import type { Message } from "../landing/chunk.ts"
import type { StreamCore } from "./streamCore.ts"

/** The state of a search, or of the groups that follow it. */
export interface Isolation {
  /** The last offset of the suspects; `Infinity` once the refused record is found. */
  last: number
  /**
   * Messages before this offset travel together. They are acknowledged before the next one is sent.
   */
  from: number
  /**
   * Whether the message at `from` is one record or batch. It is acknowledged before the next one is
   * sent.
   */
  lone: boolean
  /** From `from` up to this offset, one message travels at a time. */
  aloneTo: number
  /** How many messages travel together beyond `aloneTo`. */
  group: number
  /** Whether the refused record is found, so that groups double. */
  readonly found: boolean
  /** The last offset of a divided message. A careful search divides its pieces into records. */
  dividedTo: number
  /** The offset that was refused alone, with nothing durable since the refusal before. */
  repeated: number
  /**
   * Milliseconds until the next unit follows unacknowledged ones; `undefined` in a careful search.
   */
  pace: number | undefined
  /**
   * Whether the guess is the oldest message in flight, or else the one sent just before the
   * refusal.
   */
  readonly inOrder: boolean
  /** The last offset of the message that was guessed last. */
  guessedTo: number
  /** When the latest unit was sent, if nothing else was in flight. */
  unitAt: number | undefined
  /** The last offset of the oldest suspect, if there were several. */
  readonly oldestTo: number | undefined
}

/** What earlier refusals of a stream show about the server. */
export interface RefusalHabits {
  /** Whether it acknowledges everything before a record that it refuses. */
  inOrder: boolean | undefined
  /** Milliseconds between sending a lone unit and its refusal. */
  delay: number | undefined
}

/** A careful search divides messages of more records than this twice. */
const DIVIDE_TWICE = 8

/** Pieces into which a guessing search divides a message. */
const PIECES = 24

/** Up to this many suspects, a guessing search sends one message at a time. */
const FEW = 48

/** Pauses that the refusal of an unpaced message may take. */
const FIRST_GUESS = 4

/** Milliseconds between units for a server that refuses in order. */
const SHORT_PACE = 1

/**
 * Narrows the search after a session was refused with `inFlight` messages in flight, at a time in
 * milliseconds. Returns `undefined`, or the oldest message when it is refused for certain. Only
 * while no session is open.
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
  // Of the first suspects only the oldest travels alone; of a refused group each message does.
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

/** A running mean in which the latest measurement weighs most. */
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

/** The groups that follow a refused record. */
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

/** The index of the first message in flight that was sent after `since`, or of the newest. */
const pointed = ({ zone }: StreamCore<any>, inFlight: number, since: number): number => {
  let index = inFlight - 1
  while (index > 0 && zone.window.at(index - 1).handedAt > since) index--
  return index
}

/** Divides the suspect, which is the last of the oldest `count` messages. */
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
    // Only a record that is alone in flight can be refused for certain. Within a divided message
    // little comes before it, and the server accepted that once.
    const waits = before
      ? search.lone || search.from > search.dividedTo
      : search.lone && next.offset === search.from
    yield* waits || search.pace === undefined
      ? idle
      : Effect.raceFirst(idle, Effect.sleep(search.pace!))
  }
})
