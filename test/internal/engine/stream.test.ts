/**
 * What the public stream adds to its engine: checks before opening, the end of its scope, its
 * Streams and its Sink.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, Option, Schedule, Scope, Stream } from "effect"
import {
  type HeaderRecord,
  HeadersProvider,
  Offset,
  TableProperties,
  type Unacked,
  Zerobus
} from "effect-zerobus"
import * as MemoryTransport from "../../../src/testing/MemoryTransport.ts"
import { Transport } from "../../../src/Transport.ts"
import * as A from "../../support/acceptance.ts"
import { reporting } from "../../support/reports.ts"
import { code, response, ScriptedServer } from "../../support/scriptedServer.ts"

const single = { batching: "off", recoverySchedule: Schedule.spaced(10) } as const
const defectOf = (exit: Exit.Exit<unknown, unknown> | undefined): unknown =>
  exit !== undefined && Exit.isFailure(exit)
    ? exit.cause.reasons.find(Cause.isDieReason)?.defect
    : undefined

describe("before a stream opens", () => {
  it.effect("its table is checked, and the error names the problem", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      const refused = (table: TableProperties.TableProperties<any>) =>
        Effect.map(Effect.flip(zerobus.createStream(table)), (error) => {
          const { message, path } = A.tagged(error, "InvalidArgument")
          return [path.join("."), message] as const
        })
      const json = TableProperties.json("main.default.t")
      const [typePath, typeMessage] = yield* refused({ ...json, recordType: "xml" as never })
      assert.deepStrictEqual(
        [typePath, typeMessage.includes("must be json, proto, avro or arrow")],
        ["recordType", true]
      )
      const [arrowPath, arrowMessage] = yield* refused({ ...json, recordType: "arrow" })
      assert.deepStrictEqual(
        [arrowPath, arrowMessage.includes("Use ArrowTable.make")],
        ["recordType", true]
      )
      const [avroPath, avroMessage] = yield* refused({ ...json, recordType: "avro" })
      assert.deepStrictEqual(
        [avroPath, avroMessage.includes("Make it with AvroTable.make")],
        ["recordType", true]
      )
      for (const descriptor of [undefined, new Uint8Array()]) {
        const [path, message] = yield* refused({ ...A.protoTable, descriptor })
        assert.deepStrictEqual(
          [path, message.includes("main.default.blobs takes protobuf records")],
          ["descriptor", true]
        )
      }
      for (const table of [json, A.protoTable]) {
        const [path, message] = yield* refused({ ...table, descriptor: Uint8Array.of(0xff, 0xff) })
        assert.deepStrictEqual(
          [path, message.includes("not a protobuf message")],
          ["descriptor", true]
        )
      }
      assert.strictEqual(server.connections.length, 0)
      const stream = yield* zerobus.createStream(
        { ...json, descriptor: A.descriptor },
        { scopeCloseTimeout: 0 }
      )
      yield* stream.close
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect("a value that is not a table is refused", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({})
      for (const none of [undefined, null, 5, "main.default.t"]) {
        const error = A.tagged(
          yield* Effect.flip(zerobus.createStream(none as never)),
          "InvalidArgument"
        )
        assert.deepStrictEqual(error.path, ["table"])
      }
    })
  )

  it.effect("its failure leaves nothing in the caller's scope", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client(A.refusing(code.NOT_FOUND), {})
      const scope = yield* Scope.make()
      yield* Effect.flip(zerobus.createStream(A.table).pipe(Scope.provide(scope)))
      assert.strictEqual(scope.state._tag, "Empty")
      assert.strictEqual(server.connections.length, 1)
      yield* Scope.close(scope, Exit.void)
    })
  )
})

describe("a defect while a stream is open", () => {
  it.effect("reaches all waiters, and further records are refused", () =>
    Effect.gen(function* () {
      const server = new ScriptedServer([A.silent])
      let opened = 0
      const broken = Layer.effect(
        Transport,
        Effect.map(Transport, (transport) => ({
          open: (headers: HeaderRecord) =>
            opened++ === 0 ? transport.open(headers) : Effect.die("a defect")
        }))
      ).pipe(Layer.provide(MemoryTransport.layer(server.serve)))
      const context = yield* Layer.build(
        Zerobus.layerNoDeps.pipe(
          Layer.provide([broken, Layer.succeed(HeadersProvider, new A.CountingProvider().shape)])
        )
      )
      const zerobus = Context.get(context, Zerobus)
      const stream = yield* zerobus.createStream(A.table, {
        ...single,
        scopeCloseTimeout: 0,
        onUnacked: () => Effect.void
      })
      const ack = yield* stream.ingestRecord(A.record(0))
      const waiting = yield* A.started(ack.await)
      const flushing = yield* A.started(stream.flush)
      const reading = yield* A.started(Stream.runDrain(stream.durableOffsets))
      server.last.cut()
      yield* A.advance(10)
      assert.deepStrictEqual(
        [waiting, flushing, reading].map((one) => defectOf(one.exit())),
        ["a defect", "a defect", "a defect"]
      )
      A.tagged(yield* Effect.flip(stream.ingestRecord(A.record(1))), "StreamClosed")
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [A.record(0)])
      // Opening another stream does not hang either.
      const exit = yield* Effect.exit(zerobus.createStream(A.table))
      assert.strictEqual(defectOf(exit), "a defect")
    })
  )
})

describe("waiting for an offset", () => {
  it.effect("is for those that were given out", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open(single)
      yield* stream.ingestRecord(A.record(0))
      assert.strictEqual(yield* stream.waitForOffset(Offset(0)), 0)
      for (const offset of [1, -1, 0.5, NaN, Infinity]) {
        const error = A.tagged(
          yield* Effect.flip(stream.waitForOffset(offset as Offset)),
          "InvalidArgument"
        )
        assert.deepStrictEqual(error.path, ["offset"])
        assert.include(error.message, `not given out offset ${offset} yet`)
      }
    })
  )
})

describe("what is unacknowledged", () => {
  it.effect("can be read when the stream has ended, again and again, flat and in groups", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ recovery: false }, A.silent)
      yield* stream.ingestRecord(A.record(0))
      yield* stream.ingestRecord(A.record(1))
      yield* stream.ingestRecords(A.recordsFrom(2, 2))
      for (const error of [
        yield* Effect.flip(stream.getUnackedRecords),
        yield* Effect.flip(stream.getUnackedBatches)
      ]) {
        assert.strictEqual(error._tag, "InvalidState")
        assert.include(error.message, "still active")
      }
      yield* A.settle
      server.last.cut()
      yield* A.settle
      for (let n = 0; n < 2; n++) {
        assert.deepStrictEqual(yield* stream.getUnackedRecords, A.recordsFrom(0, 4))
        assert.deepStrictEqual(yield* stream.getUnackedBatches, [
          [A.record(0)],
          [A.record(1)],
          A.recordsFrom(2, 2)
        ])
      }
    })
  )

  it.effect("is taken over once, by a stream made here", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client(A.silent, A.refusing(code.NOT_FOUND), {})
      const stream = yield* zerobus.createStream(A.table, {
        ...single,
        recovery: false,
        scopeCloseTimeout: 0
      })
      yield* stream.ingestRecord(A.record(0))
      const refused = (which: typeof stream) =>
        Effect.map(
          Effect.flip(zerobus.recreateStream(which)),
          (error) => A.tagged(error, "InvalidState").message
        )
      assert.include(yield* refused({ ...stream }), "Only streams of createStream")
      assert.include(yield* refused(stream), "still active")
      yield* A.settle
      server.last.cut()
      yield* A.settle
      // A recreate that fails to open can be repeated; one that opened cannot.
      A.tagged(yield* Effect.flip(zerobus.recreateStream(stream)), "InvalidTable")
      const next = yield* zerobus.recreateStream(stream)
      yield* next.flush
      assert.deepStrictEqual(server.last.records, [A.record(0)])
      assert.include(yield* refused(stream), "recreated already")
    })
  )
})

describe("the end of a stream's scope", () => {
  /**
   * Opens a stream whose server is silent, ingests two records and a batch, and closes its scope.
   */
  const ending = (
    options: Parameters<typeof A.open>[0],
    first: (
      stream: Effect.Success<ReturnType<typeof A.open>>["stream"]
    ) => Effect.Effect<unknown> = () => Effect.void
  ) =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client(A.silent)
      const scope = yield* Scope.make()
      const stream = yield* zerobus
        .createStream(A.table, { ...single, ...options })
        .pipe(Scope.provide(scope))
      yield* stream.ingestRecord(A.record(0))
      yield* stream.ingestRecords(A.recordsFrom(1, 2))
      yield* A.settle
      yield* first(stream)
      return { server, stream, closing: yield* A.started(Scope.close(scope, Exit.void)) }
    })

  it.effect("passes unacknowledged records on, with the reached limit as the cause", () =>
    Effect.gen(function* () {
      const given: Array<Unacked<any>> = []
      const { closing } = yield* ending({
        scopeCloseTimeout: 100,
        drainTimeout: 0,
        onUnacked: (unacked) => Effect.sync(() => void given.push(unacked))
      })
      yield* A.advance(99)
      assert.isFalse(closing.done())
      yield* A.advance(1)
      assert.isTrue(closing.done())
      const [unacked, ...more] = given
      assert.strictEqual(more.length, 0)
      assert.deepStrictEqual(
        [unacked?.tableName, unacked?.streamId],
        [A.table.tableName, "session-0"]
      )
      assert.deepStrictEqual(unacked?.records, A.recordsFrom(0, 3))
      const cause = A.tagged(unacked!.cause, "FlushTimeout")
      assert.deepStrictEqual(
        [cause.operation, cause.timeoutMillis, cause.pending],
        ["close", 100, 2]
      )
    })
  )

  it.effect(
    "hands on what is left of a failed stream, with its failure, and of a closed one that " +
      "nothing read",
    () =>
      Effect.gen(function* () {
        const causes: Array<readonly [string, string | undefined]> = []
        const note = {
          scopeCloseTimeout: 100,
          onUnacked: ({ cause }: Unacked<any>) =>
            Effect.sync(
              () =>
                void causes.push([cause._tag, "operation" in cause ? cause.operation : undefined])
            )
        }
        const failed = yield* ending({ ...note, recovery: false }, () => Effect.void)
        failed.server.last.fail(code.NOT_FOUND)
        yield* A.settle
        assert.deepStrictEqual(
          [failed.closing.done(), causes.splice(0)],
          [true, [["InvalidTable", undefined]]]
        )
        const closed = yield* ending({ ...note, flushTimeout: 50, drainTimeout: 0 }, (stream) =>
          Effect.gen(function* () {
            const close = yield* Effect.forkChild(Effect.exit(stream.close), {
              startImmediately: true
            })
            yield* A.advance(50)
            assert.isDefined(close.pollUnsafe())
          })
        )
        assert.deepStrictEqual(
          [closed.closing.done(), causes.splice(0)],
          [true, [["FlushTimeout", "close"]]]
        )
      })
  )

  it.effect("passes on no records that were read", () =>
    Effect.gen(function* () {
      const given: Array<Unacked<any>> = []
      for (const read of ["getUnackedRecords", "getUnackedBatches"] as const) {
        const { closing } = yield* ending(
          {
            flushTimeout: 50,
            drainTimeout: 0,
            onUnacked: (unacked) => Effect.sync(() => void given.push(unacked))
          },
          (stream) =>
            Effect.gen(function* () {
              const close = yield* Effect.forkChild(Effect.exit(stream.close), {
                startImmediately: true
              })
              yield* A.advance(50)
              assert.isDefined(close.pollUnsafe())
              yield* Effect.orDie(Effect.asVoid<unknown, unknown, never>(stream[read]))
            })
        )
        assert.isTrue(closing.done())
      }
      assert.deepStrictEqual(given, [])
    })
  )

  it.effect("logs a count when there is no handler", () =>
    reporting((reports) =>
      Effect.gen(function* () {
        const { closing } = yield* ending({ scopeCloseTimeout: 0 })
        yield* A.settle
        assert.isTrue(closing.done())
        const [line] = reports.linesOf(
          "A stream ended with unacknowledged records that nothing read"
        )
        const { cause, ...details } = (line?.details ?? {}) as Record<string, unknown>
        assert.strictEqual(line?.level, "Warn")
        assert.deepStrictEqual(details, {
          table: A.table.tableName,
          streamId: "session-0",
          records: 3
        })
        assert.include(String(cause), "close")
      })
    )
  )

  it.effect("gives a handler five seconds, and logs when it was too slow or failed", () =>
    reporting((reports) =>
      Effect.gen(function* () {
        const slow = "The onUnacked handler took too long and was interrupted"
        const short = yield* ending({ scopeCloseTimeout: 0, onUnacked: () => Effect.never })
        yield* A.advance(4999)
        assert.isFalse(short.closing.done())
        yield* A.advance(1)
        assert.isTrue(short.closing.done())
        assert.deepStrictEqual(
          reports.linesOf(slow).map(({ details, level }) => [level, details]),
          [["Warn", { limitMillis: 5000 }]]
        )
        // The total is 5 seconds more than the flush.
        const long = yield* ending({
          scopeCloseTimeout: 6000,
          drainTimeout: 0,
          onUnacked: () => Effect.never
        })
        yield* A.advance(10_999, 500)
        assert.isFalse(long.closing.done())
        yield* A.advance(1)
        assert.isTrue(long.closing.done())
        assert.deepStrictEqual(reports.linesOf(slow)[1]?.details, { limitMillis: 5000 })
        const broken = yield* ending({ scopeCloseTimeout: 0, onUnacked: () => Effect.die("a bug") })
        assert.isTrue(broken.closing.done())
        assert.deepStrictEqual(
          reports
            .linesOf("The onUnacked handler failed")
            .map(({ details, level }) => [level, details]),
          [["Warn", { kinds: ["Die"] }]]
        )
        assert.strictEqual(reports.linesOf(slow).length, 2)
      })
    )
  )

  it.effect("logs nothing when everything is acknowledged", () =>
    reporting((reports) =>
      Effect.gen(function* () {
        const { zerobus } = yield* A.client()
        const scope = yield* Scope.make()
        const given: Array<Unacked<any>> = []
        const stream = yield* zerobus
          .createStream(A.table, {
            ...single,
            onUnacked: (unacked) => Effect.sync(() => void given.push(unacked))
          })
          .pipe(Scope.provide(scope))
        yield* stream.ingestRecord(A.record(0))
        const closing = yield* A.started(Scope.close(scope, Exit.void))
        assert.isTrue(closing.done())
        // It ended without a failure, so closing it again succeeds too.
        yield* stream.close
        assert.deepStrictEqual(given, [])
        assert.deepStrictEqual(
          reports.lines.filter(({ level }) => level !== "Debug").map(({ text }) => text),
          []
        )
      })
    )
  )
})

describe("durable offsets", () => {
  it.effect("end with an orderly close, and fail with the stream", () =>
    Effect.gen(function* () {
      const closed = yield* A.open(single)
      const all = yield* A.started(Stream.runCollect(closed.stream.durableOffsets))
      yield* closed.stream.ingestRecord(A.record(0))
      yield* closed.stream.flush
      yield* A.settle
      yield* closed.stream.close
      yield* A.settle
      assert.deepStrictEqual([...all.value()], [Offset(0)])
      const failed = yield* A.open(single, A.silent)
      const none = yield* A.started(Stream.runCollect(failed.stream.durableOffsets))
      yield* failed.stream.ingestRecord(A.record(0))
      yield* A.settle
      failed.server.last.send(response.garbage())
      yield* A.settle
      A.tagged(none.error(), "ProtocolViolation")
    })
  )
})

describe("a stream as a sink", () => {
  it.effect("counts what it took itself, and ends when all of it is durable", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent)
      yield* stream.ingestRecord(A.record(0))
      const before = yield* A.started(
        Stream.run(Stream.fromIterable(A.recordsFrom(1, 3)), stream.toSink)
      )
      assert.isFalse(before.done())
      server.last.ack(3)
      yield* A.settle
      const size = (text: string) => 32 + 2 + text.length
      const bytes = A.recordsFrom(1, 3).reduce((sum, text) => sum + size(text), 0)
      assert.deepStrictEqual(before.value(), { records: 3, refused: 0, bytes, lastOffset: 3 })
    })
  )

  it.effect("waits for nothing when it took nothing", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open(single, A.silent)
      yield* stream.ingestRecord(A.record(0))
      const nothing = yield* A.started(Stream.run(Stream.empty, stream.toSink))
      assert.deepStrictEqual(nothing.value(), { records: 0, refused: 0, bytes: 0, lastOffset: -1 })
    })
  )
})

describe("a closed stream", () => {
  it.effect("returns the result of its close again, and its flush fails as closed", () =>
    Effect.gen(function* () {
      const { provider, stream } = yield* A.open(single)
      const ack = yield* stream.ingestRecord(A.record(0))
      yield* stream.close
      yield* stream.close
      const error = A.tagged(yield* Effect.flip(stream.flush), "StreamClosed")
      assert.deepStrictEqual([error.operation, error.isRetryable], ["flush", false])
      assert.strictEqual(yield* ack.await, 0)
      assert.isTrue(Option.isSome(yield* ack.poll))
      assert.strictEqual(provider.asked, 1)
      assert.strictEqual(yield* stream.sessionId, "session-0")
    })
  )

  it.effect("used only the credentials that were given to it", () =>
    Effect.gen(function* () {
      const { provider, server, stream } = yield* A.open({
        ...single,
        headersProvider: HeadersProvider.make({
          getHeaders: Effect.succeed({ authorization: "Bearer own" })
        })
      })
      yield* stream.close
      assert.strictEqual(provider.asked, 0)
      assert.strictEqual(server.last.headers["authorization"], "Bearer own")
    })
  )
})
