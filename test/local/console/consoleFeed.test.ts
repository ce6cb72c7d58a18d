/**
 * The messages to pages: a snapshot, then at most one message per second with the changes, and none
 * without pages.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { parseTableDefinition } from "../../../src/internal/columns/columnType.ts"
import { makeConsoleFeed } from "../../../src/local/console/consoleFeed.ts"
import type { ConsoleMessage, ServerInfo } from "../../../src/local/console/consoleMessages.ts"
import { RecordRejected } from "../../../src/local/log/storageErrors.ts"
import { makeMemoryTableStoreWith } from "../../../src/local/store/memoryTableStore.ts"
import { timersOfProgram } from "../../../src/local/timers.ts"

const server: ServerInfo = {
  instance: "i",
  startedAt: 0,
  storage: "memory",
  dataDir: null,
  environment: {},
  secretName: "S"
}

/** A feed over a store with these tables. */
const feedOver = Effect.fnUntraced(function* (...tables: ReadonlyArray<string>) {
  const store = yield* makeMemoryTableStoreWith((tell) => tell())
  for (const table of tables)
    yield* store.create(Result.getOrThrow(parseTableDefinition(`${table}(id INT)`)))
  const timers = yield* timersOfProgram
  const pending = { faults: 0, held: 0 }
  /** The number of timers that the feed set. */
  let timersSet = 0
  const feed = makeConsoleFeed({
    store,
    timers: {
      now: timers.now,
      after: (millis, callback) => {
        timersSet++
        return timers.after(millis, callback)
      }
    },
    storage: "memory",
    server: () => server,
    pendingFaults: () => pending
  })
  const open = (id: string, tableName = "a.b.t") => {
    const observer = feed.observe({ id, tableName, address: "127.0.0.1:9" })
    observer.opened("Json")
    return observer
  }
  return { feed, store, open, pending, timersSet: () => timersSet }
})

const read = (frame: string): ConsoleMessage => {
  assert.match(frame, /^data: .*\n\n$/)
  return JSON.parse(frame.slice(6))
}

/** Watches; `next` waits for the next message. */
const watched = (feed: ReturnType<typeof makeConsoleFeed>) => {
  const watching = feed.watch()!
  return { next: Effect.map(watching.next, read), frame: watching.next, stop: watching.stop }
}

/** Whether a fiber is still running after everything due has run. */
const isWaiting = Effect.fnUntraced(function* (fiber: Fiber.Fiber<unknown>) {
  yield* TestClock.adjust(0)
  return fiber.pollUnsafe() === undefined
})

describe("the feed of the console", () => {
  it.effect("begins with everything, then tells what changed once a second", () =>
    Effect.gen(function* () {
      const { feed, open } = yield* feedOver("a.b.t", "a.b.u")
      const early = open("s-1")
      early.received(5, 50)
      const { next } = watched(feed)
      const first = yield* next
      assert.deepStrictEqual(first.server, server)
      assert.deepStrictEqual(
        first.tables.map(({ name, records }) => [name, records]),
        [
          ["a.b.t", 5],
          ["a.b.u", 0]
        ]
      )
      assert.deepStrictEqual(
        first.streams.map(({ acked, client, id, received }) => ({ acked, client, id, received })),
        [{ id: "s-1", client: "127.0.0.1:9", received: 5, acked: 0 }]
      )
      assert.deepStrictEqual(first.totals, { records: 5, bytes: 50 })

      early.received(2, 20)
      const second = yield* Effect.andThen(TestClock.adjust(50), next)
      assert.deepStrictEqual(
        [
          second.tables.length,
          second.tables[0]?.records,
          second.streams[0]?.received,
          second.server
        ],
        [1, 7, 7, undefined]
      )
      early.durable(7)
      early.acked(7, 4)
      for (let n = 0; n < 1000; n++) early.received(1, 1)
      const third = yield* Effect.forkChild(next)
      assert.isTrue(yield* isWaiting(third))
      yield* TestClock.adjust(999)
      assert.isTrue(yield* isWaiting(third))
      yield* TestClock.adjust(1)
      const { latency, streams, totals } = yield* Fiber.join(third)
      assert.deepStrictEqual(latency, { count: 1, p50: 4, p99: 4 })
      assert.deepStrictEqual(
        streams.map(({ acked, durable, received }) => [received, durable, acked]),
        [[1007, 7, 7]]
      )
      assert.strictEqual(totals.records, 1007)
    })
  )

  it.effect("tells of ends, drops, rotation and faults", () =>
    Effect.gen(function* () {
      const { feed, open, pending, store } = yield* feedOver("a.b.t")
      const stream = open("s-1")
      const { next } = watched(feed)
      yield* next
      stream.noted({ _tag: "StreamRotated", graceMillis: 1000 })
      feed.scripted("A.B.T")
      Object.assign(pending, { faults: 2, held: 1 })
      const rotated = yield* Effect.andThen(TestClock.adjust(50), next)
      assert.isTrue(rotated.streams[0]?.rotating)
      assert.deepStrictEqual([rotated.tables[0]?.faults, rotated.tables[0]?.held], [2, 1])
      stream.closed("OK", undefined)
      yield* store.drop("a.b.t")
      feed.tell({ _tag: "TableDropped", tableName: "a.b.t" })
      const ended = yield* Effect.andThen(TestClock.adjust(1000), next)
      assert.deepStrictEqual(ended.ended, ["s-1"])
      assert.deepStrictEqual(ended.dropped, ["a.b.t"])
      assert.deepStrictEqual(ended.tables, [])
      assert.strictEqual(ended.events[0]?.title, "Table dropped")
    })
  )

  it.effect("keeps the last 200 events, numbered, with column and reason of a refused record", () =>
    Effect.gen(function* () {
      const { feed } = yield* feedOver()
      for (let n = 0; n < 500; n++)
        feed.tell({ _tag: "TokenRefused", clientId: `c-${n}`, reason: "no" })
      const stream = { id: "s", tableName: "a.b.t", address: undefined }
      const problem = new RecordRejected(3, "place.lat", "it must be a number")
      feed.tell({ _tag: "RecordRefused", stream, offset: 12, problem })
      const { events } = yield* watched(feed).next
      assert.strictEqual(events.length, 200)
      assert.strictEqual(events[0]?.n, 302)
      assert.deepStrictEqual(events.at(-1), {
        n: 501,
        at: 0,
        tone: "bad",
        title: "Record refused",
        table: "a.b.t",
        detail: "Column place.lat: it must be a number (record 3 of the message at offset 12)"
      })
    })
  )

  it.effect("sets no timer and keeps no changes while nobody watches", () =>
    Effect.gen(function* () {
      const { feed, open, timersSet } = yield* feedOver("a.b.t")
      const busy = () => {
        const stream = open("s-1")
        stream.received(1, 1)
        stream.durable(1)
        stream.acked(1, 1)
        stream.closed("OK", undefined)
        feed.stored("a.b.t", 1, 1)
        feed.tell({ _tag: "TableCreated", tableName: "a.b.t" })
      }
      busy()
      assert.strictEqual(timersSet(), 0)
      const { next, stop } = watched(feed)
      yield* next
      busy()
      stop()
      yield* TestClock.adjust("1 minute")
      const before = timersSet()
      busy()
      assert.strictEqual(timersSet(), before)
      // No changes of the earlier watcher remain for the next one.
      const other = watched(feed)
      const snapshot = yield* other.next
      assert.strictEqual(snapshot.totals.records, 6)
      const fiber = yield* Effect.forkChild(other.next)
      yield* TestClock.adjust("5 seconds")
      assert.isTrue(yield* isWaiting(fiber))
    })
  )

  it.effect("divides changes that do not fit into one message", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: 1200 }, (_, n) => `a.b.t${n}`)
      const { feed, open } = yield* feedOver(...names)
      const streams = names.map((name, n) => open(`s-${n}`, name))
      const { next } = watched(feed)
      const [one, two] = [yield* next, yield* next]
      assert.deepStrictEqual([one.tables.length, two.tables.length], [1000, 200])
      assert.deepStrictEqual([one.streams.length, two.streams.length], [1000, 200])
      assert.strictEqual(two.server, undefined)
      for (const stream of streams) stream.received(1, 1)
      const three = yield* Effect.andThen(TestClock.adjust(50), next)
      const four = yield* Effect.andThen(TestClock.adjust(1000), next)
      assert.deepStrictEqual([three.streams.length, four.streams.length], [1000, 200])
      assert.strictEqual(
        new Set([...three.tables, ...four.tables].map(({ name }) => name)).size,
        1200
      )
    })
  )

  it.effect("gives a page that reads too slowly a snapshot instead of a backlog", () =>
    Effect.gen(function* () {
      const { feed, open } = yield* feedOver("a.b.t")
      const stream = open("s-1")
      const { next } = watched(feed)
      yield* next
      for (let n = 0; n < 60; n++) {
        stream.received(1, 1)
        yield* TestClock.adjust(1000)
      }
      let read = 0
      let message = yield* next
      for (; message.server === undefined; message = yield* next) read++
      assert.isAtMost(read, 8)
      assert.strictEqual(message.streams[0]?.received, 60)
    })
  )

  it.effect("accepts sixteen pages, and sends idle ones a sign of life", () =>
    Effect.gen(function* () {
      const { feed } = yield* feedOver()
      const pages = Array.from({ length: 16 }, () => watched(feed))
      assert.isTrue(feed.isFull())
      assert.isUndefined(feed.watch())
      pages[0]!.stop()
      assert.isFalse(feed.isFull())
      const page = pages[1]!
      yield* page.next
      const idle = yield* Effect.forkChild(page.frame)
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(yield* Fiber.join(idle), ":\n\n")
    })
  )
})
