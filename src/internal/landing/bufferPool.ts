/**
 * Buffers that are used again. A buffer fresh from the allocator costs a page fault per 4 KiB and
 * counts towards the next garbage collection; one that was just used also lies in the processor's
 * cache. The pool belongs to the whole process and is bounded.
 */

/** Bytes of free buffers that are kept while records flow. */
const KEPT_BYTES = 64 * 1024 * 1024
/** Bytes of free buffers that are kept when no stream has anything left to send. */
const KEPT_IDLE_BYTES = 16 * 1024 * 1024

const free = new Map<number, Array<Buffer>>()
let freeBytes = 0
let users = 0

/**
 * The size of the buffer for so many bytes: sizes come in steps of an eighth, so that buffers fit
 * again and little is wasted.
 */
export const sizeClass = (bytes: number): number => {
  const step = 2 ** Math.max(9, Math.floor(Math.log2(bytes)) - 3)
  return Math.ceil(bytes / step) * step
}

/** A buffer of a size class; its content is undefined. */
export const takeBuffer = (size: number): Buffer => {
  const buffer = free.get(size)?.pop()
  if (buffer === undefined) return Buffer.allocUnsafeSlow(size)
  freeBytes -= size
  return buffer
}

/** Gives a buffer back; nobody may use it any more. */
export const giveBuffer = (buffer: Buffer): void => {
  const size = buffer.length
  if (freeBytes + size > KEPT_BYTES) return
  freeBytes += size
  const ofSize = free.get(size)
  if (ofSize === undefined) free.set(size, [buffer])
  else ofSize.push(buffer)
}

/** A stream begins to send: it takes buffers and gives them back. */
export const joinPool = (): void => {
  users++
}

/**
 * A stream has nothing left to send, or has ended. The last one lets go of what an idle process
 * need not hold; as long as others send, what is free now is what they take next.
 */
export const leavePool = (): void => {
  users--
  if (users > 0) return
  for (const [size, ofSize] of free) {
    while (freeBytes > KEPT_IDLE_BYTES && ofSize.length > 0) {
      ofSize.pop()
      freeBytes -= size
    }
    if (ofSize.length === 0) free.delete(size)
  }
}
