/**
 * Random servers, by seed: they acknowledge any number of rows, rotate, cut and end connections. In
 * every case all rows become durable, in order, and no receipt resolves before its rows are
 * durable.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Arrow from "apache-arrow"
import { Effect, Option } from "effect"
import * as A from "../support/acceptance.ts"
import * as F from "../support/arrowAcceptance.ts"
import type { FlightConnection } from "../support/scriptedFlight.ts"
import { code } from "../support/scriptedServer.ts"

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
const randomOf = (seed: number) => {
  let state = seed
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const schema = new Arrow.Schema([new Arrow.Field("n", new Arrow.Int32(), true)])

/** A table with batches of these sizes in rows; each batch is a frame. */
const tableOf = (from: number, sizes: ReadonlyArray<number>): Arrow.Table => {
  let first = from
  const batches = sizes.map((rows) => {
    const data = Arrow.makeData({
      type: new Arrow.Int32(),
      data: Int32Array.from(F.numbers(first, rows))
    })
    first += rows
    const columns = Arrow.makeData({
      type: new Arrow.Struct(schema.fields),
      children: [data],
      length: rows,
      nullCount: 0
    })
    return new Arrow.RecordBatch(schema, columns)
  })
  return new Arrow.Table(schema, batches)
}

const run = (seed: number) =>
  Effect.gen(function* () {
    const random = randomOf(seed)
    const below = (limit: number): number => Math.floor(random() * limit)
    /** Rows of each connection that the server has made durable. */
    const durable = new Map<FlightConnection, number>()
    const acknowledge = (connection: FlightConnection, closeMillis?: number): void => {
      const before = durable.get(connection) ?? 0
      const rows = before + below(connection.rows - before + 1)
      durable.set(connection, rows)
      connection.ack(rows, closeMillis)
    }
    const { server, stream } = yield* F.open(
      { recoveryRetries: 1_000, serverLackOfAckTimeout: 500 },
      {
        onFrame: (connection) => {
          if (connection.over) return
          const chance = random()
          if (chance < 0.5) acknowledge(connection)
          else if (chance < 0.53) connection.cut()
          else if (chance < 0.56) connection.fail(code.UNAVAILABLE)
          else if (chance < 0.6) acknowledge(connection, below(900))
          else if (chance < 0.62) connection.closing(below(900))
          else if (chance < 0.64) connection.end()
        },
        onHalfClose: (connection) => {
          if (random() < 0.5) acknowledge(connection)
          connection.end()
        }
      }
    )
    const ends: Array<number> = []
    const acks = []
    let next = 0
    for (let n = 0; n < 25; n++) {
      const sizes = Array.from({ length: 1 + below(4) }, () => 1 + below(6))
      acks.push(yield* stream.ingestRecord(tableOf(next, sizes)))
      next += sizes.reduce((sum, rows) => sum + rows, 0)
      ends.push(next)
      if (random() < 0.3) yield* A.settle
    }
    const flush = yield* A.started(stream.flush)
    for (let step = 0; step < 400 && !flush.done(); step++) {
      yield* A.advance(100, 50)
      // No receipt completes before its rows.
      const known = upTo(server.connections, durable)
      for (const [index, ack] of acks.entries()) {
        if (Option.isSome(yield* ack.poll)) assert.isAtLeast(known, ends[index]!, `offset ${index}`)
      }
    }
    yield* flush.join
    assert.strictEqual(upTo(server.connections, durable), next)
    yield* stream.close
  })

/**
 * The row up to which all are durable. Each connection starts within the rows that were durable
 * before.
 */
const upTo = (
  connections: ReadonlyArray<FlightConnection>,
  durable: ReadonlyMap<FlightConnection, number>
): number => {
  let known = 0
  for (const connection of connections) {
    if (connection.frames.length === 0) continue
    const rows = F.numbersOf(connection.table)
    const [first] = rows
    assert.deepStrictEqual(rows, F.numbers(first!, rows.length))
    assert.isAtMost(first!, known, "no row is left out")
    known = Math.max(known, first! + (durable.get(connection) ?? 0))
  }
  return known
}

describe("random Flight servers", () => {
  it.effect.each(F.numbers(1, 25))("make every row durable: seed %i", run)
})
