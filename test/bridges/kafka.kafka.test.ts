/**
 * `examples/bridges/kafka.ts` with a real broker and the local server. While messages arrive, a
 * second member joins and is killed, and the server is killed, hangs, and is killed again. Run it
 * with `npm run test:kafka`. `-- --full` runs more rounds with more messages; `KAFKA_SEED` sets the
 * seed.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { hasKafka, startKafka } from "../support/kafka.ts"
import { seeded } from "../support/randomTables.ts"
import type { Row } from "./arrivals.ts"
import { startBridge } from "./bridgeProcess.ts"
import { rowsIn, ServerProcess } from "./serverProcess.ts"
import { makeTopic, partitions, topicVariables } from "./topic.ts"

const full = process.env["KAFKA_FULL"] === "1"
const seed = Number(process.env["KAFKA_SEED"] ?? 1)
/** Rounds of the four events, and the maximum number of message batches before each event. */
const size = full ? { rounds: 8, batches: 1_000 } : { rounds: 1, batches: 300 }
const perBatch = 20
/** The pause between batches while an event happens. */
const pace = Schedule.spaced("20 millis")
const events = "main.default.events"

/** The offsets that the group had committed just before an event. */
interface Event {
  readonly name: string
  readonly at: number
  readonly committed: ReadonlyArray<number>
}

const partitionOf = (row: Row): number => Number(row["kafka_partition"])
const offsetOf = (row: Row): number => Number(row["kafka_offset"])

/** Committed offsets that are missing from the rows, as `partition:offset`. */
const missing = (
  rows: ReadonlyArray<Row>,
  committed: ReadonlyArray<number>
): ReadonlyArray<string> => {
  const found = new Set(rows.map((row) => `${partitionOf(row)}:${offsetOf(row)}`))
  return committed.flatMap((end, partition) =>
    Array.from({ length: end }, (_, offset) => `${partition}:${offset}`).filter(
      (name) => !found.has(name)
    )
  )
}

const run = Effect.fn(function* (folder: string) {
  const broker = yield* startKafka
  const topic = yield* makeTopic(broker)
  const random = seeded(seed)
  const columns = "kafka_partition INT, kafka_offset BIGINT, event_key STRING, event STRING"
  const server = yield* ServerProcess.start(
    folder,
    `${events}(${columns}, published_at TIMESTAMP, ingested_at TIMESTAMP)`
  )
  const happened: Array<Event> = []
  const ahead: Array<string> = []

  const send = topic.send(perBatch, random)
  /**
   * Runs an event at a random moment while messages arrive, and waits until the group has committed
   * them.
   */
  const amid = <A, E, R>(name: string, event: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      yield* Effect.repeat(send, { times: Math.floor(random() * size.batches) })
      let over = false
      const sending = yield* Effect.forkChild(
        Effect.repeat(send, { schedule: pace, until: () => over })
      )
      const committed = yield* topic.committed
      happened.push({ name, at: Date.now(), committed })
      const result = yield* event
      over = true
      yield* Fiber.join(sending)
      assert.deepStrictEqual(
        yield* topic.caughtUp,
        topic.next,
        "committed when nothing is on its way"
      )
      return result
    })

  const member = Effect.suspend(() =>
    startBridge("kafka.ts", { ...server.environment, ...topicVariables(broker) })
  )
  const killServer = Effect.gen(function* () {
    yield* server.kill
    const rows = yield* server.left(events)
    ahead.push(...missing(rows, yield* topic.committed))
    yield* server.start
  })
  const first = yield* member
  yield* topic.members(1)
  for (let round = 0; round < size.rounds; round++) {
    const second = yield* amid(
      "a member joins",
      Effect.tap(member, () => topic.members(2))
    )
    yield* amid(
      "a member is killed",
      Effect.tap(second.end("SIGKILL"), () => topic.members(1))
    )
    yield* amid("the server is killed", killServer)
    // Longer than the time between two commits: commits must not run ahead of the server.
    const hang = Effect.andThen(server.hang, Effect.sleep("2500 millis"))
    yield* amid("the server hangs and is killed", Effect.andThen(hang, killServer))
  }
  const sent = [...topic.next]
  yield* Effect.repeat(send, { times: 50 })
  assert.strictEqual(yield* first.end("SIGTERM"), 130, first.output())
  const committed = yield* topic.committed
  yield* server.kill
  const rows = yield* rowsIn(folder, events)
  // An interruption may occur after a message was ingested and before its offset was recorded.
  const beyond = rows.filter((row) => offsetOf(row) >= committed[partitionOf(row)]!)
  assert.isAtMost(beyond.length, 1, "rows that a graceful stop did not commit")
  return { happened, ahead: [...ahead, ...missing(rows, committed)], sent, rows }
})

/**
 * Rows whose first appearance is out of order, and duplicates of messages that were committed
 * before they were read.
 */
const judge = (rows: ReadonlyArray<Row>, happened: ReadonlyArray<Event>) => {
  const last = Array.from({ length: partitions }, () => -1)
  const [misplaced, committedTwice]: [Array<string>, Array<string>] = [[], []]
  const copies = new Map(happened.map(({ name }) => [name, 0]))
  for (const row of rows) {
    const [partition, offset] = [partitionOf(row), offsetOf(row)]
    if (offset === last[partition]! + 1) {
      last[partition] = offset
      continue
    }
    const at = Number(row["ingested_at"]) / 1000
    const text = `${partition}:${offset} at ${at}`
    if (offset > last[partition]!) misplaced.push(text)
    const event = happened.findLast((one) => one.at <= at)
    if (event === undefined || offset < event.committed[partition]!)
      committedTwice.push(`${text}, ${event?.name}`)
    else copies.set(event.name, copies.get(event.name)! + 1)
  }
  return { misplaced, committedTwice, copies }
}

it.live.skipIf(!hasKafka)(
  "the bridge from Kafka commits only records that are in the table, over rebalances and kills",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "zerobus-bridge-"))
    return Effect.gen(function* () {
      const { ahead, happened, rows, sent } = yield* run(join(folder, "data"))
      const { committedTwice, copies, misplaced } = judge(rows, happened)
      const total = sent.reduce((sum, count) => sum + count, 0)
      const events = [...copies].map(([name, count]) => `${count} after ${name}`).join(", ")
      console.log(`seed ${seed}: ${total} messages in ${partitions} partitions; copies: ${events}`)
      assert.deepStrictEqual(missing(rows, sent), [], "messages that the table lacks")
      assert.deepStrictEqual(misplaced.slice(0, 10), [], "first appearances out of order")
      assert.deepStrictEqual(
        ahead.slice(0, 10),
        [],
        "committed and not in the table when the server was killed"
      )
      assert.deepStrictEqual(committedTwice.slice(0, 10), [], "copies of committed records")
    }).pipe(
      Effect.scoped,
      Effect.ensuring(Effect.sync(() => rmSync(folder, { recursive: true, force: true })))
    )
  },
  full ? 1_800_000 : 400_000
)
