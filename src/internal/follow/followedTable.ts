/**
 * A table whose columns a running stream follows (`onSchemaChange: "reopen"`).
 *
 *   SchemaMismatch --> once per offset: read the catalog --> next session
 *   a record with an unknown column --> read the catalog --> the column is there
 *     --> end the session --> next session --> the record again
 *
 * A session is opened with one descriptor, and its records must be written for it. So the form of
 * the table changes between two sessions, never during one. Records written for the old form fit
 * the new one, which only has more columns.
 *
 * The lanes of a stream share the form, because any of them may take the next record. So it changes
 * once the sessions of all lanes have ended, and a lane opens no session while a change is due.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Semaphore from "effect/Semaphore"
import type { ResolvedStreamOptions } from "../../StreamConfigurationOptions.ts"
import type { TableProperties } from "../../TableProperties.ts"
import { rereadOf, type TableForm, withProtocol } from "../tableForm.ts"
import { apart } from "../userCode/apart.ts"
import { Answer } from "../userCode/answer.ts"
import { shielded } from "../userCode/shield.ts"

/**
 * How long a read that found nothing new is reused, in milliseconds: records with wrong names must
 * not flood the catalog.
 */
const NOTHING_NEW = 5_000

/** The table of one stream, in its latest form. */
export class FollowedTable<in out A> {
  /** The table for the engine. */
  readonly table: TableProperties<A>
  /** Completed when the open sessions are to end for a new form; a new one for each form. */
  requested = new Answer<void>()
  /** Identifies the latest mismatch of each lane that led to a new session. */
  private readonly answered = new WeakMap<object, number>()
  private form: TableForm<A>
  private next: TableForm<A> | undefined
  private switched = new Answer<void>()
  /** Sessions that are open or about to open. */
  private sessions = 0
  private nothingNewUntil = -Infinity
  private readonly reading = Semaphore.makeUnsafe(1)
  private readonly limitMillis: number
  private readonly now: () => number

  constructor(table: TableProperties<A>, limitMillis: number, now: () => number) {
    this.form = table
    this.limitMillis = limitMillis
    this.now = now
    const codec: TableProperties<A>["codec"] = {
      write: (record, sink) => this.form.codec.write(record, sink),
      read: (payload) => this.form.codec.read(payload),
      protocol: this.protocol
    }
    this.table = Object.create(table, {
      codec: { value: codec, enumerable: true },
      descriptor: { get: () => this.form.descriptor, enumerable: true }
    }) as TableProperties<A>
  }

  /** The protocol of the current form, by which each session is opened. */
  private get protocol(): TableForm<A>["codec"]["protocol"] {
    const latest = () => this.form.codec.protocol!
    const { protocol } = this.form.codec
    return (
      protocol && {
        ...protocol,
        rpc: (table) => ({
          ...protocol.rpc(table),
          firstRequest: () => latest().rpc(table).firstRequest(),
          wire: (first) => latest().rpc(table).wire(first)
        })
      }
    )
  }

  /**
   * Notes that a session is about to open with the current form, after a change that is due. The
   * end of the stream, `ended`, also ends the wait for that.
   */
  begin(ended: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.requestUnsafe()
      if (this.next === undefined) {
        this.sessions++
        return Effect.void
      }
      const changed = Effect.as(this.switched.await, true)
      return Effect.flatMap(Effect.raceFirst(changed, Effect.as(ended, false)), (again) =>
        again ? this.begin(ended) : Effect.void
      )
    })
  }

  /**
   * Notes that a session has ended, or did not open. Returns true when it ended for a new form.
   */
  endUnsafe(): boolean {
    this.sessions--
    const due = this.next !== undefined
    this.switchUnsafe()
    return due
  }

  /**
   * Whether a schema mismatch leads to a new session of a lane: true once for its oldest
   * unacknowledged offset, and once while there is none.
   */
  answersUnsafe(zone: {
    readonly nextOffset: number
    oldestUnsafe(): { readonly offset: number } | undefined
  }): boolean {
    const mismatch = zone.oldestUnsafe()?.offset ?? -zone.nextOffset - 1
    if (this.answered.get(zone) === mismatch) return false
    this.answered.set(zone, mismatch)
    return true
  }

  /** Reads the table again while the lane has no session. Ends the sessions of other lanes. */
  get reread(): Effect.Effect<void> {
    return Effect.map(this.read, () => this.requestUnsafe())
  }

  /**
   * Reads the table again for a record with an unknown column, and waits for a session with the new
   * form. Returns false when there is none. The end of the stream, `ended`, also ends the wait.
   */
  follow(ended: Effect.Effect<void>): Effect.Effect<boolean> {
    return Effect.flatMap(this.read, (found) => {
      if (!found) return Effect.succeed(false)
      const { switched } = this
      this.requestUnsafe()
      return this.next === undefined
        ? Effect.succeed(true)
        : Effect.as(Effect.raceFirst(switched.await, ended), true)
    })
  }

  /** Whether the form has changed. Concurrent callers share one read. */
  private get read(): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      const before = this.form
      return this.reading.withPermit(
        Effect.suspend(() => {
          if (this.form !== before || this.next !== undefined) return Effect.succeed(true)
          const reread = rereadOf(this.form)
          if (reread === undefined || this.now() < this.nothingNewUntil)
            return Effect.succeed(false)
          return Effect.flatMap(
            Effect.exit(Effect.timeoutOption(apart(loaded(reread)), this.limitMillis)),
            (exit) => {
              const form =
                Exit.isSuccess(exit) && exit.value._tag === "Some" ? exit.value.value : undefined
              this.next = form
              if (form === undefined) this.nothingNewUntil = this.now() + NOTHING_NEW
              if (Exit.isSuccess(exit) && exit.value._tag === "Some")
                return Effect.succeed(form !== undefined)
              if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
                return Effect.failCause(exit.cause as Cause.Cause<never>)
              return Effect.as(shielded(logUnread(this.table.tableName, exit)), false)
            }
          )
        })
      )
    })
  }

  /** Changes the form, at once or when the sessions that this ends are gone. */
  private requestUnsafe(): void {
    if (this.next === undefined) return
    if (this.sessions > 0) this.requested.doneUnsafe(Exit.void)
    else this.switchUnsafe()
  }

  private switchUnsafe(): void {
    const { next, switched } = this
    if (next === undefined || this.sessions > 0) return
    this.form = next
    this.next = undefined
    this.requested = new Answer()
    this.switched = new Answer()
    switched.doneUnsafe(Exit.void)
  }
}

/** The new form, with the protocol that its codec loads. */
const loaded = <A, E>(
  reread: Effect.Effect<TableForm<A> | undefined, E>
): Effect.Effect<TableForm<A> | undefined, E> =>
  Effect.flatMap(reread, (form) =>
    form === undefined ? Effect.succeed(undefined) : withProtocol(form)
  )

/** The table of a stream that follows its columns; `undefined` for a stream that does not. */
export const followTable = <A>(
  table: TableProperties<A>,
  {
    onSchemaChange,
    recoveryTimeout
  }: Pick<ResolvedStreamOptions, "onSchemaChange" | "recoveryTimeout">
): Effect.Effect<FollowedTable<A> | undefined> =>
  onSchemaChange === "fail"
    ? Effect.succeed(undefined)
    : Effect.clockWith((clock) => {
        const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000
        return Effect.succeed(new FollowedTable(table, recoveryTimeout, now))
      })

const logUnread = (
  table: string,
  exit: Exit.Exit<unknown, { readonly message: string }>
): Effect.Effect<void> => {
  const cause = Exit.isFailure(exit)
    ? exit.cause.reasons.find(Cause.isFailReason)?.error.message
    : undefined
  return Effect.logWarning("The table could not be read again for a change of its columns", {
    table,
    cause:
      cause ?? (Exit.isSuccess(exit) ? "the catalog did not answer in time" : "the catalog failed")
  })
}
