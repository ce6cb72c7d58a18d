/**
 * The place of each record in the log of a spool, as its files had it when they were written, and
 * the rule that a record is there before it is sent.
 */
import type { HistoryEvent } from "../history.ts"
import type { View } from "../view.ts"

/** Reports a violation of a rule. */
export type Report = (rule: string, text: string) => void

/** The place of a record in the log: its offset, and its index among the records of that offset. */
export interface Place {
  readonly offset: number
  readonly index: number
  readonly batch: boolean
}

/** The latest place of each record in the log. */
export const placesOf = (events: ReadonlyArray<HistoryEvent>): ReadonlyMap<number, Place> => {
  const places = new Map<number, Place>()
  for (const event of events) {
    if (event.e !== "logged") continue
    for (const [index, record] of event.records.entries()) {
      const offset = event.batch ? event.offset : event.offset + index
      places.set(record, { offset, index: event.batch ? index : 0, batch: event.batch })
    }
  }
  return places
}

/** SYNCED: a process with `sync: "group"` sends no record before it is durable on disk. */
export const checkSynced = (view: View, report: Report): void => {
  const synced = new Set<number>()
  // Messages sent by a killed process may arrive while the next one runs.
  const bound = new Set<number>()
  let promised = false
  for (const event of view.events) {
    if (event.e === "process") promised = event.sync === "group"
    if (event.e === "open" && promised) bound.add(event.conn)
    if (event.e === "synced") for (const record of event.records) synced.add(record)
    if (event.e !== "send" || !bound.has(event.conn)) continue
    const early = event.records.find((record) => !synced.has(record))
    if (early === undefined) continue
    report("SYNCED", `connection ${event.conn} sends record ${early} before it is durable on disk`)
    return
  }
}
