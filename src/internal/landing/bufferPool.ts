/**
 * Reuses buffers. A new buffer from the allocator costs a page fault per 4 KiB and counts towards
 * the next garbage collection. A buffer that was just used is also still in the processor's cache.
 * The pool belongs to the whole process and is bounded.
 */

/** Bytes of free buffers that are kept while records flow. */
const KEPT_BYTES = 64 * 1024 * 1024
/** Bytes of free buffers that are kept when no stream has anything to send. */
const KEPT_IDLE_BYTES = 16 * 1024 * 1024

const free = new Map<number, Array<Buffer>>()
let freeBytes = 0
let users = 0

/**
 * The buffer size for a number of bytes. Sizes come in steps of an eighth, so that buffers can be
 * reused and little is wasted.
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

/** Returns a buffer to the pool. The caller must not use it any more. */
export const giveBuffer = (buffer: Buffer): void => {
  const size = buffer.length
  if (freeBytes + size > KEPT_BYTES) return
  freeBytes += size
  const ofSize = free.get(size)
  if (ofSize === undefined) free.set(size, [buffer])
  else ofSize.push(buffer)
}

/** Registers a stream that starts to send: it takes buffers and returns them. */
export const joinPool = (): void => {
  users++
}

/**
 * Unregisters a stream that has nothing to send, or has ended. The last one shrinks the pool to the
 * size for an idle process. While others send, they reuse the free buffers.
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
