/**
 * The parts of a table that change when it gets further columns, and how a table from the catalog
 * is read again: the seam between tables and the engine.
 */
import * as Effect from "effect/Effect"
import type { InvalidArgument, StreamFailure } from "../ZerobusError.ts"
import type { RecordCodec } from "./recordCodec.ts"

/** How records become bytes, and the descriptor that a session is opened with. */
export interface TableForm<in out A> {
  readonly codec: RecordCodec<A>
  readonly descriptor: Uint8Array | undefined
}

/**
 * Reads the table again. Returns its new form, or `undefined` when there is none that fits records
 * of the old one.
 */
export type RereadTable<A> = Effect.Effect<TableForm<A> | undefined, StreamFailure>

const reread = Symbol.for("effect-zerobus/rereadTable")

/** Attaches the effect that reads the table again. */
export const withReread = <T extends TableForm<any>>(table: T, effect: RereadTable<any>): T =>
  Object.defineProperty(table, reread, { value: effect })

/**
 * The effect that reads the table again; `undefined` for a table that did not come from the
 * catalog.
 */
export const rereadOf = <A>(table: TableForm<A>): RereadTable<A> | undefined =>
  (table as { readonly [reread]?: RereadTable<A> })[reread]

/** The form with the protocol that its codec loads. */
export const withProtocol = <T extends TableForm<any>>(form: T): Effect.Effect<T> => {
  const { codec } = form
  if (codec.loadProtocol === undefined || codec.protocol !== undefined) return Effect.succeed(form)
  return Effect.map(Effect.promise(codec.loadProtocol), (protocol) =>
    Object.create(form, { codec: { value: { ...codec, protocol }, enumerable: true } })
  )
}

const unknownColumns = new WeakSet<object>()

/** Marks a refusal whose only reason is a column that the table does not have. */
export const refusedForColumn = (refusal: InvalidArgument): InvalidArgument => {
  unknownColumns.add(refusal)
  return refusal
}

/** Whether a record was refused for a column that its table does not have. */
export const isRefusedForColumn = (refusal: object): boolean => unknownColumns.has(refusal)
