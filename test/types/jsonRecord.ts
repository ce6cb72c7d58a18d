/** Which values are JSON records at compile time. */
import type { TableProperties } from "effect-zerobus"

interface Reading {
  readonly device: string
}
declare const reading: Reading
class Sensor {
  readonly id = 1
}

export const records: ReadonlyArray<TableProperties.JsonRecord> = [
  { n: 1 },
  { nested: { list: [1] } },
  "{}",
  reading,
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
