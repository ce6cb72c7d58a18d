/**
 * Memory of column buffers. What is large is shared memory, kept after a flush for the next rows.
 * New memory is expensive twice: the system clears its pages, and every 64 MiB that are made, or
 * come back from another thread, have V8 mark the whole heap. Shared memory does not count there.
 *
 * Sizes are powers of two, so that what one column gives back fits another. Nothing is cleared: who
 * takes memory overwrites what it reads.
 */

/** Smaller buffers are not shared: V8 frees them in time by itself. */
const smallestShared = 64 * 1024
const mostKept = 96 * 1024 * 1024

/** What is kept, by the power of two. */
const kept: Array<Array<SharedArrayBuffer>> = Array.from({ length: 53 }, () => [])
let keptBytes = 0

/** Memory of at least so many bytes, which may hold anything. */
export const takeMemory = (bytes: number): Uint8Array => {
  const power = Math.ceil(Math.log2(Math.max(bytes, 64)))
  const size = 2 ** power
  if (size < smallestShared) return new Uint8Array(size)
  const found = kept[power]!.pop()
  if (found === undefined) return new Uint8Array(new SharedArrayBuffer(size))
  keptBytes -= size
  return new Uint8Array(found)
}

/** Takes back what `takeMemory` gave and nobody uses any more, in any thread. */
export const giveMemory = (buffers: ReadonlyArray<ArrayBufferLike>): void => {
  for (const buffer of buffers) {
    const bytes = buffer.byteLength
    if (!(buffer instanceof SharedArrayBuffer) || keptBytes + bytes > mostKept) continue
    keptBytes += bytes
    kept[Math.log2(bytes)]!.push(buffer)
  }
}

/** No pool of Buffers is so large: memory of so many bytes has one owner. */
const smallestFreed = 128 * 1024

/**
 * Frees the memory that these bytes lie in, which nobody uses any more. Without it the memory
 * counts for V8 until the garbage is collected, which it then is the more often. Bytes that fill
 * half of their memory are no part of a pool of Buffers, and others of a small memory are left
 * alone.
 */
export const freeMemory = ({ buffer, byteLength }: Uint8Array): void => {
  if (!(buffer instanceof ArrayBuffer)) return
  if (buffer.byteLength >= smallestFreed || 2 * byteLength >= buffer.byteLength) buffer.transfer(0)
}

/** Frees the memory that another thread has passed on. Shared memory goes back to it. */
export const freePassed = (buffers: ReadonlyArray<ArrayBufferLike>): void => {
  for (const buffer of buffers) if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}
