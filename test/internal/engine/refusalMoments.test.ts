/**
 * Refusals while records are sent again, during a pause that the server announced, at the
 * half-close and at the close; and handlers that still run when their stream closes.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Schedule, Scope } from "effect"
import type { Refused, StreamConfigurationOptions, Unacked } from "effect-zerobus"
import type { JsonRecord } from "../../../src/TableProperties.ts"
import * as A from "../../support/acceptance.ts"
import { code, type Connection, type Received, type Script } from "../../support/scriptedServer.ts"

const isBad = (text: string) => text.startsWith('{"bad"')
const bad = (n: number): string => `{"bad":${n}}`
const records = (count: number, at: number) =>
  Array.from({ length: count }, (_, n) => (n === at ? bad(n) : A.record(n)))
const refuse = (connection: Connection) => connection.fail(code.INVALID_ARGUMENT, "no")

/** Acknowledges good messages, refuses one with a bad record, and ignores everything after that. */
const checking =
  (stored: Array<string>): NonNullable<Script["onMessage"]> =>
  (connection: Connection, message: Received) => {
    if (connection.over) return
    if (message.records.some(isBad)) return refuse(connection)
    stored.push(...message.records)
    connection.ack(message.wireOffset)
  }

const opened = Effect.fnUntraced(function* (
  options: StreamConfigurationOptions<JsonRecord>,
  first: ReadonlyArray<Script>,
  stored: Array<string> = []
) {
  const refused: Array<Refused<JsonRecord>> = []
  const all = {
    onRefused: (one: Refused<JsonRecord>) => Effect.sync(() => refused.push(one)),
    ...options
  }
  const { server, stream } = yield* A.open(
    { recoverySchedule: Schedule.recurs(3), recoveryBackoff: 0, ...all },
    ...first,
    {
      onMessage: checking(stored)
    }
  )
  return { refused, server, stream, stored }
})

describe("a record is refused", () => {
  /** What the first connection does before it ends. The second one checks its records. */
  const moments: Readonly<Record<string, Script>> = {
    "while it is sent again after a lost connection": {
      onMessage: (connection, { wireOffset }) => void (wireOffset === 9 && connection.cut())
    },
    "during a pause that the server asked for": {
      onMessage: (connection, { wireOffset }) => {
        if (wireOffset !== 9) return
        connection.closing(60_000)
        setImmediate(() => refuse(connection))
      }
    },
    "at the half-close that ends a pause": {
      onMessage: (connection, { wireOffset }) => void (wireOffset === 9 && connection.closing(0)),
      onHalfClose: refuse
    },
    "with the messages behind it unread": {
      onMessage: (connection, { wireOffset }) => {
        if (wireOffset !== 4) return
        connection.pause()
        refuse(connection)
      }
    }
  }
  for (const [moment, script] of Object.entries(moments)) {
    for (const batches of [false, true]) {
      it.effect(`${moment}${batches ? ", in batches" : ""}, and costs nothing else`, () =>
        Effect.gen(function* () {
          const { refused, stored, stream } = yield* opened({ batching: "off" }, [script])
          const texts = records(10, 4)
          for (const text of texts)
            yield* batches ? stream.ingestRecords([text]) : stream.ingestRecord(text)
          const flush = yield* A.started(stream.flush)
          yield* A.until("all settled", flush.done)
          flush.value()
          assert.deepStrictEqual(
            refused.map(({ offset, records: [text] }) => [Number(offset), text]),
            [[4, bad(4)]]
          )
          assert.deepStrictEqual(
            [...new Set(stored)],
            texts.filter((text) => !isBad(text))
          )
          yield* stream.close
          assert.deepStrictEqual(yield* stream.getUnackedRecords, [])
        })
      )
    }
  }

  it.effect("while close flushes: close waits for the handler and succeeds", () =>
    Effect.gen(function* () {
      const go = yield* Deferred.make<void>()
      const { server, stored, stream } = yield* opened({ onRefused: () => Deferred.await(go) }, [
        A.silent
      ])
      for (const text of records(10, 9)) yield* stream.ingestRecord(text)
      const close = yield* A.started(stream.close)
      refuse(server.last)
      yield* A.until("the others are durable", () => stored.length === 9)
      yield* A.settle
      assert.isFalse(close.done())
      yield* Deferred.succeed(go, undefined)
      yield* A.until("closed", close.done)
      close.value()
      assert.deepStrictEqual(stored, records(9, -1))
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [])
    })
  )

  it.effect(
    "at the half-close of a close that ran out: it stays unacknowledged with the others",
    () =>
      Effect.gen(function* () {
        const { refused, server, stream } = yield* opened({ flushTimeout: 1_000 }, [
          { onMessage: () => {}, onHalfClose: refuse }
        ])
        for (const text of records(5, 2)) yield* stream.ingestRecord(text)
        const close = yield* A.started(stream.close)
        yield* A.advance(1_000)
        A.tagged(close.error(), "FlushTimeout")
        assert.deepStrictEqual(yield* stream.getUnackedRecords, records(5, 2))
        assert.deepStrictEqual([refused.length, server.connections.length], [0, 1])
      })
  )
})

describe("a handler that still runs when its scope closes", () => {
  const leaving = Effect.fnUntraced(function* (
    onRefused: NonNullable<StreamConfigurationOptions<JsonRecord>["onRefused"]>
  ) {
    const scope = yield* Scope.make()
    const unacked: Array<Unacked<JsonRecord>> = []
    const options = {
      onRefused,
      onUnacked: (left: Unacked<JsonRecord>) => Effect.sync(() => unacked.push(left))
    }
    const { stored, stream } = yield* Scope.provide(
      opened({ ...options, scopeCloseTimeout: "20 seconds" }, []),
      scope
    )
    for (const text of records(3, 1)) yield* stream.ingestRecord(text)
    return { scope, stored, stream, unacked }
  })

  it.effect("is waited for, and the record is settled", () =>
    Effect.gen(function* () {
      const { scope, stored, stream, unacked } = yield* leaving(() => Effect.sleep("4 seconds"))
      yield* A.settle
      const closing = yield* A.started(Scope.close(scope, Exit.void))
      yield* A.advance(3_999)
      assert.isFalse(closing.done())
      yield* A.advance(1)
      yield* A.until("closed", closing.done)
      assert.deepStrictEqual(
        [stored, unacked, yield* stream.getUnackedRecords],
        [[A.record(0), A.record(2)], [], []]
      )
    })
  )

  it.effect("and hangs keeps the scope for 25 seconds at most, and its record is handed over", () =>
    Effect.gen(function* () {
      let interrupted = false
      const { scope, unacked } = yield* leaving(() =>
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true)))
      )
      yield* A.settle
      const closing = yield* A.started(Scope.close(scope, Exit.void))
      yield* A.advance(25_000)
      yield* A.until("closed", closing.done)
      assert.isTrue(interrupted)
      assert.deepStrictEqual(
        unacked.map(({ records: left }) => left),
        [[bad(1), A.record(2)]]
      )
    })
  )

  it.effect("and fails ends the stream with the server's cause", () =>
    Effect.gen(function* () {
      const { scope, unacked } = yield* leaving(() => Effect.delay(Effect.fail("no"), "2 seconds"))
      yield* A.settle
      const closing = yield* A.started(Scope.close(scope, Exit.void))
      yield* A.advance(2_000)
      yield* A.until("closed", closing.done)
      const [left] = unacked
      assert.deepStrictEqual(left!.records, [bad(1), A.record(2)])
      assert.strictEqual(left!.cause._tag === "InvalidArgument" && left!.cause.offset, 1)
    })
  )

  it.effect("and begins while it closes gets 5 seconds", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const unacked: Array<Unacked<JsonRecord>> = []
      const { server, stream } = yield* Scope.provide(
        opened(
          {
            onRefused: () => Effect.never,
            onUnacked: (left) => Effect.sync(() => unacked.push(left)),
            scopeCloseTimeout: "20 seconds"
          },
          [A.silent]
        ),
        scope
      )
      yield* stream.ingestRecord(bad(0))
      yield* A.settle
      const closing = yield* A.started(Scope.close(scope, Exit.void))
      refuse(server.last)
      yield* A.settle
      yield* A.advance(4_999)
      assert.isFalse(closing.done())
      yield* A.advance(1)
      yield* A.until("closed", closing.done)
      assert.deepStrictEqual(unacked[0]!.records, [bad(0)])
    })
  )

  it.effect("and closes its own scope from a separate fiber does not wait for itself forever", () =>
    Effect.gen(function* () {
      const own: { close: Effect.Effect<void> } = { close: Effect.void }
      const { scope, unacked } = yield* leaving(() => Effect.suspend(() => own.close))
      own.close = Scope.close(scope, Exit.void)
      yield* A.settle
      yield* A.advance(25_000)
      yield* A.settle
      assert.deepStrictEqual(
        unacked.map(({ records: left }) => left),
        [[bad(1), A.record(2)]]
      )
    })
  )
})
