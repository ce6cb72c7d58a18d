/**
 * Chooses the lane of a record by its key. The hash is stable over processes and versions: records
 * with the same key belong to the same lane while the number of lanes is the same.
 */
import { InvalidArgument } from "../../ZerobusError.ts"
import { thrownKind } from "../userCode/wake.ts"

/** A program's function from records to keys. */
export type LaneKey<A> = (record: A) => string | number

/**
 * 32 bits of a key: FNV-1a over the UTF-16 code units of a text, or the two halves of an integer,
 * then mixed.
 */
export const hashKey = (key: string | number): number =>
  Number.isSafeInteger(key)
    ? mix(((key as number) >>> 0) ^ Math.imul(Math.floor((key as number) / 2 ** 32), 0x9e3779b1))
    : mix(hashText(String(key)))

const hashText = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}

/** The finalizer of MurmurHash3: without it similar keys have similar low bits. */
const mix = (bits: number): number => {
  let hash = bits
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** The lane of a key, from 0 to `lanes` - 1. */
export const laneOfKey = (key: string | number, lanes: number): number => hashKey(key) % lanes

/** The key of a record, or why it has none. */
export const keyOf = <A>(laneKey: LaneKey<A>, record: A): string | number | InvalidArgument => {
  let key: unknown
  try {
    key = laneKey(record)
  } catch (error) {
    return refuse(
      `laneKey threw for the record (${thrownKind(error)}). Correct the record or the function.`
    )
  }
  if (typeof key === "string" || typeof key === "number") return key
  return refuse(
    "laneKey must return a string or a number for each record. Correct the record or the function."
  )
}

/** The one key of a batch, or why it has none. */
export const keyOfBatch = <A>(
  laneKey: LaneKey<A>,
  records: ReadonlyArray<A>
): string | number | InvalidArgument => {
  const first = keyOf(laneKey, records[0]!)
  if (typeof first === "object") return atIndex(first, 0)
  for (let i = 1; i < records.length; i++) {
    const key = keyOf(laneKey, records[i]!)
    if (typeof key === "object") return atIndex(key, i)
    if (!Object.is(key, first)) {
      return atIndex(
        refuse(
          "Its laneKey differs from that of the first record. A batch travels on one lane: make " +
            "one batch per key, " +
            "or use ingestRecord, which packs records by itself."
        ),
        i
      )
    }
  }
  return first
}

const refuse = (message: string): InvalidArgument => new InvalidArgument({ message, path: [] })

const atIndex = (refusal: InvalidArgument, index: number): InvalidArgument =>
  new InvalidArgument({
    message: `Record ${index} of the batch: ${refusal.message}`,
    path: [index]
  })
