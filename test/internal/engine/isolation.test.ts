/**
 * One refused record costs only that record, whether the server acknowledges earlier records first
 * or not.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Option, Schedule } from "effect"
import type { Refused, StreamConfigurationOptions } from "effect-zerobus"
import type { JsonRecord } from "../../../src/TableProperties.ts"
import * as A from "../../support/acceptance.ts"
import { code, type Connection, type Received, type Script } from "../../support/scriptedServer.ts"

const good = (n: number): string => `{"n":${n}}`
const bad = (n: number): string => `{"bad":${n}}`
const isBad = (text: string) => text.startsWith('{"bad"')

/** A table whose server refuses messages with bad records. */
class Table {
  /** Every record that became durable, including repetitions. */
  readonly stored: Array<string> = []
  refusals = 0
  private readonly mode:
    | "acknowledges first"
    | "forgets what came before"
    | "keeps what came before"

  constructor(mode: Table["mode"]) {
    this.mode = mode
  }

  readonly script: Script = {
    onMessage: (connection, message) =>
      this.mode === "acknowledges first"
        ? this.atOnce(connection, message)
        : this.later(connection, message)
  }

  private atOnce(connection: Connection, message: Received): void {
    if (connection.over) return
    if (message.records.some(isBad)) return this.refuse(connection)
    this.stored.push(...message.records)
    connection.ack(message.wireOffset)
  }

  /** Acknowledges some turns later, unless something on the connection was refused by then. */
  private later(connection: Connection, message: Received): void {
    if (connection.over) return
    if (message.records.some(isBad)) return this.refuse(connection)
    if (this.mode === "keeps what came before") this.stored.push(...message.records)
    let turns = 4
    const wait = () => {
      if (connection.over) return
      if (--turns > 0) {
        setImmediate(wait)
        return
      }
      if (this.mode === "forgets what came before") this.stored.push(...message.records)
      connection.ack(message.wireOffset)
    }
    setImmediate(wait)
  }

  private refuse(connection: Connection): void {
    this.refusals++
    connection.fail(code.INVALID_ARGUMENT, 'The value "secret" of column bad is no number.')
  }
}

const modes = ["acknowledges first", "forgets what came before", "keeps what came before"] as const

const opened = Effect.fnUntraced(function* (
  mode: (typeof modes)[number],
  options: StreamConfigurationOptions<JsonRecord> = {}
) {
  const table = new Table(mode)
  const refused: Array<Refused<JsonRecord>> = []
  const { server, stream, zerobus } = yield* A.open(
    {
      onRefused: (one) => Effect.sync(() => refused.push(one)),
      recoverySchedule: Schedule.recurs(0),
      ...options
    },
    table.script
  )
  return { table, refused, server, stream, zerobus }
})

/** The stored records without repetitions, in the order of their first occurrence. */
const distinct = (table: Table) => [...new Set(table.stored)]

for (const mode of modes) {
  describe(`a server that ${mode}`, () => {
    for (const at of [0, 1, 37, 499, 998, 999]) {
      it.effect(`refuses record ${at} of 1,000, which costs that record`, () =>
        Effect.gen(function* () {
          const { refused, server, stream, table } = yield* opened(mode, {
            batching: { maxRecords: 100 }
          })
          const records = Array.from({ length: 1000 }, (_, n) => (n === at ? bad(n) : good(n)))
          for (const text of records) yield* stream.ingestRecord(text)
          yield* A.until(
            "all settled",
            () => refused.length === 1 && distinct(table).length === 999
          )
          yield* stream.flush
          assert.deepStrictEqual(
            distinct(table),
            records.filter((text) => !isBad(text))
          )
          const [one] = refused
          assert.strictEqual(Number(one!.offset), at)
          assert.deepStrictEqual(one!.records, [bad(at)])
          assert.strictEqual(Buffer.from(one!.payloads[0]!).toString(), bad(at))
          assert.strictEqual(one!.cause.offset, at)
          assert.notInclude(one!.cause.message, "secret")
          // The first connection, at most five that search, and the one that continues.
          assert.isAtMost(server.connections.length, mode === "acknowledges first" ? 5 : 7)
          const duplicates = table.stored.length - 999
          // Records stored before the refusal, and those sent again together with the refused one.
          assert.isAtMost(duplicates, mode === "keeps what came before" ? 1100 : 0)
        })
      )
    }

    it.effect("refuses records singly, in batches and next to each other", () =>
      Effect.gen(function* () {
        const { refused, stream, table } = yield* opened(mode, { batching: { maxRecords: 7 } })
        const due: Array<number> = []
        const durable: Array<string> = []
        for (let n = 0; n < 200; n++) {
          const wrong = n % 23 === 5 || n % 23 === 6 || n === 199
          const batch =
            n % 5 === 0 ? [good(n), wrong ? bad(n) : good(n + 1000), good(n + 2000)] : undefined
          const ack =
            batch === undefined
              ? stream.ingestRecord(wrong ? bad(n) : good(n))
              : stream.ingestRecords(batch)
          assert.strictEqual((yield* ack)?.offset, n)
          if (wrong) due.push(n)
          else durable.push(...(batch ?? [good(n)]))
        }
        yield* A.until(
          "all settled",
          () => refused.length === due.length && distinct(table).length === durable.length
        )
        yield* stream.close
        assert.deepStrictEqual(
          refused.map(({ offset }) => Number(offset)),
          due
        )
        assert.deepStrictEqual(
          refused.map(({ records }) => records.length),
          due.map((n) => (n % 5 === 0 ? 3 : 1))
        )
        assert.deepStrictEqual(distinct(table), durable)
      })
    )

    it.effect("refuses 30 batches among 60, all of them alone", () =>
      Effect.gen(function* () {
        const { refused, stream, table } = yield* opened(mode)
        for (let n = 0; n < 60; n++)
          yield* stream.ingestRecords(n % 2 === 0 ? [good(n)] : [good(n + 100), bad(n)])
        yield* A.until("all settled", () => refused.length === 30 && distinct(table).length === 30)
        yield* stream.flush
        assert.deepStrictEqual(
          refused.map(({ offset }) => Number(offset)),
          Array.from({ length: 30 }, (_, n) => 2 * n + 1)
        )
      })
    )

    it.effect(
      "refuses everything: the stream ends after maxRefusals, with what is left in order",
      () =>
        Effect.gen(function* () {
          const { refused, server, stream } = yield* opened(mode, { maxRefusals: 5 })
          for (let n = 0; n < 100; n++) yield* stream.ingestRecord(bad(n))
          const flush = yield* A.started(stream.flush)
          yield* A.until("the end", flush.done)
          assert.strictEqual(A.tagged(flush.error(), "InvalidArgument").offset, 4)
          assert.strictEqual(refused.length, 5)
          assert.isAtMost(server.connections.length, 20)
          const left = yield* stream.getUnackedPayloads
          assert.deepStrictEqual(
            left.map((bytes) => Buffer.from(bytes).toString()),
            Array.from({ length: 95 }, (_, n) => bad(n + 5))
          )
        })
    )

    it.effect("ends a stream without onRefused with the offset, everything before it durable", () =>
      Effect.gen(function* () {
        const { stream, table } = yield* opened(mode, {
          onRefused: undefined,
          batching: { maxRecords: 9 }
        })
        for (let n = 0; n < 100; n++) yield* stream.ingestRecord(n === 61 ? bad(n) : good(n))
        const flush = yield* A.started(stream.flush)
        yield* A.until("the end", flush.done)
        assert.strictEqual(A.tagged(flush.error(), "InvalidArgument").offset, 61)
        assert.strictEqual((yield* stream.getUnackedRecords).length, 39)
        assert.includeMembers(
          distinct(table),
          Array.from({ length: 61 }, (_, n) => good(n))
        )
      })
    )
  })
}

describe("receipts, waits and durable offsets", () => {
  it.effect("speak of settled offsets, and the receipt of the refused one fails", () =>
    Effect.gen(function* () {
      const { refused, stream } = yield* opened("acknowledges first")
      const acks = [yield* stream.ingestRecord(good(0)), yield* stream.ingestRecord(bad(1))]
      const waiting = yield* A.started(acks[1]!.await)
      yield* A.until("refused", () => refused.length === 1)
      yield* A.settle
      assert.strictEqual(A.tagged(waiting.error(), "InvalidArgument").offset, 1)
      assert.strictEqual(yield* acks[0]!.await, 0)
      assert.strictEqual(A.tagged(yield* Effect.flip(acks[1]!.await), "InvalidArgument").offset, 1)
      const polled = Option.getOrThrow(yield* acks[1]!.poll)
      assert.isTrue(Exit.isFailure(polled))
      assert.strictEqual(yield* stream.waitForOffset(acks[1]!.offset), 1)
      yield* stream.flush
      yield* stream.close
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [])
    })
  )
})

describe("onRefused", () => {
  for (const [how, handler] of [
    ["fails", () => Effect.fail("no")],
    ["dies", () => Effect.die("no")],
    [
      "throws",
      () => {
        throw new Error("no")
      }
    ]
  ] as const) {
    it.effect(`ends the stream when it ${how}, and the record stays unacknowledged`, () =>
      Effect.gen(function* () {
        const { stream } = yield* opened("acknowledges first", { onRefused: handler })
        for (let n = 0; n < 3; n++) yield* stream.ingestRecord(n === 1 ? bad(n) : good(n))
        const flush = yield* A.started(stream.flush)
        yield* A.until("the end", flush.done)
        assert.strictEqual(A.tagged(flush.error(), "InvalidArgument").offset, 1)
        assert.strictEqual((yield* stream.getUnackedRecords).length, 2)
      })
    )
  }

  it.effect("ends the stream when it takes more than 30 seconds", () =>
    Effect.gen(function* () {
      const { stream } = yield* opened("acknowledges first", { onRefused: () => Effect.never })
      yield* stream.ingestRecord(bad(0))
      const flush = yield* A.started(stream.flush)
      yield* A.advance(29_999, 5_000)
      assert.isFalse(flush.done())
      yield* A.advance(1)
      A.tagged(flush.error(), "InvalidArgument")
    })
  )

  it.effect("may ingest into its own stream without waiting, and finds other calls refused", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      let inside: Effect.Effect<unknown, unknown> = Effect.void
      const { stream, table } = yield* opened("acknowledges first", {
        maxInflightRecords: 2,
        onRefused: () => Effect.suspend(() => inside)
      })
      inside = Effect.gen(function* () {
        for (const call of [stream.flush, stream.close, stream.waitForOffset(0 as never)]) {
          seen.push((yield* Effect.flip(call))._tag)
        }
        // The stream is full.
        yield* stream.ingestRecord(good(100))
        yield* stream.ingestRecords([good(101), good(102)])
      })
      yield* stream.ingestRecord(bad(0))
      yield* stream.ingestRecord(good(1))
      yield* A.until("all durable", () => table.stored.length === 4)
      yield* stream.flush
      assert.deepStrictEqual(seen, ["InvalidState", "InvalidState", "InvalidState"])
      assert.deepStrictEqual(table.stored, [good(1), good(100), good(101), good(102)])
    })
  )

  it.effect("is not called without recovery", () =>
    Effect.gen(function* () {
      const { refused, server, stream } = yield* opened("acknowledges first", { recovery: false })
      yield* stream.ingestRecord(bad(0))
      const flush = yield* A.started(stream.flush)
      yield* A.until("the end", flush.done)
      A.tagged(flush.error(), "InvalidArgument")
      assert.deepStrictEqual([refused.length, server.connections.length], [0, 1])
    })
  )
})
