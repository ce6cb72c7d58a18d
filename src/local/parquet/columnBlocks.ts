/**
 * Small blocks of memory for columns with few values: their sizes are powers of two, and many
 * blocks share one buffer.
 *
 * A server with a thousand tables has tens of thousands of columns with a few values each. Separate
 * buffers would cost several times the memory of the values. Blocks are returned as soon as their
 * rows are sealed, so memory use depends on the waiting rows, not on the number of tables. A buffer
 * whose blocks are all free is dropped when other buffers of its size have free blocks.
 *
 * Blocks are not cleared: their user must write before it reads. Blocks are never passed to another
 * thread, because that would transfer the whole buffer.
 */
import { giveMemory, takeMemory } from "./columnMemory.ts"

const sharedBytes = 64 * 1024
/** The smallest and the largest block size, as powers of two. */
const smallest = 6
const largest = 12

/** A buffer and its free blocks. */
interface Shared {
  readonly power: number
  readonly count: number
  readonly free: Array<Uint8Array>
}

const sharedOf = new WeakMap<ArrayBufferLike, Shared>()
/** The buffers with free blocks, by power of two. */
const available: ReadonlyArray<Array<Shared>> = Array.from({ length: largest + 1 }, () => [])

const makeShared = (power: number): Shared => {
  const buffer = new ArrayBuffer(sharedBytes)
  const size = 2 ** power
  const count = sharedBytes / size
  const free = Array.from(
    { length: count },
    (_, index) => new Uint8Array(buffer, index * size, size)
  )
  const shared: Shared = { power, count, free }
  sharedOf.set(buffer, shared)
  return shared
}

/** Uncleared memory of at least this many bytes: a block, or a buffer above 4 KiB. */
export const takeBlock = (bytes: number): Uint8Array => {
  if (bytes > 2 ** largest) return takeMemory(bytes)
  const power = bytes <= 2 ** smallest ? smallest : 32 - Math.clz32(bytes - 1)
  const shareds = available[power]!
  let shared = shareds[shareds.length - 1]
  if (shared === undefined) shareds.push((shared = makeShared(power)))
  const block = shared.free.pop()!
  if (shared.free.length === 0) shareds.pop()
  return block
}

/** Whether the memory is a block, which must stay in this thread. */
export const isBlock = (bytes: Uint8Array): boolean => sharedOf.has(bytes.buffer)

/** Returns memory that `takeBlock` gave out. */
export const giveBlock = (block: Uint8Array): void => {
  const shared = sharedOf.get(block.buffer)
  if (shared === undefined) return giveMemory([block.buffer])
  const { count, free, power } = shared
  const shareds = available[power]!
  free.push(block)
  if (free.length === 1) shareds.unshift(shared)
  else if (free.length === count && shareds.length > 1) shareds.splice(shareds.indexOf(shared), 1)
}
