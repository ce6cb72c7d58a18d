/**
 * `examples/bridges/postgres.ts` with a real PostgreSQL and the local server. The program is killed
 * at random moments while transactions commit out of order. Each committed row must be in the table
 * once, in order. Run it with `npm run test:postgres`. `-- --full` runs more kills and rows;
 * `POSTGRES_SEED` sets the seed.
 */
import { assert, it } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { Deferred, Effect, Fiber, Layer, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { ZerobusLocal } from "effect-zerobus/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { postgresPrograms, startPostgres } from "../support/postgres.ts"
import { seeded } from "../support/randomTables.ts"
import { arrivals } from "./arrivals.ts"
import { environmentOf, startBridge } from "./bridgeProcess.ts"

const full = process.env["POSTGRES_FULL"] === "1"
const seed = Number(process.env["POSTGRES_SEED"] ?? 1)
/**
 * Kills of the program, one per round; transactions per round; rows added by one statement after
 * the last kill.
 */
const size = full
  ? { kills: 40, transactions: 400, bulk: 500_000 }
  : { kills: 6, transactions: 80, bulk: 20_000 }
const orders = "main.default.orders"

/** The statements from the header of the example. */
const createTables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY,
    added xid8 NOT NULL DEFAULT pg_current_xact_id(), item text NOT NULL, quantity int NOT NULL)`
  yield* sql`CREATE INDEX ON orders (added, id)`
  yield* sql`CREATE TABLE bridges (name text PRIMARY KEY, stream_id text NOT NULL)`
})

/**
 * Transactions of one to five rows, four at a time; a tenth of them roll back. The transaction that
 * took the first number commits after half of the others, so the order of `id` differs from the
 * order of the commits.
 */
const write = Effect.fn(function* (random: () => number) {
  const sql = yield* SqlClient.SqlClient
  const insert = Effect.gen(function* () {
    const rows = 1 + Math.floor(random() * 5)
    for (let n = 0; n < rows; n++) {
      const quantity = Math.floor(random() * 100)
      yield* sql`INSERT INTO orders (item, quantity) VALUES (${`item-${quantity}`}, ${quantity})`
    }
  })
  const transaction = insert.pipe(
    Effect.andThen(
      Effect.suspend(() => (random() < 0.1 ? Effect.fail("rolled back" as const) : Effect.void))
    ),
    sql.withTransaction,
    Effect.catchIf(
      (error) => error === "rolled back",
      () => Effect.void
    )
  )
  const transactions = (count: number) =>
    Effect.all(
      Array.from({ length: count }, () => transaction),
      { concurrency: 4, discard: true }
    )
  const [began, half] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const long = yield* Effect.forkChild(
    insert.pipe(
      Effect.andThen(Deferred.succeed(began, undefined)),
      Effect.andThen(Deferred.await(half)),
      sql.withTransaction
    )
  )
  yield* Deferred.await(began)
  yield* transactions(size.transactions / 2)
  yield* Deferred.succeed(half, undefined)
  yield* transactions(size.transactions / 2)
  yield* Fiber.join(long)
})

/** The committed rows, in the order in which the bridge reads them. */
const committed = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ id: string; item: string; quantity: number }>`
    SELECT id::text, item, quantity FROM orders ORDER BY orders.added, orders.id`
  return rows.map(({ id, item, quantity }) => ({ id: BigInt(id), item, quantity }))
})

const run = Effect.fn(function* (database: string) {
  const local = yield* ZerobusLocal
  yield* local.createTable(`${orders}(id BIGINT, item STRING, quantity INT)`)
  yield* createTables
  const random = seeded(seed)
  const start = startBridge("postgres.ts", { ...environmentOf(local), DATABASE_URL: database })
  let killedAt: Array<number> = []
  for (let round = 0; round < size.kills; round++) {
    // The first process dies after it created its stream, possibly before it stored the id.
    const event = round === 0 ? "created" : random() < 0.2 ? "resumed" : "acked"
    const opened = round === 0 ? "created" : "resumed"
    const [openings, before] = [
      yield* local.count(orders, opened),
      yield* local.count(orders, event)
    ]
    const bridge = yield* start
    yield* local.waitFor(orders, opened, openings + 1)
    const writing = yield* Effect.forkChild(write(random))
    const later = event === "acked" ? 1 + Math.floor(random() * 20) : 1
    yield* Effect.raceFirst(local.waitFor(orders, event, before + later), Fiber.join(writing))
    assert.strictEqual(yield* bridge.end("SIGKILL"), "SIGKILL", bridge.output())
    yield* Fiber.join(writing)
    killedAt = [...killedAt, (yield* local.records(orders)).length]
  }
  const sql = yield* SqlClient.SqlClient
  yield* sql`INSERT INTO orders (item, quantity)
    SELECT 'bulk', n FROM generate_series(1, ${size.bulk}::int) AS n`
  const expected = yield* committed
  const resumed = yield* local.count(orders, "resumed")
  const bridge = yield* start
  yield* local.waitFor(orders, "resumed", resumed + 1)
  const began = performance.now()
  // The stream left over from the first kill is empty.
  const streams = Effect.map(local.streams(orders), (all) =>
    all.map((stream) => stream.committed).sort((a, b) => b - a)
  )
  yield* Effect.repeat(streams, {
    schedule: Schedule.spaced("20 millis"),
    until: ([last]) => last! >= expected.length - 1
  }).pipe(
    Effect.timeoutOrElse({
      duration: full ? "10 minutes" : "1 minute",
      orElse: () => Effect.die(bridge.output())
    })
  )
  const rate = Math.round(size.bulk / ((performance.now() - began) / 1000))
  assert.strictEqual(yield* bridge.end("SIGTERM"), 130, bridge.output())
  return {
    expected,
    rows: yield* arrivals(orders),
    killedAt,
    rate,
    streams: (yield* streams).length
  }
})

it.live.skipIf(postgresPrograms === undefined)(
  `${size.kills} kills of the bridge from PostgreSQL: each row once, in order`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), "zerobus-bridge-"))
    return Effect.gen(function* () {
      const { url } = yield* startPostgres
      const services = Layer.mergeAll(
        ZerobusLocal.layerServer({ dataDir: folder }),
        PgClient.layer({ url: Redacted.make(url) })
      )
      const { expected, killedAt, rate, rows, streams } = yield* run(url).pipe(
        Effect.provide(services)
      )
      const byId = expected.map(({ id }) => id)
      console.log(
        `seed ${seed}: ${rows.length} rows once over ${size.kills} kills, at ` +
          `${killedAt.join(", ")} rows; ` +
          `${byId.filter((id, n) => n > 0 && id < byId[n - 1]!).length} commits out of the ` +
          `order of id; ` +
          `${streams} streams; then ${rate} rows a second`
      )
      assert.deepStrictEqual(rows, expected)
      assert.isAbove(expected.length, size.bulk + size.kills * size.transactions * 2)
      // Kills before the first row or after the last one would prove nothing.
      assert.isAtLeast(new Set(killedAt).size, size.kills / 2)
    }).pipe(
      Effect.scoped,
      Effect.ensuring(Effect.sync(() => rmSync(folder, { recursive: true, force: true })))
    )
  },
  full ? 1_800_000 : 240_000
)
