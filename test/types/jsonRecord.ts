/** Which values are JSON records at compile time. */
import type { TableProperties } from "effect-zerobus"

interface Reading {
  readonly device: string
}
declare const reading: Reading
/** A rule with a column of this name is not a promise. */
interface Rule {
  readonly if: string
  readonly then: string
}
declare const rule: Rule
class Sensor {
  readonly id = 1
}

export const records: ReadonlyArray<TableProperties.JsonRecord> = [
  { n: 1 },
  { nested: { list: [1] } },
  "{}",
  reading,
  rule,
  // oxlint-disable-next-line unicorn/no-thenable -- a column may have any name
  { if: 1, then: { set: 2 } },
  new Sensor()
]

// @ts-expect-error an array is not a record
export const array: TableProperties.JsonRecord = [1]
// @ts-expect-error bytes are the records of protobuf tables
export const bytes: TableProperties.JsonRecord = new Uint8Array()
// @ts-expect-error a map has no JSON form
export const map: TableProperties.JsonRecord = new Map()
// @ts-expect-error a number is not a record
export const number: TableProperties.JsonRecord = 1
// @ts-expect-error the await is missing
export const promise: TableProperties.JsonRecord = Promise.resolve({ n: 1 })
declare const thenable: PromiseLike<Reading>
// @ts-expect-error the await is missing
export const promiseLike: TableProperties.JsonRecord = thenable
