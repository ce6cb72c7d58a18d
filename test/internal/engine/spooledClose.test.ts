/**
 * A stream with a spool is closed only after the lock of its folder is released, whoever closes it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { type LogDisk, nodeDisk } from "../../../src/internal/log/logDisk.ts"
import * as A from "../../support/acceptance.ts"
import { faultyDisk } from "../../support/faultyDisk.ts"
import { reporting } from "../../support/reports.ts"
import { code } from "../../support/scriptedServer.ts"
import { spoolOn } from "../../support/spoolFolder.ts"
import { temporaryFolder } from "../../support/storedTables.ts"

/**
 * A spool whose lock is released when the gate opens. `leaving` completes when the release has
 * started.
 */
const gated = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const [leaving, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const disk: LogDisk = {
    ...nodeDisk,
    lock: async (path) => {
      const lock = await nodeDisk.lock(path)
      return {
        ...lock,
        release: async () => {
          Deferred.doneUnsafe(leaving, Exit.void)
          await Effect.runPromise(Deferred.await(gate))
          await lock.release()
        }
      }
    }
  }
  return { gate, leaving, spool: spoolOn(disk, folder) }
})

/** The fiber is not done after enough turns to finish. */
const isWaiting = (fiber: Fiber.Fiber<unknown, unknown>) =>
  Effect.gen(function* () {
    for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
    assert.isUndefined(fiber.pollUnsafe())
  })

describe("a stream with a spool", () => {
  it.effect("that has failed is closed when its lock is released", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { gate, leaving, spool } = yield* gated
        const { zerobus } = yield* A.client(A.refusing(code.PERMISSION_DENIED))
        const stream = yield* zerobus.createStream(A.table, { spool })
        yield* Deferred.await(leaving)
        const closing = yield* Effect.forkChild(Effect.exit(stream.close))
        yield* isWaiting(closing)
        yield* Deferred.succeed(gate, undefined)
        assert.isTrue(Exit.isFailure(yield* Fiber.join(closing)))
      })
    )
  )

  it.effect("that has failed holds up its scope until then", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { gate, leaving, spool } = yield* gated
        const { zerobus } = yield* A.client(A.refusing(code.PERMISSION_DENIED))
        const scope = yield* Scope.make()
        yield* Scope.provide(zerobus.createStream(A.table, { spool }), scope)
        yield* Deferred.await(leaving)
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* isWaiting(closing)
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(closing)
      })
    )
  )

  it.effect("that cannot be created fails once its lock is released", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { gate, leaving, spool } = yield* gated
        const { zerobus } = yield* A.client(A.refusing(code.PERMISSION_DENIED))
        const creating = yield* Effect.forkChild(
          Effect.flip(zerobus.createPersistentStream(A.table, { spool }))
        )
        yield* Deferred.await(leaving)
        yield* isWaiting(creating)
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual((yield* Fiber.join(creating))._tag, "PermissionDenied")
      })
    )
  )

  it.effect("whose disk hangs ends after its limits", () =>
    reporting((reports) =>
      Effect.gen(function* () {
        const disk = faultyDisk()
        const [reached, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const { zerobus } = yield* A.client({})
        const scope = yield* Scope.make()
        const stream = yield* Scope.provide(
          zerobus.createStream(A.table, {
            spool: spoolOn(disk, yield* temporaryFolder),
            flushTimeout: 2_000,
            scopeCloseTimeout: 3_000,
            drainTimeout: 0
          }),
          scope
        )
        disk.before = (operation) => {
          if (operation !== "datasync") return undefined
          Deferred.doneUnsafe(reached, Exit.void)
          return Effect.runPromise(Deferred.await(gate))
        }
        stream.offerUnsafe(A.record(0))
        yield* Deferred.await(reached)
        const flushing = yield* A.started(stream.flush)
        yield* A.advance(1_999)
        assert.isFalse(flushing.done())
        yield* A.advance(1)
        A.tagged(A.failureOf(yield* Effect.exit(flushing.join)), "FlushTimeout")
        const leaving = yield* A.started(Scope.close(scope, Exit.void))
        // The limit of the scope's flush, and then that of the spool.
        yield* A.advance(3_000)
        yield* A.advance(29_500)
        assert.isFalse(leaving.done())
        yield* A.advance(500)
        yield* leaving.join
        assert.isDefined(
          reports.lines.find(({ text }) =>
            String(text).includes("disk of the spool does not respond")
          )
        )
        yield* Deferred.succeed(gate, undefined)
      })
    )
  )
})
