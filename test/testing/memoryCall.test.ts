/**
 * The transport without sockets, from its caller's side.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Queue } from "effect"
import { Transport } from "effect-zerobus"
import * as MemoryTransport from "../../src/testing/MemoryTransport.ts"

describe("a call in memory", () => {
  it.effect("hands over responses that wait, then each when it arrives, and ends as it would", () =>
    Effect.gen(function* () {
      let peer: MemoryTransport.MemoryPeer | undefined
      const arrivals: Array<() => void> = []
      const layer = MemoryTransport.layer(
        (_, client) => {
          peer = client
          return { receive: () => {}, halfClosed: () => {}, cancelled: () => {} }
        },
        { carry: (_, __, arrive) => void arrivals.push(arrive) }
      )
      const { open } = Context.get(yield* Layer.build(layer), Transport)
      const call = yield* open({})
      const send = (byte: number): void => {
        peer!.write(Uint8Array.of(byte))
        arrivals.shift()!()
      }
      send(1)
      assert.deepStrictEqual(yield* Queue.take(call.responses), Uint8Array.of(1))
      send(2)
      send(3)
      const seen: Array<number> = []
      call.onResponseUnsafe!((response) => void seen.push(response[0]!))
      assert.deepStrictEqual(seen, [2, 3])
      send(4)
      assert.deepStrictEqual(seen, [2, 3, 4])
      peer!.finish({ code: 14, message: "gone" })
      arrivals.shift()!()
      const failure = yield* Effect.flip(Queue.take(call.responses))
      assert.strictEqual(failure._tag, "Status")
    }).pipe(Effect.scoped)
  )
})
