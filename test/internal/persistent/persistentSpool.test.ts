/**
 * Persistent streams with a spool, with the local server over real gRPC.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, type Scope } from "effect"
import { type PersistentStream, Spool, type StreamFailure, Zerobus } from "effect-zerobus"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import { temporaryFolder } from "../../support/storedTables.ts"
import {
  create,
  created,
  ingest,
  inject,
  onServer,
  quick,
  record,
  resume,
  rows,
  table,
  tagOf,
  upTo
} from "../../support/persistentStreams.ts"

describe("a persistent stream with a spool", () => {
  it.live("resumes its stream at each start, and stores each record once", () =>
    onServer(
      Effect.gen(function* () {
        const spool = Spool.directory(yield* temporaryFolder)
        const ids = new Set<string>()
        for (const round of upTo(5)) {
          // Each round loses its acknowledgements, and then the process.
          yield* inject(Faults.stallAcks({ connection: round + 1 }))
          yield* Effect.scoped(
            Effect.gen(function* () {
              const stream = yield* create({ spool })
              assert.strictEqual(stream.resumedAt, round * 30)
              ids.add(stream.streamId)
              yield* ingest(stream, upTo(30, round * 30))
              yield* ZerobusLocal.use((local) => local.waitFor(table, "durable"))
            })
          )
        }
        yield* ZerobusLocal.use((local) => local.clearFaults(table))
        yield* Effect.scoped(Effect.flatMap(create({ spool }), (stream) => stream.close))
        assert.strictEqual(ids.size, 1)
        assert.deepStrictEqual(yield* rows, upTo(150))
        const { firstOffset, nextOffset, streamId } = yield* Spool.inspect(spool.path)
        assert.deepStrictEqual([firstOffset, nextOffset, streamId], [150, 150, [...ids][0]])
      })
    )
  )

  it.live("takes records while the server refuses the resume, and sends them later", () =>
    onServer(
      Effect.gen(function* () {
        const spool = Spool.directory(yield* temporaryFolder)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const stream = yield* create({ spool })
            yield* ingest(stream, upTo(10))
            yield* stream.close
          })
        )
        yield* inject(Faults.rejectResume({ status: "UNAVAILABLE", times: 3 }))
        const stream = yield* create({ spool, recoveryRetries: 10 })
        assert.strictEqual(stream.resumedAt, 10)
        yield* ingest(stream, upTo(10, 10))
        yield* stream.flush
        assert.deepStrictEqual(yield* rows, upTo(20))
      })
    )
  )

  it.live("begins after the committed offset of a stream that it did not write before", () =>
    onServer(
      Effect.gen(function* () {
        const id = yield* created(upTo(8))
        const spool = Spool.directory(yield* temporaryFolder)
        for (const from of [8, 12]) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const stream = yield* resume(id, { spool })
              assert.strictEqual(stream.resumedAt, from)
              yield* ingest(stream, upTo(4, from))
              yield* stream.close
            })
          )
        }
        assert.deepStrictEqual(yield* rows, upTo(16))
      })
    )
  )

  it.live("opens no spool of another stream, nor an ephemeral stream its own", () =>
    onServer(
      Effect.gen(function* () {
        const [mine, ephemeral] = [yield* temporaryFolder, yield* temporaryFolder]
        const filled = (
          stream: Effect.Effect<PersistentStream<any>, StreamFailure, Zerobus | Scope.Scope>
        ) =>
          Effect.scoped(
            Effect.flatMap(stream, (open) => Effect.andThen(ingest(open, [1]), open.close))
          )
        yield* filled(create({ spool: Spool.directory(mine) }))
        const zerobus = yield* Zerobus
        const plain = (path: string) =>
          zerobus.createStream(table, { ...quick, spool: Spool.directory(path) })
        yield* Effect.scoped(
          Effect.flatMap(plain(ephemeral), (stream) =>
            Effect.andThen(stream.ingestRecord(record(2)), stream.close)
          )
        )
        const id = yield* created([])
        const failures = [
          plain(mine),
          create({ spool: Spool.directory(ephemeral) }),
          resume(id, { spool: Spool.directory(ephemeral) }),
          resume(id, { spool: Spool.directory(mine) })
        ]
        for (const failure of failures)
          assert.strictEqual(yield* tagOf(Effect.scoped(failure)), "InvalidState")
      })
    )
  )

  it.live(
    "ends when another process wrote its stream, also when it took records before it knew",
    () =>
      onServer(
        Effect.gen(function* () {
          const spool = Spool.directory(yield* temporaryFolder)
          const id = yield* Effect.scoped(
            Effect.gen(function* () {
              const stream = yield* create({ spool })
              yield* ingest(stream, upTo(3))
              yield* stream.close
              return stream.streamId
            })
          )
          yield* Effect.scoped(
            Effect.gen(function* () {
              const other = yield* resume(id)
              yield* ingest(other, upTo(2, 100))
              yield* other.close
            })
          )
          yield* inject(Faults.rejectResume({ status: "UNAVAILABLE" }))
          const stream = yield* create({ spool, recoveryBackoff: 100 })
          yield* ingest(stream, upTo(5, 3))
          assert.strictEqual((yield* Effect.flip(stream.flush))._tag, "ProtocolViolation")
          const { firstOffset, nextOffset } = yield* Spool.inspect(spool.path)
          assert.deepStrictEqual([firstOffset, nextOffset], [3, 8])
          assert.deepStrictEqual(yield* rows, [0, 1, 2, 100, 101])
        })
      )
  )

  it.live("keeps everything when its stream is retired while it is full", () =>
    onServer(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const spool = Spool.directory(folder, { maxBytes: 16 * 1024 * 1024 })
        const id = yield* Effect.scoped(
          Effect.gen(function* () {
            const stream = yield* create({ spool })
            yield* stream.ingestRecord(record(0))
            yield* stream.close
            return stream.streamId
          })
        )
        yield* inject(Faults.hold("resume", 1))
        const stream = yield* create({ spool })
        const begun = Deferred.makeUnsafe<void>()
        let taken = 0
        const writing = yield* Effect.forkScoped(
          Effect.forever(
            Effect.andThen(
              stream.ingestRecords(
                Array.from({ length: 100 }, () => ({ n: 1, pad: "x".repeat(10_000) }))
              ),
              Effect.sync(() => {
                if (++taken === 10) Deferred.doneUnsafe(begun, Exit.void)
              })
            )
          )
        )
        yield* Deferred.await(begun)
        yield* Zerobus.use((zerobus) => zerobus.retireStream(table.tableName, id))
        const exit = yield* Fiber.await(writing)
        const failure = Exit.isFailure(exit)
          ? exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error
          : {}
        assert.strictEqual((failure as { readonly _tag?: string })._tag, "StreamClosed")
        const { firstOffset, nextOffset } = yield* Spool.inspect(folder)
        assert.deepStrictEqual([firstOffset, nextOffset], [1, taken + 1])
      })
    )
  )
})
