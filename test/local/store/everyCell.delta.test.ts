/** Every cell of a table with 60 columns of all types, as delta-rs and Polars see it. `npm run test:delta` provides them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { compareCells, documentedTypes, everyTypeColumns, numberedRecords } from "../../support/foreignCells.ts"
import { seeded } from "../../support/randomTables.ts"
import { append, byHand, json, temporaryFolder } from "../../support/storedTables.ts"

const [count, rows] = [60, 1_700]

describe("every cell", () => {
  for (const [reader, script, args] of [
    ["delta-rs 1.6.6", "readDelta.py", ["read"]],
    ["Polars 2.1.0", "readPolars.py", []]
  ] as const) {
    it.live(
      `is right in ${reader}`,
      () =>
        Effect.gen(function* () {
          const columns = everyTypeColumns(count)
          const store = yield* makeDurableTableStore({ ...byHand, folder: yield* temporaryFolder, worker: false })
          const { location } = yield* store.create({ name: "main.default.every", columns })
          const writer = yield* store.openWriter("main.default.every", { _tag: "Json" })
          const records = numberedRecords(seeded(61), columns, 0, rows)
          for (const part of [records.slice(0, 700), records.slice(700)]) {
            yield* append(
              writer,
              part.map((each) => json(each.json))
            )
            yield* store.flush()
          }
          const path = fileURLToPath(new URL(`../../support/${script}`, import.meta.url))
          const python = process.env["DELTA_PYTHON"] ?? "python3"
          const { stdout } = yield* Effect.tryPromise(() =>
            promisify(execFile)(python, [path, ...args, location], { maxBuffer: 1 << 28 })
          )
          const seen = (JSON.parse(stdout) as { readonly rows: ReadonlyArray<Record<string, unknown>> }).rows
          const found = compareCells(
            columns,
            records.map((each) => each.row),
            seen
          )
          assert.deepStrictEqual(found.wrong.slice(0, 5), [])
          assert.strictEqual(found.cells, count * rows)
          assert.deepStrictEqual(found.types, documentedTypes(reader))
        }),
      300_000
    )
  }
})
