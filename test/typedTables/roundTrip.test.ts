/**
 * Typed records through the client, the wire and the local server into Delta tables on disk, and
 * back: the rows equal the records.
 */
import { afterAll, assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Table, Zerobus } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ColumnDefinition, ColumnType } from "../../src/internal/columns/columnType.ts"
import { randomTable, seeded, storable } from "../support/randomTables.ts"
import { sampleRecord } from "../support/sampleRecords.ts"

const dataDir = mkdtempSync(join(tmpdir(), "zerobus-typed-"))
afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

const tables = 40
const perTable = 25

/** A stored value in the form of the samples. */
const plain = (type: ColumnType, value: unknown): unknown => {
  if (value === null || value === undefined) return undefined
  switch (type._tag) {
    case "Struct":
      return plainRecord(type.fields, value as Record<string, unknown>)
    case "Array":
      return (value as Array<unknown>).length === 0
        ? undefined
        : (value as Array<unknown>).map((item) => plain(type.element, item))
    case "Map": {
      const entries = value instanceof Map ? [...value] : Object.entries(value as object)
      return entries.length === 0
        ? undefined
        : Object.fromEntries(
            entries.map(([key, item]) => [String(plain(type.key, key)), plain(type.value, item)])
          )
    }
    case "Binary":
      return Buffer.from(value as Uint8Array).toString("base64")
    case "Variant":
      return JSON.parse(String(value))
    case "BigInt":
    case "Timestamp":
    case "TimestampNtz":
      return String(value)
    case "Decimal":
      return String(value)
        .replace(/^(-?\d+\.\d*?)0+$/, "$1")
        .replace(/\.$/, "")
    default:
      return value
  }
}

const plainRecord = (
  columns: ReadonlyArray<ColumnDefinition>,
  record: Record<string, unknown>
): Record<string, unknown> =>
  Object.fromEntries(
    columns.flatMap(({ name, type }) => {
      const value = plain(type, record[name])
      return value === undefined ? [] : [[name, value]]
    })
  )

/** A sample's wire form after it was stored. */
const expected = (
  columns: ReadonlyArray<ColumnDefinition>,
  wire: Record<string, unknown>
): Record<string, unknown> => {
  const revive = (type: ColumnType, value: unknown): unknown => {
    switch (type._tag) {
      case "Struct":
        return expected(type.fields, value as Record<string, unknown>)
      case "Array":
        return (value as Array<unknown>).map((item) => revive(type.element, item))
      case "Map":
        return Object.fromEntries(
          Object.entries(value as object).map(([key, item]) => [key, revive(type.value, item)])
        )
      case "Variant":
        return JSON.parse(String(value))
      default:
        return value
    }
  }
  return Object.fromEntries(
    columns.flatMap(({ name, type }) => {
      const value = wire[name]
      const empty =
        value === undefined ||
        ((type._tag === "Array" || type._tag === "Map") &&
          Object.keys(value as object).length === 0)
      return empty ? [] : [[name, revive(type, value)]]
    })
  )
}

layer(ZerobusLocal.layer({ dataDir }), { excludeTestServices: true })("typed records", (it) => {
  for (const recordType of ["proto", "json"] as const) {
    it.effect(
      `arrive unchanged as ${recordType} in ${tables} random tables`,
      () =>
        Effect.gen(function* () {
          const local = yield* ZerobusLocal
          const zerobus = yield* Zerobus
          let rows = 0
          for (let seed = 0; seed < tables; seed++) {
            const definition = {
              ...storable(randomTable(seed)),
              name: `main.${recordType}.t${seed}`
            }
            const table = Table.fromDefinition(definition, { recordType })
            yield* local.createTable(table)
            const random = seeded(seed + 4_000_000)
            const samples = Array.from({ length: perTable }, () =>
              sampleRecord(random, definition.columns)
            )
            const taken: typeof samples = []
            yield* zerobus.withStream(table, (stream) =>
              Effect.forEach(
                samples,
                (sample) =>
                  stream.ingestRecord(sample.value as Table.DynamicRecord).pipe(
                    Effect.tap(() => Effect.sync(() => taken.push(sample))),
                    // JSON has no infinities: the record is refused, and the stream continues.
                    Effect.catchTag("InvalidArgument", (error) =>
                      recordType === "json" && /finite/.test(error.message)
                        ? Effect.void
                        : Effect.fail(error)
                    )
                  ),
                { discard: true }
              )
            )
            const stored = yield* local.records(table)
            assert.deepStrictEqual(
              stored.map((row) => plainRecord(definition.columns, row)),
              taken.map((sample) =>
                expected(definition.columns, sample.wire as Record<string, unknown>)
              ),
              `seed ${seed}`
            )
            rows += stored.length
          }
          assert.isAbove(rows, tables * perTable * 0.5)
        }),
      120_000
    )
  }
})
