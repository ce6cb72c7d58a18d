/**
 * Streams of a closing scope close together if they are adjacent, otherwise one after another.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import * as A from "../../support/acceptance.ts"
import type { Script } from "../../support/scriptedServer.ts"

/**
 * Opens streams in a scope. After each one for which `between` holds, the program adds a finalizer.
 */
const streamsIn = (count: number, between: (n: number) => boolean, options = {}) =>
  Effect.gen(function* () {
    let ended = 0
    // The server keeps a call open after the client has half-closed it.
    const lingering: Script = { onHalfClose: () => void ended++ }
    const { zerobus } = yield* A.client(...Array.from({ length: count }, () => lingering))
    const scope = yield* Scope.make()
    const closed: Array<string> = []
    for (let n = 0; n < count; n++) {
      yield* Scope.provide(
        zerobus.createStream(A.table, { drainTimeout: "1 second", ...options }),
        scope
      )
      if (between(n))
        yield* Scope.addFinalizer(
          scope,
          Effect.sync(() => void closed.push(`behind ${n}`))
        )
    }
    return { closed, halfClosed: () => ended, scope }
  })

describe("the streams of a scope that closes", () => {
  it.effect("close together, and the scope waits for all of them", () =>
    Effect.gen(function* () {
      const { halfClosed, scope } = yield* streamsIn(20, () => false)
      const closing = yield* A.started(Scope.close(scope, Exit.void))
      yield* A.settle
      assert.strictEqual(halfClosed(), 20)
      assert.isFalse(closing.done())
      yield* A.advance(1000)
      assert.isTrue(closing.done())
    })
  )

  it.effect("do not close before finalizers that the program added after them", () =>
    Effect.gen(function* () {
      const { closed, halfClosed, scope } = yield* streamsIn(4, (n) => n === 1)
      const closing = yield* A.started(Scope.close(scope, Exit.void))
      yield* A.settle
      assert.strictEqual(halfClosed(), 2)
      assert.deepStrictEqual(closed, [])
      yield* A.advance(1000)
      assert.deepStrictEqual(closed, ["behind 1"])
      assert.strictEqual(halfClosed(), 4)
      yield* A.advance(1000)
      assert.isTrue(closing.done())
    })
  )

  it.effect(
    "close one after the other where they have handlers, which may send to those that were " +
      "opened before",
    () =>
      Effect.gen(function* () {
        const { halfClosed, scope } = yield* streamsIn(3, () => false, {
          onUnacked: () => Effect.void
        })
        const closing = yield* A.started(Scope.close(scope, Exit.void))
        for (let n = 1; n <= 3; n++) {
          yield* A.settle
          assert.strictEqual(halfClosed(), n)
          yield* A.advance(1000)
        }
        assert.isTrue(closing.done())
      })
  )
})
