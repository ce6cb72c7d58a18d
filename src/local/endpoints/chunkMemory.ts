/**
 * Frees the memory of the chunks that one call has read.
 *
 * HTTP/2 hands out DATA frames as views of what it read from the socket at once. That memory is
 * normally freed with the garbage, but V8 counts it: at 80 MB/s it marks the program's whole heap
 * several times a second, which took a third of the server's processor time.
 *
 * Memory is freed when the next chunk lies elsewhere, so that HTTP/2 has handed out all of it, and
 * when no request that is still used lies in it. Frames of other calls may lie in it too, so
 * nothing is freed while the connection has another call.
 */
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2"

/** Open calls by connection. */
const calls = new WeakMap<ServerHttp2Session, number>()

/** Memory that requests of any call use after they were delivered. */
const used = new WeakSet<ArrayBufferLike>()

const count = (session: ServerHttp2Session, by: number): void => {
  calls.set(session, (calls.get(session) ?? 0) + by)
}

/** Says that this memory is used further, so that it is never freed here. */
export const useFurther = (memory: ArrayBufferLike): void => void used.add(memory)

/** The memory of the chunks of one call. */
export class ChunkMemory {
  private readonly session: ServerHttp2Session | undefined
  /** What chunks lie in, oldest first. */
  private readonly memories: Array<ArrayBuffer> = []

  constructor(stream: ServerHttp2Stream) {
    const { session } = stream
    this.session = session as ServerHttp2Session | undefined
    if (this.session === undefined) return
    count(this.session, 1)
    stream.once("close", () => count(this.session!, -1))
  }

  /**
   * A chunk of this memory was read. Frees what came before, up to the memory that the beginning of
   * an unfinished request lies in.
   */
  read(memory: ArrayBufferLike, unfinished: ArrayBufferLike | undefined): void {
    const { memories } = this
    if (memories[memories.length - 1] !== memory) memories.push(memory as ArrayBuffer)
    if (memories.length === 1) return
    const isAlone = this.session !== undefined && calls.get(this.session) === 1
    while (memories.length > 1 && memories[0] !== unfinished) {
      const freed = memories.shift()!
      if (isAlone && !used.has(freed)) freed.transfer(0)
    }
  }
}
