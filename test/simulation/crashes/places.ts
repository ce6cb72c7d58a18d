/**
 * Where the log of a spool has each record, as its files said when they were written.
 */
import type { HistoryEvent } from "../history.ts"

/** Reports what breaks a rule. */
export type Report = (rule: string, text: string) => void

/** Where the log has a record: its offset, and its place among the records of that offset. */
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
