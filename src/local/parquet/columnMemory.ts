/**
 * Memory of column buffers that were flushed, kept for the next ones. New memory is expensive twice:
 * the system clears its pages, and every 64 MiB of it make V8 mark the whole heap.
 *
 * Sizes are powers of two, so that what one column gives back fits another. Nothing is cleared: who
 * takes memory overwrites what it reads.
 */

/** Smaller buffers are not kept: making them costs as little as finding one. */
const smallest = 4096
const mostKept = 96 * 1024 * 1024

/** What is kept, by the power of two. */
const kept: Array<Array<ArrayBuffer>> = Array.from({ length: 53 }, () => [])
let keptBytes = 0

const powerOf = (bytes: number): number => Math.ceil(Math.log2(Math.max(bytes, 64)))

/** Memory of at least so many bytes, which may hold anything. */
export const takeMemory = (bytes: number): Uint8Array<ArrayBuffer> => {
  const power = powerOf(bytes)
  const found = kept[power]!.pop()
  if (found === undefined) return new Uint8Array(2 ** power)
  keptBytes -= found.byteLength
  return new Uint8Array(found)
}

/** Takes memory back that nobody uses any more. */
export const giveMemory = (buffers: ReadonlyArray<ArrayBuffer>): void => {
  for (const buffer of buffers) {
    const bytes = buffer.byteLength
    const power = powerOf(bytes)
    if (bytes < smallest || 2 ** power !== bytes || keptBytes + bytes > mostKept) continue
    keptBytes += bytes
    kept[power]!.push(buffer)
  }
}
