/**
 * The pace of one stream: what arrives above the permitted rate makes the stream wait before it is read further.
 */
import type { StreamLimits } from "./streamContract.ts"

/** How far a stream may run ahead of its pace before it is slowed down. */
const burstMillis = 20

/** The pace of one stream. */
export interface Pace {
  /** Counts what arrived. */
  readonly count: (records: number, bytes: number) => void
  /** Whether the stream is ahead of its pace, so that it must not be read now. */
  readonly isAhead: () => boolean
}

/** Makes the pace of a new stream; `changed` is called when it may be read again. */
export const makePace = (
  limits: StreamLimits,
  now: () => number,
  after: (millis: number, callback: () => void) => void,
  changed: () => void
): Pace => {
  /** When the records received so far would have arrived at the permitted pace. */
  let until = -Infinity
  let ahead = false
  return {
    isAhead: () => ahead,
    count: (records, bytes) => {
      const seconds = Math.max(records / limits.maxRecordsPerSecond, bytes / limits.maxBytesPerSecond)
      if (seconds === 0) return
      until = Math.max(until, now()) + seconds * 1000
      if (ahead || until - now() < burstMillis) return
      ahead = true
      after(until - now(), () => {
        ahead = false
        changed()
      })
    }
  }
}
