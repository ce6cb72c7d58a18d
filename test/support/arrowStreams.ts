/** Shared by tests of Arrow streams on the server: a table, batches, and an open call. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { ZerobusLocal, type ZerobusLocalShape } from "effect-zerobus/testing"
import { type ArrowCall, openDoPut, putHeaders } from "./arrowCall.ts"
import { batchOf, flightMessages, types } from "./arrowMessages.ts"

let tables = 0
/** A new table for each test. */
export const freshTable = (columns = "id BIGINT NOT NULL, name STRING") =>
  Effect.gen(function* () {
    const local = yield* ZerobusLocal
    const table = `main.arrow.t${tables++}`
    yield* local.createTable(`${table}(${columns})`)
    return { local, table }
  })

/** Batches with these numbers of rows and consecutive ids, as the messages of a call. */
export const messagesOf = (...sizes: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  let next = 0
  const batches = sizes.map((size) => {
    const ids = Array.from({ length: size }, () => BigInt(next++))
    return batchOf({
      id: [types.bigint, ids, false],
      name: [types.string, ids.map((id) => `row ${id}`)]
    })
  })
  return flightMessages(...batches)
}

/** Starts a call. */
export const open = (local: ZerobusLocalShape, table: string) =>
  Effect.flatMap(putHeaders(local, table), (headers) => openDoPut(local.serverEndpoint, headers))

/** Opens a call and reads the ready answer. */
export const opened = Effect.fnUntraced(function* (
  local: ZerobusLocalShape,
  table: string,
  schema: Uint8Array
) {
  const call = yield* open(local, table)
  yield* call.send(schema)
  assert.deepStrictEqual(yield* call.next, ready)
  return call
})

/** The answer to a schema. */
export const ready = { ack_up_to_offset: -1, ack_up_to_records: 0 }

/** Reads answers until this many rows are acknowledged. */
export const acked = Effect.fnUntraced(function* (call: ArrowCall, rows: number) {
  let last = yield* call.next
  while (last.ack_up_to_records! < rows) last = yield* call.next
  return last
})

/** The ids in a table, ascending. */
export const idsIn = (local: ZerobusLocalShape, table: string) =>
  Effect.map(local.records(table), (rows) =>
    rows.map((row) => Number(row["id"])).sort((a, b) => a - b)
  )

/** The numbers from 0 to `count` - 1. */
export const upTo = (count: number) => Array.from({ length: count }, (_, n) => n)
