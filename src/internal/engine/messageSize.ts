/**
 * The largest size of messages of single records. Halved when a server or proxy refuses messages
 * for their size, and doubled again later.
 */
import type { StreamFailure } from "../../ZerobusError.ts"
import type { StreamCore } from "./streamCore.ts"

/** Acknowledged messages after which the size doubles. */
const DOUBLE_AFTER = 100

/** Wording of servers and proxies for a message that is too large. */
const sizeWords = /larger than|too large|message size|exceeds? (?:the )?(?:maximum|limit|size)/i

/** Whether a session ended because of the size of its messages: for certain, perhaps, or not. */
export const sizeRefusal = (failure: StreamFailure): "certain" | "perhaps" | undefined => {
  if (failure._tag !== "Retryable" || failure.reason._tag !== "ServerUnavailable") return undefined
  if (failure.reason.status !== "RESOURCE_EXHAUSTED") return undefined
  return sizeWords.test(failure.message) ? "certain" : "perhaps"
}

/**
 * Halves the size of messages after a session that made nothing durable. Returns false when the
 * oldest message is a single record or a batch. Only while no session is open.
 */
export const halveUnsafe = ({ zone }: StreamCore<any>): boolean => {
  const oldest = zone.oldestUnsafe()
  if (oldest === undefined || oldest.records === 1 || oldest.atomic) return false
  const limit = Math.max(1, Math.floor((oldest.end - oldest.start) / 2))
  zone.coalesceBytes = limit
  zone.acknowledgedSmaller = 0
  const count = zone.takeAllUnsafe()
  zone.divideUnsafe(count, ({ atomic, end, records, start }) =>
    atomic || end - start <= limit
      ? records
      : Math.max(1, Math.floor((records * limit) / (end - start)))
  )
  return true
}

/** Doubles the size again once enough messages of the smaller size were acknowledged. */
export const regrowUnsafe = ({ options, zone }: StreamCore<any>, acknowledged: number): void => {
  zone.acknowledgedSmaller += acknowledged
  if (zone.acknowledgedSmaller < DOUBLE_AFTER) return
  zone.acknowledgedSmaller = 0
  zone.coalesceBytes = Math.min(options.coalesceBytes, zone.coalesceBytes * 2)
}
