/**
 * A closing scope takes at most 25 seconds with the default options, whatever the server and the
 * program's handlers do.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Scope } from "effect"
import { HeadersProvider, type StreamConfigurationOptions } from "effect-zerobus"
import { TestClock } from "effect/testing"
import * as A from "../../support/acceptance.ts"
import { spentOf } from "../../../src/internal/engine/streamClose.ts"
import { code, type ScriptedServer, type Script } from "../../support/scriptedServer.ts"

const limit = 25_000

const hang = () => Effect.never
const hangForGood = () => Effect.uninterruptible(Effect.never)

/** The situation when the scope starts to close, and what the program does later. */
interface Scene {
  readonly scripts: ReadonlyArray<Script>
  readonly options?: () => StreamConfigurationOptions<any>
  readonly before?: (server: ScriptedServer) => void
  /** Milliseconds after the scope started to close, and the action then. */
  readonly later?: readonly [after: number, happens: (server: ScriptedServer) => void]
}

const refuse = (server: ScriptedServer) => server.last.fail(code.INVALID_ARGUMENT)
/** A server that refuses every record, each time it is sent. */
const refusing: Script = {
  onMessage: (connection) => connection.over || connection.fail(code.INVALID_ARGUMENT)
}

const scenes: Readonly<Record<string, Scene>> = {
  "a silent server": { scripts: [A.silent] },
  "a silent server that does not end the call": {
    scripts: [A.silent],
    options: () => ({ drainTimeout: "1 minute" })
  },
  "no connection": {
    scripts: [A.silent, { onCreate: () => {} }],
    before: (server) => server.last.cut()
  },
  "headers that do not come": {
    scripts: [A.silent],
    options: () => {
      let asked = 0
      return {
        headersProvider: HeadersProvider.make({
          getHeaders: Effect.suspend(() => (asked++ === 0 ? Effect.succeed({}) : hangForGood()))
        })
      }
    },
    before: (server) => server.last.cut()
  },
  "onRefused that hangs since before": {
    scripts: [A.silent, refusing],
    options: () => ({ onRefused: hang }),
    before: refuse
  },
  "onRefused that hangs from the last moment on": {
    scripts: [A.silent, refusing],
    options: () => ({ onRefused: hang, serverLackOfAckTimeout: "5 minutes" }),
    later: [19_900, refuse]
  },
  "onRefused that hangs and cannot be interrupted": {
    scripts: [A.silent, refusing],
    options: () => ({ onRefused: hangForGood, serverLackOfAckTimeout: "5 minutes" }),
    later: [19_900, refuse]
  }
}

const handlers: Readonly<Record<string, StreamConfigurationOptions<any>>> = {
  "no onUnacked": {},
  "onUnacked that hangs": { onUnacked: hang },
  "onUnacked that hangs and cannot be interrupted": { onUnacked: hangForGood }
}

/** How many virtual milliseconds the closing takes, in steps of 100. */
const closingTime = (scope: Scope.Closeable, later?: readonly [number, () => void]) =>
  Effect.gen(function* () {
    const closing = yield* A.started(Scope.close(scope, Exit.void))
    let passed = 0
    for (; !closing.done() && passed < 4 * limit; passed += 100) {
      if (later?.[0] === passed) {
        later[1]()
        yield* A.settle
      }
      yield* TestClock.adjust(100)
      yield* A.settle
    }
    return passed
  })

describe("a scope that closes", () => {
  for (const [what, { before, later, options, scripts }] of Object.entries(scenes)) {
    for (const [handler, more] of Object.entries(handlers)) {
      it.effect(`takes at most 25 seconds: ${what}, ${handler}`, () =>
        Effect.gen(function* () {
          const { server, zerobus } = yield* A.client(...scripts)
          const scope = yield* Scope.make()
          const stream = yield* Scope.provide(
            zerobus.createStream(A.table, { ...options?.(), ...more }),
            scope
          )
          yield* stream.ingestRecord(A.record(0))
          yield* A.settle
          before?.(server)
          yield* A.settle
          const passed = yield* closingTime(scope, later && [later[0], () => later[1](server)])
          assert.isAtMost(passed, limit)
          // Nothing was acknowledged, so the stream still holds the record.
          assert.deepStrictEqual(yield* stream.getUnackedRecords, [A.record(0)])
        })
      )
    }
  }

  it.effect("does not wait for a stream that is being opened", () =>
    Effect.gen(function* () {
      for (const beforeOpen of [hang(), hangForGood()]) {
        const { zerobus } = yield* A.client(A.silent)
        const opening = yield* A.started(
          Effect.scoped(zerobus.createStream(A.table, { beforeOpen }))
        )
        yield* opening.interrupt
        assert.isTrue(opening.done())
      }
    })
  )

  it.effect("takes no longer with many streams whose server is silent", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client(A.silent)
      const scope = yield* Scope.make()
      const given: Array<number> = []
      for (let n = 0; n < 6; n++) {
        const onUnacked = () => Effect.sync(() => given.push(n))
        const stream = yield* Scope.provide(zerobus.createStream(A.table, { onUnacked }), scope)
        yield* stream.ingestRecord(A.record(n))
      }
      assert.isAtMost(yield* closingTime(scope), limit)
      assert.deepStrictEqual(given, [5, 4, 3, 2, 1, 0])
    })
  )

  it.effect("gives a stream its full time when it closes after a finalizer of the program", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client(A.silent)
      const scope = yield* Scope.make()
      const stream = yield* Scope.provide(zerobus.createStream(A.table), scope)
      yield* stream.ingestRecord(A.record(0))
      const others = yield* Deferred.make<void>()
      yield* Scope.addFinalizer(scope, Effect.asVoid(Effect.sleep(30_000)))
      yield* Scope.addFinalizer(scope, Deferred.await(others))
      const closing = yield* A.started(Scope.close(scope, Exit.void))
      yield* Deferred.succeed(others, undefined)
      yield* A.advance(30_000)
      yield* A.advance(15_000)
      assert.isFalse(closing.done())
      server.last.ack(0)
      yield* A.advance(1_000)
      assert.isTrue(closing.done())
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [])
    })
  )

  it.effect("has its full time, however long streams took that were closed before", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      /** Two streams close for 20 and 5 seconds, at the same time. */
      const spend = () => {
        const spent = spentOf(scope)
        spent.begin(0)
        spent.begin(10_000)
        spent.end(15_000)
        spent.end(20_000)
      }
      spend()
      assert.strictEqual(spentOf(scope).millis(20_000), 0)
      yield* Scope.close(scope, Exit.void)
      spend()
      assert.strictEqual(spentOf(scope).millis(30_000), 20_000)
      spentOf(scope).begin(30_000)
      assert.strictEqual(spentOf(scope).millis(31_000), 21_000)
    })
  )
})
