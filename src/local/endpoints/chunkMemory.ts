/**
 * Frees the memory of chunks that a call has read.
 *
 * HTTP/2 delivers DATA frames as views of the buffer that it read from the socket. The garbage
 * collector normally frees these buffers, but V8 counts them as external memory: at 80 MB/s it
 * marks the whole heap several times a second, which took a third of the server's CPU time.
 *
 * A buffer is freed when the next chunk is in another buffer, because HTTP/2 has then delivered all
 * of it, and when no request in it is still used. It may also contain frames of other calls, so
 * nothing is freed while the connection has another call.
 */
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2"

/** The number of open calls by connection. */
const calls = new WeakMap<ServerHttp2Session, number>()

/** Buffers with requests that are used after their delivery. */
const used = new WeakSet<ArrayBufferLike>()

const count = (session: ServerHttp2Session, by: number): void => {
  calls.set(session, (calls.get(session) ?? 0) + by)
}

/** Marks a buffer as still used, so that it is never freed here. */
export const useFurther = (memory: ArrayBufferLike): void => void used.add(memory)

/** The buffers of the chunks of one call. */
export class ChunkMemory {
  private readonly session: ServerHttp2Session | undefined
  /** The buffers with chunks, oldest first. */
  private readonly memories: Array<ArrayBuffer> = []

  constructor(stream: ServerHttp2Stream) {
    const { session } = stream
    this.session = session as ServerHttp2Session | undefined
    if (this.session === undefined) return
    count(this.session, 1)
    stream.once("close", () => count(this.session!, -1))
  }

  /**
   * A chunk in this buffer was read. Frees the buffers before it, up to the one with the beginning
   * of an unfinished request.
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
