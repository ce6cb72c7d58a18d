/**
 * Creation of a stream.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schedule, Scope } from "effect"
import { TestClock } from "effect/testing"
import { HeadersProvider, InvalidToken, TableProperties, type ZerobusError } from "effect-zerobus"
import * as A from "../support/acceptance.ts"
import { code, response, type Script } from "../support/scriptedServer.ts"

/** A server that receives the create request and never answers it. */
const mute: Script = { onCreate: () => {} }

const creating = (options: Parameters<typeof A.open>[0], ...scripts: ReadonlyArray<Script>) =>
  Effect.gen(function* () {
    const { provider, server, zerobus } = yield* A.client(...scripts)
    const running = yield* A.started(zerobus.createStream(A.table, options))
    return { provider, server, running }
  })

const providerOf = (getHeaders: Effect.Effect<Record<string, string>, ZerobusError>) =>
  HeadersProvider.make({ getHeaders })

describe("creating a stream", () => {
  it.effect("CR-01 gives an open stream with a readable id", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({})
      assert.strictEqual(stream.streamId, "session-0")
      assert.strictEqual(yield* stream.sessionId, "session-0")
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect("CR-02 ends at the attempt's limit and does not try again with recovery off", () =>
    Effect.gen(function* () {
      const { running, server } = yield* creating({ recoveryTimeout: 100, recovery: false }, mute)
      yield* A.advance(90)
      assert.isFalse(running.done())
      yield* A.advance(10)
      const error = A.tagged(running.error(), "Retryable")
      assert.strictEqual(error.reason._tag, "ConnectTimeout")
      assert.strictEqual(error.attempts, 1)
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect("CR-03 fails at once on a final status, with the server's text", () =>
    Effect.gen(function* () {
      const refused = yield* creating({}, A.refusing(code.INVALID_ARGUMENT, "no such option"))
      const error = A.tagged(refused.running.error(), "InvalidArgument")
      assert.include(error.message, "INVALID_ARGUMENT: no such option")
      assert.strictEqual(refused.server.connections.length, 1)

      // Without `invalidate` there are no other credentials to try.
      const fixed = providerOf(Effect.succeed({ authorization: "Bearer fixed" }))
      const denied = yield* creating(
        { headersProvider: fixed },
        A.refusing(code.UNAUTHENTICATED, "who are you")
      )
      assert.include(A.tagged(denied.running.error(), "InvalidToken").message, "who are you")
      assert.strictEqual(denied.server.connections.length, 1)
    })
  )

  it.effect("CR-04 does not retry a transient status with recovery off", () =>
    Effect.gen(function* () {
      const { running, server } = yield* creating({ recovery: false }, A.refusing(code.UNAVAILABLE))
      assert.strictEqual(A.tagged(running.error(), "Retryable").reason._tag, "ServerUnavailable")
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect("CR-05 opens after the backoff when the second attempt succeeds", () =>
    Effect.gen(function* () {
      const { running, server } = yield* creating(
        { recoverySchedule: Schedule.spaced(100), scopeCloseTimeout: 0 },
        A.refusing(code.UNAVAILABLE),
        {}
      )
      yield* A.advance(99)
      assert.isFalse(running.done())
      yield* A.advance(1)
      const stream = running.value()
      for (const text of A.recordsFrom(0, 3)) yield* stream.ingestRecord(text)
      yield* stream.flush
      assert.deepStrictEqual(server.records, A.recordsFrom(0, 3))
    })
  )

  it.effect("CR-06 gives up when the retry budget is spent and keeps the last server text", () =>
    Effect.gen(function* () {
      const attempts: Array<number> = []
      const { running, server } = yield* creating(
        { recoverySchedule: Schedule.spaced(50).pipe(Schedule.upTo({ times: 4 })) },
        {
          onCreate: (connection) => {
            attempts.push(connection.index)
            connection.fail(code.UNAVAILABLE, `attempt ${connection.index}`)
          }
        }
      )
      yield* A.advance(190, 10)
      assert.isFalse(running.done())
      yield* A.advance(10)
      const error = A.tagged(running.error(), "Retryable")
      assert.strictEqual(error.attempts, 5)
      assert.include(error.message, "attempt 4")
      assert.deepStrictEqual(attempts, [0, 1, 2, 3, 4])
      assert.strictEqual(server.connections.length, 5)
    })
  )

  it.effect(
    "CR-07 refuses a limit that no timer can hold and takes the largest one that it can",
    () =>
      Effect.gen(function* () {
        const { running, server } = yield* creating({ recoveryTimeout: Number.MAX_SAFE_INTEGER })
        assert.deepStrictEqual(A.tagged(running.error(), "InvalidArgument").path, [
          "recoveryTimeout"
        ])
        assert.strictEqual(server.connections.length, 0)
        yield* A.open({ recoveryTimeout: 2 ** 31 - 1 })
      })
  )

  it.effect("CR-11 keeps a fallback name when the server gives no id", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open(
        {},
        { onCreate: (connection) => connection.send(response.created()) }
      )
      assert.include(stream.streamId, A.table.tableName)
      yield* stream.ingestRecord(A.record(0))
      yield* stream.flush
    })
  )

  it.effect(
    "CR-12 is a protocol violation when the first response is not the create response",
    () =>
      Effect.gen(function* () {
        const { running, server } = yield* creating(
          {},
          { onCreate: (connection) => connection.ack(0) }
        )
        A.tagged(running.error(), "ProtocolViolation")
        assert.strictEqual(server.connections.length, 1)
      })
  )

  it.effect(
    "CR-13 CR-14 CR-15 refuses locally: unknown record type, missing descriptor, blank table name",
    () =>
      Effect.gen(function* () {
        const { server, zerobus } = yield* A.client()
        const unknown = { ...A.table, recordType: "xml" } as unknown as typeof A.table
        assert.deepStrictEqual(
          A.tagged(yield* Effect.flip(zerobus.createStream(unknown)), "InvalidArgument").path,
          ["recordType"]
        )
        const bare = TableProperties.proto("main.default.blobs", new Uint8Array())
        assert.deepStrictEqual(
          A.tagged(yield* Effect.flip(zerobus.createStream(bare)), "InvalidArgument").path,
          ["descriptor"]
        )
        const blank = TableProperties.json("   ")
        A.tagged(yield* Effect.flip(zerobus.createStream(blank)), "InvalidTable")
        assert.strictEqual(server.connections.length, 0)
      })
  )

  it.effect("CR-16 CR-17 sends the trimmed table name, the record type and the descriptor", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      yield* zerobus.createStream(TableProperties.proto("  main.default.blobs ", A.descriptor))
      assert.deepStrictEqual(server.last.create, {
        tableName: "main.default.blobs",
        recordType: 1,
        descriptor: Buffer.from(A.descriptor)
      })
      assert.strictEqual(
        server.last.headers["x-databricks-zerobus-table-name"],
        "main.default.blobs"
      )
      yield* zerobus.createStream(A.table)
      assert.deepStrictEqual(server.last.create, {
        tableName: A.table.tableName,
        recordType: 2,
        descriptor: undefined
      })
    })
  )

  it.effect(
    "CR-18 CR-19 interrupts a provider that never answers, on interruption and at the limit",
    () =>
      Effect.gen(function* () {
        let asked = 0
        let released = 0
        const hanging = HeadersProvider.make({
          getHeaders: Effect.suspend(() => {
            asked++
            return Effect.onInterrupt(Effect.never, () => Effect.sync(() => released++))
          })
        })
        const interrupted = yield* Effect.flatMap(Scope.make(), (scope) =>
          Scope.provide(creating({ headersProvider: hanging }), scope).pipe(
            Effect.map((parts) => ({ ...parts, scope }))
          )
        )
        assert.strictEqual(asked, 1)
        // The caller's scope may stay open for long, so nothing may remain in it.
        yield* interrupted.running.interrupt
        yield* A.settle
        assert.strictEqual(released, 1)
        yield* Scope.close(interrupted.scope, Exit.void)
        assert.strictEqual(interrupted.server.connections.length, 0)

        const timed = yield* creating({
          headersProvider: hanging,
          recovery: false,
          recoveryTimeout: 200
        })
        yield* A.advance(200)
        assert.strictEqual(
          A.tagged(timed.running.error(), "Retryable").reason._tag,
          "ConnectTimeout"
        )
        assert.strictEqual(released, 2)
        assert.strictEqual(timed.server.connections.length, 0)
      })
  )

  it.effect("CR-20 tears the call down when the handshake takes too long", () =>
    Effect.gen(function* () {
      const { running, server } = yield* creating({ recovery: false, recoveryTimeout: 200 }, mute)
      yield* A.advance(199)
      assert.isFalse(running.done())
      yield* A.advance(1)
      A.tagged(running.error(), "Retryable")
      assert.strictEqual(server.last.resets, 1)
    })
  )

  it.effect("CR-21 ends the handshake promptly when its caller is interrupted", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client(mute)
      const running = yield* A.started(zerobus.createStream(A.table))
      assert.strictEqual(server.connections.length, 1)
      yield* running.interrupt
      yield* A.settle
      assert.strictEqual(server.last.resets, 1)
      yield* A.advance(60_000, 10_000)
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect(
    "CR-22 CR-29 H-47 lets a real rejection win over the limit that passes at the same moment",
    () =>
      Effect.gen(function* () {
        const { running, server } = yield* creating({ recoveryTimeout: 200 }, mute)
        yield* A.advance(199)
        server.last.fail(code.INVALID_ARGUMENT, "bad descriptor")
        yield* A.turn
        yield* TestClock.adjust(1)
        yield* A.settle
        assert.include(A.tagged(running.error(), "InvalidArgument").message, "bad descriptor")
        assert.strictEqual(server.connections.length, 1)
      })
  )

  it.effect(
    "CR-23 reports the status of a server that refuses before the create request arrives",
    () =>
      Effect.gen(function* () {
        const { running, server } = yield* creating(
          {},
          {
            onConnect: (connection) => connection.fail(code.NOT_FOUND, "table is gone"),
            onCreate: () => {}
          }
        )
        assert.include(A.tagged(running.error(), "InvalidTable").message, "table is gone")
        assert.strictEqual(server.connections.length, 1)
      })
  )

  it.effect("CR-24 H-50 keeps the stream alive after the limit of its creation has passed", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ recoveryTimeout: 100 })
      yield* A.advance(1000, 100)
      yield* stream.ingestRecord(A.record(0))
      yield* stream.flush
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect("CR-25 keeps the stream alive after the fiber that created it has ended", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      const created = yield* A.started(zerobus.createStream(A.table))
      const stream = created.value()
      yield* created.interrupt
      yield* stream.ingestRecord(A.record(0))
      yield* stream.flush
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect("CR-28 retries an attempt that exceeded its limit, within the budget", () =>
    Effect.gen(function* () {
      const { running, server } = yield* creating(
        {
          recoveryTimeout: 100,
          recoverySchedule: Schedule.spaced(10).pipe(Schedule.upTo({ times: 2 }))
        },
        mute
      )
      yield* A.advance(320, 10)
      const error = A.tagged(running.error(), "Retryable")
      assert.strictEqual(error.reason._tag, "ConnectTimeout")
      assert.strictEqual(error.attempts, 3)
      assert.strictEqual(server.connections.length, 3)
    })
  )

  it.effect("CR-30 takes a provider's own refusal as final, also at the limit", () =>
    Effect.gen(function* () {
      let asked = 0
      const late = HeadersProvider.make({
        getHeaders: Effect.suspend(() => {
          asked++
          return Effect.andThen(
            Effect.sleep(200),
            Effect.fail(new InvalidToken({ message: "token refused" }))
          )
        })
      })
      const { running } = yield* creating({ headersProvider: late, recoveryTimeout: 200 })
      yield* A.advance(200)
      A.tagged(running.error(), "InvalidToken")
      assert.strictEqual(asked, 1)
    })
  )

  it.effect("CR-31 retries credentials that were cut short by the attempt's limit", () =>
    Effect.gen(function* () {
      let asked = 0
      const slowOnce = HeadersProvider.make({
        getHeaders: Effect.suspend(() =>
          asked++ === 0 ? Effect.never : Effect.succeed({ authorization: "Bearer t" })
        )
      })
      const { running, server } = yield* creating({
        headersProvider: slowOnce,
        recoveryTimeout: 100,
        recoverySchedule: Schedule.spaced(10)
      })
      yield* A.advance(110, 10)
      running.value()
      assert.strictEqual(asked, 2)
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect("CR-32 CR-33 closes every stream with its scope and leaves nothing behind", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      const scope = yield* Scope.make()
      const streams = yield* Effect.forEach([1, 2, 3], () =>
        Scope.provide(zerobus.createStream(A.table), scope)
      )
      yield* streams[0]!.close
      yield* Scope.close(scope, Exit.void)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(
        server.connections.map((connection) => connection.halfCloses),
        [1, 1, 1]
      )
      for (const stream of streams)
        A.tagged(yield* Effect.flip(stream.ingestRecord(A.record(0))), "StreamClosed")
    })
  )

  it.effect("CR-34 gives each stream a separate id, stable over reconnects", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      const one = yield* zerobus.createStream(A.table, { recoverySchedule: Schedule.spaced(10) })
      const two = yield* zerobus.createStream(A.table)
      assert.notStrictEqual(one.streamId, two.streamId)
      const before = one.streamId
      server.connection(0).cut()
      yield* A.advance(10)
      assert.strictEqual(server.connections.length, 3)
      assert.strictEqual(one.streamId, before)
      assert.strictEqual(yield* one.sessionId, "session-2")
    })
  )

  it.effect("CR-35 keeps the last session's id when a reconnect fails", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        { recoverySchedule: Schedule.spaced(10) },
        {},
        A.refusing(code.UNAVAILABLE)
      )
      server.last.cut()
      yield* A.advance(50)
      assert.isAbove(server.connections.length, 2)
      assert.strictEqual(yield* stream.sessionId, "session-0")
    })
  )

  it.effect("CR-35 keeps the last session's id when a new one has none", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        { recoverySchedule: Schedule.spaced(10) },
        {},
        { onCreate: (connection) => connection.send(response.created()) }
      )
      server.last.cut()
      yield* A.advance(10)
      yield* stream.ingestRecord(A.record(0))
      yield* stream.flush
      assert.strictEqual(server.connections.length, 2)
      assert.strictEqual(yield* stream.sessionId, "session-0")
    })
  )

  it.effect("CR-36 opens proto and JSON streams from their table properties", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      const json = yield* zerobus.createStream(A.table)
      const proto = yield* zerobus.createStream(A.protoTable)
      yield* json.ingestRecord(A.record(1))
      yield* proto.ingestRecord(Uint8Array.of(0x0a, 0x01, 0x41))
      yield* Effect.andThen(json.flush, proto.flush)
      assert.deepStrictEqual(
        server.connections.map((c) => c.messages[0]?.format),
        ["json", "proto"]
      )
    })
  )
})
