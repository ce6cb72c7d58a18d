/**
 * The memory of column buffers. Large buffers are shared memory, and are kept after a flush for the
 * next rows. New memory has two costs: the operating system clears its pages, and V8 marks the
 * whole heap for every 64 MiB that are allocated or returned by another thread. Shared memory does
 * not count for V8.
 *
 * Sizes are powers of two, so that one column can reuse the memory of another. Memory is not
 * cleared: its user must write before it reads.
 */

/** Smaller buffers are not shared, because V8 frees them soon enough. */
const smallestShared = 64 * 1024
const mostKept = 96 * 1024 * 1024

/** The kept buffers, by power of two. */
const kept: Array<Array<SharedArrayBuffer>> = Array.from({ length: 53 }, () => [])
let keptBytes = 0

/** Uncleared memory of at least this many bytes. */
export const takeMemory = (bytes: number): Uint8Array => {
  const power = Math.ceil(Math.log2(Math.max(bytes, 64)))
  const size = 2 ** power
  if (size < smallestShared) return new Uint8Array(size)
  const found = kept[power]!.pop()
  if (found === undefined) return new Uint8Array(new SharedArrayBuffer(size))
  keptBytes -= size
  return new Uint8Array(found)
}

/** Returns memory from `takeMemory` that is no longer used in any thread. */
export const giveMemory = (buffers: ReadonlyArray<ArrayBufferLike>): void => {
  for (const buffer of buffers) {
    const bytes = buffer.byteLength
    if (!(buffer instanceof SharedArrayBuffer) || keptBytes + bytes > mostKept) continue
    keptBytes += bytes
    kept[Math.log2(bytes)]!.push(buffer)
  }
}

/** No pool of Buffers is this large, so memory of at least this size has one owner. */
const smallestFreed = 128 * 1024

/**
 * Frees the buffer of these bytes, which must be unused. Otherwise the buffer counts for V8 until
 * the next garbage collection, and makes collections more frequent. Bytes that fill half of their
 * buffer cannot be part of a pool of Buffers. Other bytes in a small buffer are not freed.
 */
export const freeMemory = ({ buffer, byteLength }: Uint8Array): void => {
  if (!(buffer instanceof ArrayBuffer)) return
  if (buffer.byteLength >= smallestFreed || 2 * byteLength >= buffer.byteLength) buffer.transfer(0)
}

/**
 * Frees buffers that another thread has transferred. Shared memory is not freed; the other thread
 * reuses it.
 */
export const freePassed = (buffers: ReadonlyArray<ArrayBufferLike>): void => {
  for (const buffer of buffers) if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}
