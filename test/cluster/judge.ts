/**
 * Compares a table with the journals of a cluster's runners: every acknowledged record is there,
 * records of a key first appear in order, and duplicates were in flight when a runner ended or
 * shards moved.
 */
import type { Notes } from "./journal.ts"

/** A time interval in which records in flight may be sent again. */
export interface Disturbance {
  readonly name: string
  readonly from: number
  readonly to: number
}

export interface Evidence {
  /** The number of records; their numbers begin at 0. */
  readonly records: number
  readonly keyOf: (record: number) => number
  /** The numbers of the rows, in their order in the table. */
  readonly rows: Iterable<number>
  /** The journal of each runner, and when it ended. */
  readonly runners: ReadonlyArray<{ readonly notes: Notes; readonly ended: number }>
  readonly disturbances: ReadonlyArray<Disturbance>
}

export interface Verdict {
  readonly rows: number
  readonly acknowledged: number
  /** Acknowledged records that are missing from the table. */
  readonly missing: ReadonlyArray<number>
  /** Records that first appear after a later one of their key. */
  readonly outOfOrder: ReadonlyArray<number>
  /** Duplicate records, by the disturbance in which they were in flight. */
  readonly again: Readonly<Record<string, number>>
  /** Duplicate records that were in flight in no disturbance. */
  readonly unexplained: ReadonlyArray<number>
  /** How many records were in flight in each disturbance. */
  readonly onTheirWay: Readonly<Record<string, number>>
}

/** The kinds of disturbances in which a record was in flight, at any runner. */
const disturbedBy = ({ disturbances, runners }: Evidence, record: number): ReadonlySet<string> =>
  new Set(
    disturbances
      .filter(({ from, to }) =>
        runners.some(({ ended, notes }) => {
          const start = notes.handedOver.get(record)
          return (
            start !== undefined && start <= to && (notes.acknowledged.get(record) ?? ended) >= from
          )
        })
      )
      .map(({ name }) => name)
  )

export const judge = (evidence: Evidence): Verdict => {
  const { disturbances, keyOf, records, runners } = evidence
  const seen = new Uint8Array(records)
  const latest = new Map<number, number>()
  const outOfOrder: Array<number> = []
  const again = new Set<number>()
  let rows = 0
  for (const record of evidence.rows) {
    rows++
    if (seen[record] === 1) {
      again.add(record)
      continue
    }
    seen[record] = 1
    const key = keyOf(record)
    if (record < (latest.get(key) ?? -1)) outOfOrder.push(record)
    else latest.set(key, record)
  }
  const acknowledged = new Set(runners.flatMap(({ notes }) => [...notes.acknowledged.keys()]))
  const counts = new Map(disturbances.map(({ name }) => [name, 0]))
  const onTheirWay = new Map(counts)
  const unexplained: Array<number> = []
  for (let record = 0; record < records; record++) {
    const names = disturbedBy(evidence, record)
    for (const name of names) onTheirWay.set(name, onTheirWay.get(name)! + 1)
    if (!again.has(record)) continue
    const [name] = names
    if (name === undefined) unexplained.push(record)
    else counts.set(name, counts.get(name)! + 1)
  }
  return {
    rows,
    acknowledged: acknowledged.size,
    missing: [...acknowledged].filter((record) => seen[record] !== 1),
    outOfOrder,
    again: Object.fromEntries(counts),
    unexplained,
    onTheirWay: Object.fromEntries(onTheirWay)
  }
}
