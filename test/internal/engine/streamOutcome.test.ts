/**
 * The errors of `withStream` and `sink`, whose caller has no stream any more.
 */
import { assert, describe, it } from "@effect/vitest"
import { type Cause, Data, Deferred, Effect, Exit, Queue, Stream } from "effect"
import type {
  StreamConfigurationOptions,
  Unacked,
  ZerobusError,
  ZerobusStream
} from "effect-zerobus"
import * as A from "../../support/acceptance.ts"
import { code, type Script } from "../../support/scriptedServer.ts"

const quick = {
  batching: "off",
  recovery: false,
  flushTimeout: 50,
  drainTimeout: 0,
  scopeCloseTimeout: 20
} as const

/** A client, and a handler that records its arguments. */
const handing = (...scripts: ReadonlyArray<Script>) =>
  Effect.map(A.client(...scripts), (client) => {
    const given: Array<ReadonlyArray<unknown>> = []
    const onUnacked = ({ records }: Unacked<any>) => Effect.sync(() => void given.push(records))
    const options: StreamConfigurationOptions<any> = { ...quick, onUnacked }
    return { ...client, given, options }
  })

/** The error of a call that has ended. */
const errorOf = (call: A.Running<unknown, unknown>) =>
  call.error() as ZerobusError & { readonly unacknowledged?: number }

describe("a sink with its own stream", () => {
  it.effect(
    "that reaches its limit says how many records are left and who has them, not to call again",
    () =>
      Effect.gen(function* () {
        const { given, options, zerobus } = yield* handing(A.silent)
        const call = yield* A.started(
          Stream.run(Stream.fromIterable(A.recordsFrom(0, 2)), zerobus.sink(A.table, options))
        )
        yield* A.advance(100)
        const error = errorOf(call)
        assert.deepStrictEqual([error._tag, error.unacknowledged], ["FlushTimeout", 2])
        assert.strictEqual(
          error.message,
          "flush reached its limit of 50 ms with 2 offsets not yet durable. 2 records were not " +
            "acknowledged when the stream ended. " +
            "The option onUnacked received the unacknowledged records."
        )
        assert.deepStrictEqual(given, [A.recordsFrom(0, 2)])
      })
  )

  it.effect("counts what became durable while its stream closed", () =>
    Effect.gen(function* () {
      const { given, options, server, zerobus } = yield* handing(A.silent)
      const call = yield* A.started(
        Stream.run(Stream.fromIterable(A.recordsFrom(0, 2)), zerobus.sink(A.table, options))
      )
      yield* A.advance(50)
      assert.isFalse(call.done())
      server.last.ack(1)
      yield* A.settle
      const error = errorOf(call)
      assert.deepStrictEqual([error._tag, error.unacknowledged], ["FlushTimeout", 0])
      assert.include(error.message, "All records that the stream took are durable.")
      assert.deepStrictEqual(given, [])
    })
  )

  it.effect(
    "whose stream failed gives the failure itself, also when it was ingesting by then",
    () =>
      Effect.gen(function* () {
        for (const waits of [true, false]) {
          const { options, server, zerobus } = yield* handing(A.silent)
          const records = yield* Queue.unbounded<string, Cause.Done>()
          const call = yield* A.started(
            Stream.run(Stream.fromQueue(records), zerobus.sink(A.table, options))
          )
          for (const text of A.recordsFrom(0, 3)) yield* Queue.offer(records, text)
          if (waits) yield* Queue.end(records)
          yield* A.settle
          server.last.ack(0)
          server.last.fail(code.PERMISSION_DENIED, "the grant was revoked")
          yield* A.settle
          yield* Queue.offer(records, A.record(3))
          yield* A.settle
          const error = errorOf(call)
          assert.deepStrictEqual([error._tag, error.unacknowledged], ["PermissionDenied", 2])
          assert.include(
            error.message,
            "the grant was revoked. 2 records were not acknowledged when the stream ended."
          )
          assert.isFalse(error.isRetryable)
        }
      })
  )

  it.effect("that refuses a record keeps the path, and reports the other records", () =>
    Effect.gen(function* () {
      const { options, zerobus } = yield* handing()
      const records = [A.record(0), "[1]", A.record(2)]
      const call = yield* A.started(
        Stream.run(Stream.fromIterable(records), zerobus.sink(A.table, options))
      )
      yield* A.advance(100)
      const error = errorOf(call)
      assert.deepStrictEqual([error._tag, error.unacknowledged], ["InvalidArgument", 0])
      assert.include(
        error.message,
        "it must start with '{'. All records that the stream took are durable."
      )
    })
  )

  it.effect("that does not open, or whose source fails, fails with just that", () =>
    Effect.gen(function* () {
      const refused = yield* handing(A.refusing(code.NOT_FOUND))
      const call = yield* A.started(
        Stream.run(Stream.make(A.record(0)), refused.zerobus.sink(A.table, refused.options))
      )
      assert.deepStrictEqual(
        [errorOf(call)._tag, errorOf(call).unacknowledged],
        ["InvalidTable", undefined]
      )
      const { options, zerobus } = yield* handing()
      const source = Stream.concat(Stream.make(A.record(0)), Stream.fail("the source's"))
      const exit = yield* Effect.exit(Stream.run(source, zerobus.sink(A.table, options)))
      assert.strictEqual(A.failureOf(exit), "the source's")
    })
  )
})

describe("withStream", () => {
  class Mine extends Data.TaggedError("Mine")<{ readonly cause?: unknown }> {}

  /**
   * Runs `use` with a stream whose server acknowledges nothing and ends the stream when `fail`
   * completes.
   */
  const running = <E>(
    use: (stream: ZerobusStream<any>) => Effect.Effect<unknown, E>,
    more: StreamConfigurationOptions<any> = {}
  ) =>
    Effect.gen(function* () {
      const { given, options, server, zerobus } = yield* handing(A.silent)
      const call = yield* A.started(zerobus.withStream(A.table, { ...options, ...more }, use))
      return { call, given, server }
    })
  const three = (stream: ZerobusStream<any>) =>
    Effect.forEach(A.recordsFrom(0, 3), stream.ingestRecord)

  it.effect("fails with the cause that ended its stream, not with StreamClosed", () =>
    Effect.gen(function* () {
      const go = Deferred.makeUnsafe<void>()
      const { call, given, server } = yield* running((stream) =>
        Effect.andThen(three(stream), Effect.andThen(Deferred.await(go), three(stream)))
      )
      server.last.fail(code.FAILED_PRECONDITION, "no")
      yield* A.settle
      Deferred.doneUnsafe(go, Exit.void)
      yield* A.settle
      const error = errorOf(call)
      assert.deepStrictEqual([error._tag, error.unacknowledged], ["InvalidArgument", 3])
      assert.include(error.message, "The option onUnacked received the unacknowledged records.")
      assert.deepStrictEqual(given, [A.recordsFrom(0, 3)])
    })
  )

  it.effect("names the place of the records when a close or a flush reached its limit", () =>
    Effect.gen(function* () {
      for (const [operation, use] of [
        ["close", three],
        ["flush", (stream: ZerobusStream<any>) => Effect.andThen(three(stream), stream.flush)]
      ] as const) {
        const { call } = yield* running<unknown>(use, { onUnacked: undefined })
        yield* A.advance(100)
        const error = errorOf(call)
        assert.deepStrictEqual([error._tag, error.unacknowledged], ["FlushTimeout", 3])
        assert.isTrue(error.message.startsWith(`${operation} reached its limit`))
        assert.include(error.message, "Set the option onUnacked to get such records")
        assert.notMatch(error.message, /call it again|getUnackedRecords|recreateStream/)
      }
    })
  )

  it.effect("does not claim that onUnacked got records that the program read", () =>
    Effect.gen(function* () {
      const { call, given } = yield* running((stream) =>
        Effect.andThen(
          three(stream),
          Effect.catch(stream.close, (error) =>
            Effect.andThen(stream.getUnackedRecords, Effect.fail(error))
          )
        )
      )
      yield* A.advance(100)
      assert.include(
        errorOf(call).message,
        "3 records were not acknowledged when the stream ended. Unacknowledged records were read"
      )
      assert.deepStrictEqual(given, [])
    })
  )

  it.effect("leaves the program's own errors and those of other streams as they are", () =>
    Effect.gen(function* () {
      const other = yield* A.open({ ...quick, flushTimeout: 10, scopeCloseTimeout: 0 }, A.silent)
      yield* other.stream.ingestRecord(A.record(0))
      const { call } = yield* running(() => other.stream.flush)
      yield* A.advance(100)
      assert.strictEqual(errorOf(call)._tag, "FlushTimeout")
      assert.isUndefined(errorOf(call).unacknowledged)
      assert.include(errorOf(call).message, "call it again")
      const mine = new Mine({})
      const { call: failing } = yield* running(() => Effect.fail(mine))
      yield* A.advance(100)
      assert.strictEqual(failing.error(), mine)
    })
  )

  it.effect(
    "leaves the program's own errors as they are, whatever they are, when its stream has failed " +
      "as well",
    () =>
      Effect.gen(function* () {
        for (const own of [
          new Mine({}),
          new Mine({ cause: "other" }),
          "a text",
          null,
          undefined,
          7,
          () => "no"
        ]) {
          const go = Deferred.makeUnsafe<void>()
          const { call, server } = yield* running((stream) =>
            Effect.andThen(three(stream), Effect.andThen(Deferred.await(go), Effect.fail(own)))
          )
          server.last.fail(code.FAILED_PRECONDITION, "no")
          yield* A.settle
          Deferred.doneUnsafe(go, Exit.void)
          yield* A.settle
          assert.strictEqual(call.error(), own)
        }
      })
  )

  it.effect("speaks of one record, and of none when the stream took none", () =>
    Effect.gen(function* () {
      for (const [count, said] of [
        [
          1,
          /One record was not acknowledged .* ended\. The option onUnacked received .* records\.$/
        ],
        [0, /no\.$/]
      ] as const) {
        const { call, server } = yield* running((stream) =>
          Effect.andThen(
            Effect.forEach(A.recordsFrom(0, count), stream.ingestRecord),
            stream.flush
          ).pipe(
            Effect.andThen(Effect.never),
            Effect.raceFirst(Effect.ignore(Stream.runDrain(stream.durableOffsets))),
            Effect.andThen(stream.flush)
          )
        )
        server.last.fail(code.FAILED_PRECONDITION, "is that so? no")
        yield* A.settle
        assert.match(errorOf(call).message, said)
      }
    })
  )

  it.effect("gives the result of its program when all went well", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* handing()
      const result = yield* zerobus.withStream(A.table, (stream) =>
        Effect.as(three(stream), "done")
      )
      assert.strictEqual(result, "done")
    })
  )
})

describe("an error of the program in withStream", () => {
  class Mine extends Data.TaggedError("Mine")<{
    readonly cause: unknown
    readonly order: number
  }> {}
  it.effect("stays what it is, also with what ended the stream as its cause", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({
        onMessage: (connection) => connection.fail(code.FAILED_PRECONDITION)
      })
      const error = yield* Effect.flip(
        zerobus.withStream(A.table, { ...quick, onUnacked: () => Effect.void }, (stream) =>
          Effect.gen(function* () {
            const ack = yield* stream.ingestRecord(A.record(0))
            yield* Effect.mapError(ack.await, (cause) => new Mine({ cause, order: 7 }))
          })
        )
      )
      assert.strictEqual(error._tag, "Mine")
    })
  )
})
