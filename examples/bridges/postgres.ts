/**
 * Copies rows of a PostgreSQL table into a Delta table, each exactly once, even when this program
 * is killed.
 *
 * Its only state is the id of its persistent stream: offset n of the stream is row n of the table,
 * in an order that never changes. The program resumes at row `resumedAt`.
 *
 * The database:
 *
 * ```sql
 * CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY,
 *   added xid8 NOT NULL DEFAULT pg_current_xact_id(), item text NOT NULL, quantity int NOT NULL);
 * CREATE INDEX ON orders (added, id);
 * CREATE TABLE bridges (name text PRIMARY KEY, stream_id text NOT NULL);
 * ```
 *
 * The order by `id` alone could change: a transaction with a lower id may commit after one with a
 * higher id. `added` is the transaction's number. Rows of transactions below `pg_snapshot_xmin` are
 * all visible, and no more are added among them. Rows must not be changed or deleted. Read from the
 * primary, not from a replica.
 *
 * ```sh
 * npx effect-zerobus local --table 'main.default.orders(id BIGINT, item STRING, quantity INT)'
 * DATABASE_URL=postgres://app:secret@localhost/shop node examples/bridges/postgres.ts
 * ```
 */
import { NodeRuntime } from "@effect/platform-node"
import { PgClient } from "@effect/sql-pg"
import { Config, Effect, Option, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { Column, Table, Zerobus, ZerobusLayer } from "effect-zerobus"

const Orders = Table.make("main.default.orders", {
  id: Column.BigInt,
  item: Column.String,
  quantity: Column.Int
})

/** A row. `added` and `id` are its position in the order, as text. */
interface Row {
  readonly added: string
  readonly id: string
  readonly item: string
  readonly quantity: number
}

type Place = Pick<Row, "added" | "id">

const beginning: Place = { added: "0", id: "0" }

/**
 * The stream of this bridge. Its id is stored before the first row is sent. A kill before that
 * leaves an empty stream.
 */
const openStream = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const zerobus = yield* Zerobus
  const known = sql<{
    readonly stream_id: string
  }>`SELECT stream_id FROM bridges WHERE name = 'orders'`
  if ((yield* known).length === 0) {
    const created = yield* Effect.scoped(zerobus.createPersistentStream(Orders))
    yield* sql`INSERT INTO bridges VALUES ('orders', ${created.streamId}) ON CONFLICT DO NOTHING`
  }
  const [bridge] = yield* known
  return yield* zerobus.resumePersistentStream(Orders, bridge!.stream_id)
})

/** The position of the last row before row number `count`. */
const placeBefore = Effect.fn(function* (count: number) {
  if (count === 0) return beginning
  const sql = yield* SqlClient.SqlClient
  const [place] = yield* sql<Place>`
    SELECT added::text, id::text FROM orders WHERE added < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY orders.added, orders.id OFFSET ${count - 1} LIMIT 1`
  return (
    place ??
    (yield* Effect.die(`The stream holds ${count} rows and the table fewer: rows were deleted.`))
  )
})

/** The rows after a position, and the next position. Waits briefly when there are none. */
const pageBehind = Effect.fn(function* (place: Place) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<Row>`
    SELECT added::text, id::text, item, quantity FROM orders
    WHERE (added, id) > (${place.added}::xid8, ${place.id}::bigint)
      AND added < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY orders.added, orders.id LIMIT 1000`
  if (rows.length === 0) yield* Effect.sleep("200 millis")
  return [rows, Option.some(rows.at(-1) ?? place)] as const
})

const program = Effect.gen(function* () {
  const stream = yield* openStream
  yield* Effect.log(`orders go on at row ${stream.resumedAt}`)
  const place = yield* placeBefore(stream.resumedAt)
  // One call per row, in order, so that the stream's offset equals the row number.
  yield* Stream.runForEach(Stream.paginate(place, pageBehind), ({ id, item, quantity }) =>
    stream.ingestRecord({ id: BigInt(id), item, quantity })
  )
})

program.pipe(
  Effect.scoped,
  Effect.provide([ZerobusLayer, PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") })]),
  NodeRuntime.runMain
)
