/**
 * Records, batches, schemas and handlers of the program that throw when they are read or called.
 * The call that passed them fails, and the stream continues.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schema, SchemaGetter, Scope } from "effect"
import {
  type RecordAck,
  type Refused,
  TableProperties,
  type Unacked,
  type ZerobusStream
} from "effect-zerobus"
import * as A from "../../support/acceptance.ts"
import { code, type Script } from "../../support/scriptedServer.ts"
import { collected } from "../../support/uncaught.ts"

const broken = (): never => {
  throw new TypeError("secret")
}

/** Values that throw when converted to JSON, or that JSON cannot represent. */
const values: Readonly<Record<string, () => unknown>> = {
  "a getter": () => Object.defineProperty({}, "n", { get: broken, enumerable: true }),
  "a getter within": () => ({
    inside: Object.defineProperty({}, "n", { get: broken, enumerable: true })
  }),
  "toJSON": () => ({ toJSON: broken }),
  "toJSON within": () => ({ n: { toJSON: broken } }),
  "a getter for toJSON": () => Object.defineProperty({ n: 1 }, "toJSON", { get: broken }),
  "the keys": () => new Proxy({ n: 1 }, { ownKeys: broken }),
  "each property": () => new Proxy({ n: 1 }, { get: broken }),
  "the descriptors": () => new Proxy({ n: 1 }, { getOwnPropertyDescriptor: broken }),
  "the prototype": () => new Proxy({ n: { m: 1 } }, { getPrototypeOf: broken, get: broken }),
  "the elements of an array": () => ({ n: new Proxy([1, 2], { get: broken }) }),
  "the text of a key": () => ({ n: 1n }),
  "a cycle": () => {
    const cycle: Record<string, unknown> = {}
    cycle["itself"] = cycle
    return cycle
  },
  "a revoked proxy": () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  },
  "a thrown value that cannot be read": () => ({
    toJSON: () => {
      throw new Proxy(new Error("secret"), { get: broken, getPrototypeOf: broken })
    }
  })
}

type JsonStream = ZerobusStream<TableProperties.JsonRecord>

/** The ways to ingest a record. Each returns why it was refused. */
const ways: Readonly<
  Record<string, (stream: JsonStream, value: any) => Effect.Effect<unknown, RecordAck>>
> = {
  ingestRecord: (stream, value) => Effect.flip(stream.ingestRecord(value)),
  ingestRecords: (stream, value) =>
    Effect.flip(stream.ingestRecords([A.record(7), value]) as never),
  offerUnsafe: (stream, value) =>
    Effect.sync(() => {
      try {
        return stream.offerUnsafe(value)
      } catch (error) {
        return error
      }
    })
}

describe("a record that throws when it is read", () => {
  for (const [what, value] of Object.entries(values)) {
    it.live(`(${what}) is refused at the call, in whatever way it is handed in`, () =>
      collected((reported) =>
        Effect.gen(function* () {
          const { server, stream } = yield* A.open({ batching: "off" })
          yield* stream.ingestRecord(A.record(0))
          for (const [way, hand] of Object.entries(ways)) {
            const error = (yield* hand(stream, value())) as {
              readonly _tag: string
              readonly message: string
            }
            assert.strictEqual(error._tag, "InvalidArgument", way)
            assert.notInclude(error.message, "secret")
          }
          const ack = yield* stream.ingestRecord(A.record(1))
          assert.strictEqual(yield* ack.await, 1)
          assert.deepStrictEqual(server.records, [A.record(0), A.record(1)])
          assert.deepStrictEqual(reported.uncaught, [])
        }).pipe(Effect.scoped)
      )
    )
  }
})

describe("a batch that throws when it is read", () => {
  const batches: Readonly<Record<string, () => ReadonlyArray<string>>> = {
    "its length": () =>
      new Proxy([A.record(1)], {
        get: (from, key) => (key === "length" ? broken() : Reflect.get(from, key))
      }),
    "its first element": () =>
      Object.defineProperty([A.record(1), A.record(2)], 0, { get: broken }),
    "its last element": () => Object.defineProperty([A.record(1), A.record(2)], 1, { get: broken })
  }
  for (const [what, batch] of Object.entries(batches)) {
    it.live(`(${what}) takes nothing, and the stream goes on`, () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({})
        assert.isTrue(Exit.isFailure(yield* Effect.exit(stream.ingestRecords(batch()))))
        const ack = yield* stream.ingestRecord(A.record(3))
        assert.strictEqual(yield* ack.await, 0)
        assert.deepStrictEqual(server.records, [A.record(3)])
      }).pipe(Effect.scoped)
    )
  }

  it.live("only in its iterator is read by index", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({})
      const batch = Object.defineProperty([A.record(1), A.record(2)], Symbol.iterator, {
        value: broken
      })
      yield* (yield* stream.ingestRecords(batch))!.await
      assert.deepStrictEqual(server.records, [A.record(1), A.record(2)])
    }).pipe(Effect.scoped)
  )
})

/** A schema of the program that throws in one direction for the number 13. */
const throwing = (direction: "encode" | "decode") => {
  const pass = (throws: boolean) =>
    SchemaGetter.transform((n: number) => (throws && n === 13 ? broken() : n))
  return Schema.Struct({
    n: Schema.Number.pipe(
      Schema.decodeTo(Schema.Number, {
        decode: pass(direction === "decode"),
        encode: pass(direction === "encode")
      })
    )
  })
}

describe("a schema that throws", () => {
  it.live("when it encodes fails only that call", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      const stream = yield* zerobus.createStream(
        TableProperties.json("main.default.t", throwing("encode")),
        {}
      )
      assert.isTrue(Exit.isFailure(yield* Effect.exit(stream.ingestRecord({ n: 13 }))))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(stream.ingestRecords([{ n: 1 }, { n: 13 }]))))
      yield* (yield* stream.ingestRecord({ n: 1 })).await
      assert.deepStrictEqual(server.records, [A.record(1)])
    }).pipe(Effect.scoped)
  )

  it.live(
    "when it decodes still gives the payload of a refused record to onRefused, and of a left " +
      "one to onUnacked",
    () =>
      Effect.gen(function* () {
        const stored: Array<string> = []
        const checking: Script = {
          onMessage: (connection, { records, wireOffset }) => {
            if (connection.over) return
            if (records.some((text) => text === A.record(13)))
              return connection.fail(code.INVALID_ARGUMENT)
            stored.push(...records)
            connection.ack(wireOffset)
          }
        }
        const { zerobus } = yield* A.client(checking)
        const refused: Array<Refused<{ readonly n: number }>> = []
        const stream = yield* zerobus.createStream(
          TableProperties.json("main.default.t", throwing("decode")),
          {
            recoveryBackoff: 0,
            onRefused: (one) => Effect.sync(() => refused.push(one))
          }
        )
        for (const n of [1, 13, 2]) yield* stream.ingestRecord({ n })
        yield* stream.flush
        assert.deepStrictEqual([refused.length, refused[0]!.records], [1, []])
        assert.strictEqual(Buffer.from(refused[0]!.payloads[0]!).toString(), A.record(13))
        assert.deepStrictEqual(stored, [A.record(1), A.record(2)])

        const { zerobus: silent } = yield* A.client(A.silent)
        const left: Array<Unacked<{ readonly n: number }>> = []
        const scope = yield* Scope.make()
        const other = yield* Scope.provide(
          silent.createStream(TableProperties.json("main.default.t", throwing("decode")), {
            scopeCloseTimeout: 0,
            drainTimeout: 0,
            onUnacked: (one) => Effect.sync(() => left.push(one))
          }),
          scope
        )
        for (const n of [1, 13]) yield* other.ingestRecord({ n })
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(left[0]!.records, [{ n: 1 }])
        assert.deepStrictEqual(
          left[0]!.unreadable.map((bytes) => Buffer.from(bytes).toString()),
          [A.record(13)]
        )
      }).pipe(Effect.scoped)
  )
})

describe("an invalid handler", () => {
  const handlers: Readonly<Record<string, () => Effect.Effect<void, unknown>>> = {
    "throws": broken,
    "gives nothing": () => undefined as never,
    "gives a promise": () => Promise.reject(new Error("secret")).catch(() => {}) as never,
    "throws in the middle": () => Effect.map(Effect.void, broken),
    "interrupts itself": () => Effect.interrupt,
    "throws in an observer of its fiber": () =>
      Effect.withFiber((fiber) => {
        fiber.addObserver((): void => broken())
        return Effect.die("secret")
      })
  }
  for (const [how, handler] of Object.entries(handlers)) {
    it.live(`(onRefused ${how}) ends the stream with the server's cause, everything readable`, () =>
      collected(() =>
        Effect.gen(function* () {
          const { stream } = yield* A.open(
            { recoveryBackoff: 0, onRefused: handler as never },
            {
              onMessage: (connection) =>
                void (connection.over || connection.fail(code.INVALID_ARGUMENT))
            }
          )
          const ack = yield* stream.ingestRecord(A.record(0))
          assert.strictEqual(A.tagged(yield* Effect.flip(ack.await), "InvalidArgument").offset, 0)
          assert.deepStrictEqual(yield* stream.getUnackedRecords, [A.record(0)])
        }).pipe(Effect.scoped)
      )
    )

    it.live(`(onUnacked ${how}) does not keep a scope from closing`, () =>
      collected(() =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const { server, stream } = yield* Scope.provide(
            A.open(
              { scopeCloseTimeout: 0, drainTimeout: 0, onUnacked: handler as never },
              A.silent
            ),
            scope
          )
          yield* stream.ingestRecord(A.record(0))
          yield* Scope.close(scope, Exit.void)
          assert.isTrue(server.last.over)
        }).pipe(Effect.scoped)
      )
    )

    it.live(`(beforeOpen ${how}) opens no stream, and the client goes on`, () =>
      collected(() =>
        Effect.gen(function* () {
          const { zerobus } = yield* A.client()
          const exit = yield* Effect.exit(
            zerobus.createStream(A.table, { beforeOpen: Effect.suspend(handler) as never })
          )
          assert.isTrue(Exit.isFailure(exit))
          const stream = yield* zerobus.createStream(A.table)
          yield* (yield* stream.ingestRecord(A.record(0))).await
        }).pipe(Effect.scoped)
      )
    )
  }
})
