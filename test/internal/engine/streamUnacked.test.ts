/**
 * Records that are unacknowledged when a stream ends are read back, passed to `onUnacked`, or taken
 * over by a recreated stream.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schema, Scope } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { ackResponse } from "../../../src/local/stream/streamMessages.ts"
import type * as MemoryTransport from "../../../src/testing/MemoryTransport.ts"
import { collect } from "../../support/garbage.ts"
import * as A from "../../support/acceptance.ts"
import { ingestServer, memoryClient } from "../../support/memoryClient.ts"
import { code } from "../../support/scriptedServer.ts"

const quiet = { scopeCloseTimeout: 0, onUnacked: () => Effect.void }

describe("what an ended stream has left", () => {
  it.effect(
    "is taken over, not given to onUnacked as well, when its scope closes while another stream " +
      "opens with it",
    () =>
      Effect.gen(function* () {
        const left: Array<unknown> = []
        const { server, zerobus } = yield* A.client(A.silent, { onCreate: () => {} })
        const scope = yield* Scope.make()
        const stream = yield* Scope.provide(
          zerobus.createStream(A.table, {
            scopeCloseTimeout: 0,
            onUnacked: ({ records }) => Effect.sync(() => void left.push(...records))
          }),
          scope
        )
        yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.fail(code.FAILED_PRECONDITION)
        yield* A.settle
        const again = yield* A.started(zerobus.recreateStream(stream))
        yield* Scope.close(scope, Exit.void)
        server.last.accept()
        yield* A.settle
        const next = again.value()
        yield* A.settle
        server.last.ack(0)
        yield* next.flush
        assert.deepStrictEqual(
          { left, durable: server.connection(1).records },
          { left: [], durable: [A.record(0)] }
        )
      })
  )
})

describe("a program in withStream", () => {
  it.effect("may recover its failed stream itself, and does not get the failure again", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client({
        onMessage: (connection) => {
          if (connection === server.connection(0)) connection.fail(code.FAILED_PRECONDITION)
          else connection.ack(0)
        }
      })
      const result = yield* zerobus.withStream(A.table, quiet, (stream) =>
        Effect.gen(function* () {
          const ack = yield* stream.ingestRecord(A.record(0))
          yield* Effect.flip(ack.await)
          const next = yield* zerobus.recreateStream(stream)
          yield* next.close
          return "recovered"
        })
      )
      assert.strictEqual(result, "recovered")
      assert.deepStrictEqual(server.connection(1).records, [A.record(0)])
    })
  )
})

describe("records of a schema", () => {
  it.live("are handed back as they were handed in, whatever the schema's encoded side is", () => {
    const dated = TableProperties.json(
      "main.default.readings",
      Schema.Struct({
        at: Schema.DateFromString,
        level: Schema.Number,
        note: Schema.UndefinedOr(Schema.String)
      })
    )
    const record = { at: new Date(1_767_225_600_000), level: Number.NaN, note: undefined }
    return Effect.gen(function* () {
      const zerobus = yield* Zerobus
      const stream = yield* zerobus.createStream(dated, { flushTimeout: 20, drainTimeout: 0 })
      yield* stream.ingestRecord(record)
      const failure = yield* Effect.flip(stream.close)
      assert.include(failure.message, "getUnackedRecords")
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [record])
    }).pipe(Effect.scoped, Effect.provide(memoryClient(ingestServer(() => {}))))
  })

  it.live("that a codec cannot read back do not keep the others from the handler", () => {
    const left: Array<unknown> = []
    const picky: TableProperties.TableProperties<any> = {
      ...A.table,
      codec: {
        write: A.table.codec.write,
        read: (payload) => {
          const value = JSON.parse(Buffer.from(payload).toString()) as { readonly n: number }
          if (value.n === 1) throw new Error("unreadable")
          return value
        }
      }
    }
    const program = Effect.gen(function* () {
      const zerobus = yield* Zerobus
      const stream = yield* zerobus.createStream(picky, {
        scopeCloseTimeout: 10,
        drainTimeout: 0,
        onUnacked: ({ records }) => Effect.sync(() => left.push(...records))
      })
      for (const n of [0, 1, 2]) yield* stream.ingestRecord({ n })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.timeout(stream.flush, 5))))
    })
    return program.pipe(
      Effect.scoped,
      Effect.provide(memoryClient(ingestServer(() => {}))),
      Effect.andThen(Effect.sync(() => assert.deepStrictEqual(left, [{ n: 0 }, { n: 2 }])))
    )
  })
})

describe("a stream that was recreated", () => {
  const payload = "x".repeat(1000)

  /**
   * A server that breaks its first connection once it has a record, and acknowledges on the others.
   */
  const breaking = () => {
    let calls = 0
    const refusing: MemoryTransport.MemoryServer = (headers, peer) => {
      const first = calls++ === 0
      return ingestServer((offset) => (first ? peer.cut() : peer.write(ackResponse(offset))))(
        headers,
        peer
      )
    }
    return refusing
  }
  /** The finalizers of an open scope. Effect keeps a single one outside of its map. */
  const finalizersOf = ({ state }: Scope.Scope): number =>
    state._tag === "Open" ? (state.finalizers?.size ?? 1) : 0

  it.live(
    "leaves nothing in its caller's scope, and is collected when nobody holds it any more",
    () =>
      Effect.gen(function* () {
        const zerobus = yield* Zerobus
        const scope = yield* Scope.make()
        let told = 0
        const recreated = yield* Effect.gen(function* () {
          const old = yield* zerobus.createStream(A.table, {
            recovery: false,
            onUnacked: () => Effect.sync(() => void told++)
          })
          assert.strictEqual(finalizersOf(scope), 1)
          for (let n = 0; n < 50; n++) yield* old.ingestRecord({ n, payload })
          yield* Effect.flip(old.flush)
          const next = yield* zerobus.recreateStream(old)
          return { next, old: new WeakRef(old) }
        }).pipe(Scope.provide(scope))
        // The finalizer of the new stream, and not of the old one.
        assert.strictEqual(finalizersOf(scope), 1)
        yield* recreated.next.flush
        for (let n = 0; n < 50 && recreated.old.deref() !== undefined; n++) {
          yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
          collect()
        }
        assert.isUndefined(recreated.old.deref())
        yield* recreated.next.close
        assert.strictEqual(finalizersOf(scope), 0)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(told, 0)
      }).pipe(Effect.scoped, Effect.provide(memoryClient(breaking())))
  )

  it.live(
    "keeps its place in the scope when it could not be recreated: its records are still to be " +
      "handed on",
    () => {
      const left: Array<unknown> = []
      let calls = 0
      const refusing: MemoryTransport.MemoryServer = (headers, peer) =>
        calls++ === 0
          ? ingestServer(() => peer.cut())(headers, peer)
          : {
              receive: () => peer.finish({ code: 5, message: "gone" }),
              halfClosed: () => {},
              cancelled: () => {}
            }
      return Effect.gen(function* () {
        const zerobus = yield* Zerobus
        const scope = yield* Scope.make()
        yield* Effect.gen(function* () {
          const old = yield* zerobus.createStream(A.table, {
            recovery: false,
            onUnacked: ({ records }) => Effect.sync(() => left.push(...records))
          })
          yield* old.ingestRecord({ n: 1 })
          yield* Effect.flip(old.flush)
          assert.strictEqual((yield* Effect.flip(zerobus.recreateStream(old)))._tag, "InvalidTable")
        }).pipe(Scope.provide(scope))
        assert.strictEqual(finalizersOf(scope), 1)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(left, [`{"n":1}`])
      }).pipe(Effect.scoped, Effect.provide(memoryClient(refusing)))
    }
  )
})
