/**
 * A sink into a stream with a spool does not wait for the disk, and never took fewer records than
 * it reports.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Stream } from "effect"
import { Spool } from "effect-zerobus"
import * as A from "../../support/acceptance.ts"
import { failure, faultyDisk } from "../../support/faultyDisk.ts"
import { code, type Script } from "../../support/scriptedServer.ts"
import { spoolOn } from "../../support/spoolFolder.ts"
import { temporaryFolder } from "../../support/storedTables.ts"

/** A stream with a spool on a disk whose syncs can be held back, and then succeed or fail. */
const setUp = (script: Script, maxBytes?: number) =>
  Effect.gen(function* () {
    const disk = faultyDisk()
    const { server, zerobus } = yield* A.client(script)
    const spool = spoolOn(disk, yield* temporaryFolder, maxBytes)
    const stream = yield* zerobus.createStream(A.table, { spool, scopeCloseTimeout: 0 })
    const hold = () => {
      const [reached, gate] = [Deferred.makeUnsafe<void>(), Deferred.makeUnsafe<void, Error>()]
      disk.before = (operation) => {
        if (operation !== "datasync") return undefined
        Deferred.doneUnsafe(reached, Exit.void)
        return Effect.runPromise(Deferred.await(gate))
      }
      const settle = (exit: Exit.Exit<void, Error>) => {
        disk.before = () => {}
        Deferred.doneUnsafe(gate, exit)
      }
      return {
        letThrough: () => settle(Exit.void),
        fail: Effect.andThen(
          Deferred.await(reached),
          Effect.sync(() => settle(Exit.fail(failure("EIO"))))
        )
      }
    }
    const nextOffset = Effect.map(Spool.progress(stream), (progress) => Number(progress.nextOffset))
    const taken = (count: number) =>
      Effect.gen(function* () {
        while ((yield* nextOffset) < count) yield* A.turn
      })
    return { disk, hold, nextOffset, server, stream, taken }
  })

/** A record of ten thousand bytes. */
const large = (n: number): string => JSON.stringify({ n, pad: "x".repeat(10_000) })

describe("a sink into a stream with a spool", () => {
  it.effect("takes chunks while those before are synchronised, and ends when all are durable", () =>
    Effect.gen(function* () {
      const { hold, server, stream, taken } = yield* setUp({})
      const { letThrough } = hold()
      const chunks = Stream.fromArrays(
        A.recordsFrom(0, 2),
        A.recordsFrom(2, 3),
        A.recordsFrom(5, 1)
      )
      const sink = yield* A.started(Stream.run(chunks, stream.toSink))
      yield* taken(6)
      assert.isFalse(sink.done())
      letThrough()
      const { lastOffset, records } = yield* sink.join
      assert.deepStrictEqual([records, lastOffset], [6, 5])
      assert.deepStrictEqual(
        server.connections.flatMap(({ messages }) =>
          messages.flatMap((message) => message.records)
        ),
        A.recordsFrom(0, 6)
      )
    })
  )

  it.effect("fails with a chunk that was not written, and submits none after it", () =>
    Effect.gen(function* () {
      const { hold, nextOffset, stream, taken } = yield* setUp({})
      const disk = hold()
      const more = yield* Deferred.make<void>()
      const chunks = Stream.concat(
        Stream.fromArray(A.recordsFrom(0, 2)),
        Stream.fromArrayEffect(Effect.as(Deferred.await(more), [A.record(2)]))
      )
      const sink = yield* A.started(Stream.run(chunks, stream.toSink))
      yield* taken(2)
      const receipt = stream.offerUnsafe(A.record(9))!
      yield* disk.fail
      A.tagged(yield* Effect.flip(receipt.persisted), "Retryable")
      yield* Deferred.succeed(more, undefined)
      A.tagged(A.failureOf(yield* Effect.exit(sink.join)), "Retryable")
      assert.strictEqual(yield* nextOffset, 0)
    })
  )

  it.effect("gives up its place in a full spool when what it took before was not written", () =>
    Effect.gen(function* () {
      const { hold, nextOffset, stream, taken } = yield* setUp(A.refusing(code.UNAVAILABLE), 25_000)
      yield* stream.ingestRecord(large(0))
      const disk = hold()
      const sink = yield* A.started(
        Stream.run(Stream.fromArray([large(1), large(2)]), stream.toSink)
      )
      yield* taken(2)
      yield* A.settle
      assert.isFalse(sink.done())
      yield* disk.fail
      A.tagged(A.failureOf(yield* Effect.exit(sink.join)), "Retryable")
      assert.strictEqual(yield* nextOffset, 1)
      assert.strictEqual((yield* stream.ingestRecord(large(3))).offset, 1)
    })
  )
})
