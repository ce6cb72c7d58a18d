/**
 * How long a stream keeps its resources and its place in the caller's scope, and what it logs at
 * its end.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Schedule, Scope, Stream } from "effect"
import type { TableProperties, Unacked } from "effect-zerobus"
import * as A from "../../support/acceptance.ts"
import { reporting } from "../../support/reports.ts"
import { code, type Script } from "../../support/scriptedServer.ts"

const single = { batching: "off", recoverySchedule: Schedule.spaced(10) } as const

/** How many finalizers a scope holds. Objects that they reference live as long as the scope. */
const held = (scope: Scope.Scope): number => {
  const { state } = scope
  if (state._tag !== "Open") return 0
  return state.finalizer === undefined ? (state.finalizers?.size ?? 0) : 1
}

/** A stream with three records that no server acknowledges, in a scope that outlives it. */
const stranded = (options: Parameters<typeof A.open>[0] = {}, ...scripts: ReadonlyArray<Script>) =>
  Effect.gen(function* () {
    const { server, zerobus } = yield* A.client(A.silent, ...scripts)
    const scope = yield* Scope.make()
    const given: Array<Unacked<any>> = []
    const onUnacked = (unacked: Unacked<any>) => Effect.sync(() => void given.push(unacked))
    const stream = yield* zerobus
      .createStream(A.table, {
        ...single,
        drainTimeout: 0,
        scopeCloseTimeout: 0,
        onUnacked,
        ...options
      })
      .pipe(Scope.provide(scope))
    for (const text of A.recordsFrom(0, 3)) yield* stream.ingestRecord(text)
    yield* A.settle
    return { server, zerobus, scope, given, stream }
  })

describe("a long scope", () => {
  it.effect("holds nothing of a stream that was closed and read", () =>
    Effect.gen(function* () {
      for (const read of ["getUnackedRecords", "getUnackedBatches"] as const) {
        const { given, scope, stream } = yield* stranded({ flushTimeout: 50 })
        assert.strictEqual(held(scope), 1)
        const closing = yield* A.started(stream.close)
        yield* A.advance(50)
        A.tagged(closing.error(), "FlushTimeout")
        // Records that were not read are for `onUnacked`, so the finalizer stays.
        assert.strictEqual(held(scope), 1)
        assert.strictEqual((yield* stream[read]).length, 3)
        assert.strictEqual(held(scope), 0)
        assert.strictEqual((yield* stream[read]).length, 3)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(given, [])
      }
    })
  )

  it.effect("holds a failed stream until its records were read, or taken over, or handed on", () =>
    Effect.gen(function* () {
      const failed = Effect.gen(function* () {
        const all = yield* stranded({ recovery: false }, {})
        all.server.last.fail(code.NOT_FOUND)
        yield* A.settle
        assert.strictEqual(held(all.scope), 1)
        return all
      })
      const read = yield* failed
      yield* read.stream.getUnackedRecords
      assert.strictEqual(held(read.scope), 0)

      const taken = yield* failed
      const scope = yield* Scope.make()
      const next = yield* taken.zerobus.recreateStream(taken.stream).pipe(Scope.provide(scope))
      assert.deepStrictEqual([held(taken.scope), held(scope)], [0, 1])
      yield* next.close
      assert.strictEqual(held(scope), 0)

      const unread = yield* failed
      yield* Scope.close(unread.scope, Exit.void)
      assert.deepStrictEqual(
        unread.given.map(({ cause, records }) => [cause._tag, records.length]),
        [["InvalidTable", 3]]
      )
    })
  )

  it.effect("holds nothing of a failed stream with nothing left", () =>
    Effect.gen(function* () {
      const { scope, server, stream } = yield* stranded({ recovery: false })
      server.last.ack(2)
      yield* stream.flush
      server.last.fail(code.NOT_FOUND)
      yield* A.settle
      assert.strictEqual(held(scope), 0)
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [])
    })
  )

  it.effect("closes although the onUnacked handler reads the records from the stream", () =>
    Effect.gen(function* () {
      let read = -1
      let handler: Effect.Effect<void> = Effect.void
      const { scope, stream } = yield* stranded({ onUnacked: () => handler })
      handler = Effect.orDie(
        Effect.map(stream.getUnackedRecords, (records) => void (read = records.length))
      )
      const closing = yield* A.started(Scope.close(scope, Exit.void))
      assert.deepStrictEqual([closing.done(), read], [true, 3])
    })
  )
})

describe("a scope that is closed", () => {
  it.effect("interrupts callers that open a stream in it, before and while it opens", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client({ onCreate: () => {} })
      const interrupted = (exit: Exit.Exit<unknown, unknown> | undefined) =>
        exit !== undefined && Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
      const closed = yield* Scope.make()
      yield* Scope.close(closed, Exit.void)
      const before = yield* A.started(zerobus.createStream(A.table).pipe(Scope.provide(closed)))
      assert.isTrue(interrupted(before.exit()))
      assert.strictEqual(server.connections.length, 0)

      const closing = yield* Scope.make()
      const during = yield* A.started(zerobus.createStream(A.table).pipe(Scope.provide(closing)))
      assert.isFalse(during.done())
      yield* Scope.close(closing, Exit.void)
      yield* A.settle
      assert.isTrue(interrupted(during.exit()))
      assert.strictEqual(server.last.resets, 1)
    })
  )
})

describe("the log", () => {
  it.effect("reports a failed stream once, as an error, with its unacknowledged records", () =>
    reporting((reports) =>
      Effect.gen(function* () {
        const { server } = yield* stranded({ recovery: false })
        server.last.ack(0)
        server.last.fail(code.PERMISSION_DENIED, "the grant was revoked")
        yield* A.settle
        const [line, ...more] = reports.linesOf("The stream has failed")
        assert.strictEqual(more.length, 0)
        assert.deepStrictEqual(
          [line?.level, line?.annotations],
          ["Error", { table: A.table.tableName }]
        )
        const { message, ...details } = (line?.details ?? {}) as Record<string, unknown>
        assert.include(String(message), "the grant was revoked")
        const bytes = 2 * (32 + 2 + A.record(1).length)
        assert.deepStrictEqual(details, {
          streamId: "session-0",
          cause: "PermissionDenied",
          unacknowledged: { records: 2, bytes }
        })
        assert.deepStrictEqual(reports.linesOf("The stream was closed"), [])
      })
    )
  )

  it.effect(
    "leaves a stream that never opened to its caller, and says that opening failed, not that " +
      "anything was lost",
    () =>
      reporting((reports) =>
        Effect.gen(function* () {
          const { zerobus } = yield* A.client(
            A.refusing(code.UNAVAILABLE),
            A.refusing(code.NOT_FOUND)
          )
          const opening = yield* A.started(zerobus.createStream(A.table, single))
          yield* A.advance(10)
          A.tagged(opening.error(), "InvalidTable")
          assert.deepStrictEqual(
            reports.lines.map(({ level, text }) => [level, text]),
            [["Warn", "The stream could not be opened; it tries again"]]
          )
        })
      )
  )

  it.effect("distinguishes the loss of a connection from a failed attempt to open another", () =>
    reporting((reports) =>
      Effect.gen(function* () {
        const { server } = yield* stranded({}, A.refusing(code.UNAVAILABLE), A.silent)
        server.last.cut()
        yield* A.advance(20)
        assert.deepStrictEqual(
          reports.lines.filter(({ level }) => level === "Warn").map(({ text }) => text),
          [
            "The stream lost its connection and is recovering",
            "No new connection could be opened; the stream tries again"
          ]
        )
      })
    )
  )

  it.effect("calls a stream by its own id, whichever session it ended in", () =>
    reporting((reports) =>
      Effect.gen(function* () {
        const { server, stream } = yield* stranded({}, A.silent, A.refusing(code.NOT_FOUND))
        server.last.cut()
        yield* A.advance(10)
        assert.strictEqual(yield* stream.sessionId, "session-1")
        server.last.cut()
        yield* A.advance(10)
        assert.strictEqual(stream.streamId, "session-0")
        assert.deepInclude(reports.linesOf("The stream has failed")[0]?.details as object, {
          streamId: "session-0"
        })
      })
    )
  )

  it.effect("reports a close with counts, including unacknowledged records", () =>
    reporting((reports) =>
      Effect.gen(function* () {
        const { server, stream } = yield* stranded({ flushTimeout: 50 })
        server.last.ack(1)
        const closing = yield* A.started(stream.close)
        yield* A.advance(50)
        A.tagged(closing.error(), "FlushTimeout")
        const bytes = 32 + 2 + A.record(2).length
        assert.deepStrictEqual(
          reports.linesOf("The stream was closed").map(({ details, level }) => [level, details]),
          [["Debug", { streamId: "session-0", durable: 2, unacknowledged: { records: 1, bytes } }]]
        )
      })
    )
  )
})

describe("the states", () => {
  const watched = (...scripts: ReadonlyArray<Script>) =>
    Effect.gen(function* () {
      const all = yield* stranded({}, ...scripts)
      const seen: Array<string> = []
      yield* A.started(
        Stream.runForEach(all.stream.stateChanges, (state) => Effect.sync(() => seen.push(state)))
      )
      return { ...all, seen }
    })

  it.effect("enter recovering once for all attempts of a recovery", () =>
    Effect.gen(function* () {
      const away = A.refusing(code.UNAVAILABLE)
      const { seen, server } = yield* watched(away, away, A.silent)
      server.last.cut()
      yield* A.advance(30, 1)
      assert.deepStrictEqual(seen, ["open", "recovering", "replaying", "open"])
    })
  )

  it.effect("do not enter recovering when a stream fails, at once or with its budget spent", () =>
    Effect.gen(function* () {
      const { seen, server } = yield* watched()
      server.last.fail(code.NOT_FOUND)
      yield* A.settle
      assert.deepStrictEqual(seen, ["open", "failed"])
    })
  )
})

describe("records that the table's schema encodes and does not decode", () => {
  /** It cannot decode odd numbers. */
  const picky: TableProperties.TableProperties<any> = {
    ...A.table,
    codec: {
      write: A.table.codec.write,
      read: (payload) => {
        const record = JSON.parse(Buffer.from(payload).toString()) as { readonly n: number }
        if (record.n % 2 === 1) throw new Error(`cannot decode ${record.n}`)
        return record
      }
    }
  }
  const unreadableLine =
    "The table's schema cannot read unacknowledged records back: " +
    "read their bytes with getUnackedPayloads or onUnacked"
  const texts = (payloads: ReadonlyArray<Uint8Array> = []) =>
    payloads.map((bytes) => Buffer.from(bytes).toString())
  const failed = Effect.gen(function* () {
    const { server, zerobus } = yield* A.client(A.silent, {})
    const scope = yield* Scope.make()
    const given: Array<Unacked<any>> = []
    const stream = yield* zerobus
      .createStream(picky, {
        ...single,
        recovery: false,
        onUnacked: (unacked) => Effect.sync(() => void given.push(unacked))
      })
      .pipe(Scope.provide(scope))
    for (const n of [0, 1]) yield* stream.ingestRecord({ n })
    yield* stream.ingestRecords([{ n: 2 }, { n: 3 }, { n: 4 }])
    yield* stream.ingestRecords([{ n: 5 }])
    yield* A.settle
    server.last.cut()
    yield* A.settle
    return { given, scope, server, stream, zerobus }
  })

  it.effect("do not block the others for a reader, and are passed on as bytes", () =>
    reporting((reports) =>
      Effect.gen(function* () {
        const { given, scope, stream } = yield* failed
        for (let time = 0; time < 2; time++) {
          assert.deepStrictEqual(yield* stream.getUnackedRecords, [{ n: 0 }, { n: 2 }, { n: 4 }])
          assert.deepStrictEqual(yield* stream.getUnackedBatches, [
            [{ n: 0 }],
            [{ n: 2 }, { n: 4 }]
          ])
        }
        assert.deepStrictEqual(
          reports.linesOf(unreadableLine).map(({ details, level }) => [level, details]),
          [["Error", { table: A.table.tableName, streamId: "session-0", records: 3 }]]
        )
        // Those records were not read, so the scope has to pass them on, and no others.
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(
          given.map(({ records, unreadable }) => [records, texts(unreadable)]),
          [[[], ['{"n":1}', '{"n":3}', '{"n":5}']]]
        )
      })
    )
  )

  it.effect("are given to the handler with the others when they were not read", () =>
    Effect.gen(function* () {
      const { given, scope } = yield* failed
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(
        given.map(({ records, unreadable }) => [records, texts(unreadable)]),
        [
          [
            [{ n: 0 }, { n: 2 }, { n: 4 }],
            ['{"n":1}', '{"n":3}', '{"n":5}']
          ]
        ]
      )
    })
  )

  it.effect("are among the payloads, in order, after which nothing is left to hand on", () =>
    Effect.gen(function* () {
      const { given, scope, stream } = yield* failed
      const all = [0, 1, 2, 3, 4, 5].map((n) => `{"n":${n}}`)
      for (let time = 0; time < 2; time++) {
        const payloads = yield* stream.getUnackedPayloads
        assert.deepStrictEqual(texts(payloads), all)
        payloads[0]!.fill(0)
      }
      assert.strictEqual(held(scope), 0)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(given, [])
    })
  )

  it.effect("are taken over by a recreated stream as they are", () =>
    Effect.gen(function* () {
      const { given, scope, server, stream, zerobus } = yield* failed
      yield* stream.getUnackedRecords
      const next = yield* zerobus.recreateStream(stream)
      yield* next.flush
      assert.strictEqual(server.last.records.length, 6)
      assert.strictEqual(held(scope), 0)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(given, [])
    })
  )

  it.effect(
    "are counted by the log when there is no handler, and payloads wait for the end of the stream",
    () =>
      reporting((reports) =>
        Effect.gen(function* () {
          const { zerobus } = yield* A.client(A.silent)
          const scope = yield* Scope.make()
          const stream = yield* zerobus
            .createStream(picky, { ...single, scopeCloseTimeout: 0, drainTimeout: 0 })
            .pipe(Scope.provide(scope))
          for (const n of [0, 1]) yield* stream.ingestRecord({ n })
          A.tagged(yield* Effect.flip(stream.getUnackedPayloads), "InvalidState")
          yield* Scope.close(scope, Exit.void)
          const [line] = reports.linesOf(
            "A stream ended with unacknowledged records that nothing read"
          )
          assert.deepInclude(line?.details as object, { records: 2 })
          assert.strictEqual(reports.linesOf(unreadableLine).length, 1)
        })
      )
  )
})
