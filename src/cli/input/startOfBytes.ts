/**
 * Reads the start of a byte stream and returns the whole stream: standard input cannot be read
 * twice.
 */
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

type Bytes<E> = Stream.Stream<Uint8Array, E>

/**
 * Reads a stream until `take` returns false, and returns the whole stream, which can be read once
 * within the scope. `take` receives each chunk. Buffered chunks are released as the whole stream is
 * read.
 */
export const startOfBytes = Effect.fnUntraced(function* <E>(
  bytes: Bytes<E>,
  take: (chunk: Uint8Array) => boolean
): Effect.fn.Return<Bytes<E>, E, Scope.Scope> {
  const pull = yield* Stream.toPull(bytes)
  const head: Array<Uint8Array> = []
  let wanted = true
  let ended = false
  while (wanted && !ended) {
    const chunks = yield* Pull.catchDone(pull, () => Effect.succeed([]))
    ended = chunks.length === 0
    for (const chunk of chunks) {
      head.push(chunk)
      wanted = take(chunk) && wanted
    }
  }
  const kept = function* () {
    for (let chunk = head.shift(); chunk !== undefined; chunk = head.shift()) yield chunk
  }
  const start = Stream.fromIterable(kept())
  return ended ? start : Stream.concat(start, Stream.fromPull(Effect.succeed(pull)) as Bytes<E>)
})
