/**
 * The memory of an idle process: streams that have ended, in whatever way, leave little in the
 * buffer pool.
 */
import { assert, describe, it, vi } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { giveBuffer, sizeClass, takeBuffer } from "../../../src/internal/landing/bufferPool.ts"
import * as A from "../../support/acceptance.ts"
import { code } from "../../support/scriptedServer.ts"

const MiB = 1024 * 1024
const record = Buffer.alloc(MiB, 65)
/** The buffer size for such a record: with head room, tag, length and some slack. */
const size = sizeClass(MiB + 46)
const options = { scopeCloseTimeout: 0, onUnacked: () => Effect.void }

/** How many buffers of that size the pool holds. The pool is left unchanged. */
const free = () => {
  const fresh = vi.spyOn(Buffer, "allocUnsafeSlow")
  const taken: Array<Buffer> = []
  while (fresh.mock.calls.length === 0) taken.push(takeBuffer(size))
  fresh.mockRestore()
  for (const buffer of taken.slice(0, -1)) giveBuffer(buffer)
  return taken.length - 1
}
const little = Math.floor((16 * MiB) / size)

/** A stream sends 40 such records, gets them acknowledged together and is closed. */
const sendSome = Effect.scoped(
  Effect.gen(function* () {
    const { server, zerobus } = yield* A.client(A.silent)
    const stream = yield* zerobus.createStream(A.protoTable)
    for (let n = 0; n < 40; n++) yield* stream.ingestRecord(record)
    yield* A.settle
    server.last.ack(39)
    yield* stream.flush
    yield* stream.close
  })
)

describe("the pool keeps little", () => {
  it.effect(
    "when a stream was closed with records in flight, whose acknowledgements come after that",
    () =>
      Effect.gen(function* () {
        const { server, zerobus } = yield* A.client({
          ...A.silent,
          onHalfClose: (connection) => {
            connection.ack(connection.messages.length - 1)
            connection.end()
          }
        })
        const stream = yield* zerobus.createStream(A.protoTable)
        for (let n = 0; n < 40; n++) yield* stream.ingestRecord(record)
        const closing = yield* A.started(stream.close)
        server.last.ack(39)
        yield* A.settle
        closing.value()
        assert.isAtMost(free(), little)
        assert.isAbove(free(), 0)
      })
  )

  it.effect(
    "after a stream that failed, or whose scope was closed, with records that nobody acknowledged",
    () =>
      Effect.gen(function* () {
        for (const end of ["fail", "scope"] as const) {
          const { server, zerobus } = yield* A.client(A.silent)
          const scope = yield* Scope.make()
          const stream = yield* Scope.provide(zerobus.createStream(A.table, options), scope)
          yield* stream.ingestRecord(A.record(0))
          yield* A.settle
          yield* sendSome
          assert.isAbove(free(), little, "the other stream still sends")
          if (end === "fail") server.last.fail(code.FAILED_PRECONDITION)
          else yield* Scope.close(scope, Exit.void)
          yield* A.settle
          assert.isAtMost(free(), little, end)
          yield* Scope.close(scope, Exit.void)
        }
      })
  )

  it.effect("after records were to be taken over in a scope that was closed", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client(A.silent)
      const stream = yield* zerobus.createStream(A.table, options)
      yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.fail(code.FAILED_PRECONDITION)
      yield* A.settle
      const scope = yield* Scope.make()
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(
        Exit.isFailure(yield* Effect.exit(Scope.provide(zerobus.recreateStream(stream), scope)))
      )
      yield* sendSome
      assert.isAtMost(free(), little)
    })
  )
})
