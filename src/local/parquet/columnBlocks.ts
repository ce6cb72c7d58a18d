/**
 * Small pieces of memory for columns that have few values: blocks of powers of two, many of which
 * share one buffer.
 *
 * A server with a thousand tables has tens of thousands of columns that hold some values each. As
 * buffers of their own they would cost several times what is in them. Blocks go back as soon as
 * their rows are sealed, so memory follows the rows that wait, not the number of tables. A buffer
 * whose blocks are all free is dropped when others of its size have free ones.
 *
 * Nothing is cleared: who takes a block overwrites what it reads. Blocks never go to another
 * thread, which would take all of their buffer.
 */
import { giveMemory, takeMemory } from "./columnMemory.ts"

const sharedBytes = 64 * 1024
/** The powers of two of the smallest and of the largest blocks. */
const smallest = 6
const largest = 12

/** A buffer and its free blocks. */
interface Shared {
  readonly power: number
  readonly count: number
  readonly free: Array<Uint8Array>
}

const sharedOf = new WeakMap<ArrayBufferLike, Shared>()
/** By the power of two, the buffers that have free blocks. */
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

/** Memory of at least so many bytes, which may hold anything: a block, or beyond 4 KiB a buffer. */
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

/** Whether the memory is a block, so that it stays in this thread. */
export const isBlock = (bytes: Uint8Array): boolean => sharedOf.has(bytes.buffer)

/** Takes back what `takeBlock` gave. */
export const giveBlock = (block: Uint8Array): void => {
  const shared = sharedOf.get(block.buffer)
  if (shared === undefined) return giveMemory([block.buffer])
  const { count, free, power } = shared
  const shareds = available[power]!
  free.push(block)
  if (free.length === 1) shareds.unshift(shared)
  else if (free.length === count && shareds.length > 1) shareds.splice(shareds.indexOf(shared), 1)
}
