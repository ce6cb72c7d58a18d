/**
 * What of a table changes when it gets further columns, and how a table that came from the catalog
 * is read there again: the seam between tables and the engine.
 */
import type * as Effect from "effect/Effect"
import type { InvalidArgument, StreamFailure } from "../ZerobusError.ts"
import type { RecordCodec } from "./recordCodec.ts"

/** How records become bytes, and what a session is opened with. */
export interface TableForm<in out A> {
  readonly codec: RecordCodec<A>
  readonly descriptor: Uint8Array | undefined
}

/**
 * Reads the table again: its new form, or `undefined` when there is none that the records of the
 * old one fit.
 */
export type RereadTable<A> = Effect.Effect<TableForm<A> | undefined, StreamFailure>

const reread = Symbol.for("effect-zerobus/rereadTable")

/** The table, which knows how to read itself again. */
export const withReread = <T extends TableForm<any>>(table: T, effect: RereadTable<any>): T =>
  Object.defineProperty(table, reread, { value: effect })

/** How to read the table again; `undefined` for one that did not come from the catalog. */
export const rereadOf = <A>(table: TableForm<A>): RereadTable<A> | undefined =>
  (table as { readonly [reread]?: RereadTable<A> })[reread]

const unknownColumns = new WeakSet<object>()

/** Notes that a record was refused for a column that its table does not have, and nothing else. */
export const refusedForColumn = (refusal: InvalidArgument): InvalidArgument => {
  unknownColumns.add(refusal)
  return refusal
}

/** Whether a record was refused for a column that its table does not have. */
export const isRefusedForColumn = (refusal: object): boolean => unknownColumns.has(refusal)
