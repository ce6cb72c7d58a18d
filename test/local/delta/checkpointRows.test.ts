/**
 * Our checkpoints, read by our own reader: the same state as with the rows of the Parquet library.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { applyAction, emptySnapshot, type Snapshot } from "../../../src/local/delta/deltaActions.ts"
import { readCheckpoint, writeCheckpoint } from "../../../src/local/delta/deltaCheckpoint.ts"
import { columnTree } from "../../../src/local/parquet/columnTree.ts"
import { eachRow } from "../../../src/local/delta/checkpointRows.ts"
import { encodeParquet } from "../../../src/local/parquet/parquet.ts"
import { seeded } from "../../support/randomTables.ts"
import { table, temporaryFolder } from "../../support/storedTables.ts"

/** A state with fields of all kinds, present and absent. */
const randomState = (seed: number): Snapshot => {
  const random = seeded(seed)
  const maybe = <A>(value: A): A | undefined => (random() < 0.5 ? value : undefined)
  const number = () => Math.floor(random() * 2 ** 45) - 2 ** 44
  const map = () =>
    Object.fromEntries(
      Array.from({ length: Math.floor(random() * 3) }, (_, n) => [
        `k${n} "ž🐎`,
        random() < 0.3 ? null : `v${n}`
      ])
    )
  const vector = () => ({
    storageType: "u",
    pathOrInlineDv: "x".repeat(Math.floor(random() * 30)),
    ...defined({ offset: maybe(Math.floor(random() * 100)) }),
    sizeInBytes: 5,
    cardinality: number()
  })
  const file = (n: number) => ({
    path: `f${n}-${"ž".repeat(Math.floor(random() * 5))}`,
    partitionValues: map(),
    size: number(),
    ...defined({ tags: maybe(map()), deletionVector: maybe(vector()), baseRowId: maybe(number()) })
  })
  const snapshot = emptySnapshot()
  const apply = (action: Record<string, unknown>) => applyAction(snapshot, action)
  apply({
    protocol: {
      minReaderVersion: 3,
      minWriterVersion: 7,
      readerFeatures: [],
      writerFeatures: ["a", "b"]
    }
  })
  apply({
    metaData: {
      id: "t",
      format: { provider: "parquet", options: { a: "b" } },
      schemaString: "{}",
      partitionColumns: random() < 0.5 ? [] : ["p", "q"],
      configuration: { "delta.x": "1" }
    }
  })
  for (let n = 0; n < 40; n++) {
    const kind = random()
    if (kind < 0.4) {
      const add = {
        ...file(n),
        modificationTime: n,
        dataChange: false,
        ...defined({ stats: maybe('{"numRecords":3}') })
      }
      apply({ add })
    } else if (kind < 0.8)
      apply({ remove: { ...file(n), deletionTimestamp: 10 ** 12 + n, dataChange: false } })
    else if (kind < 0.9)
      apply({ txn: { appId: `a${n}`, version: n, ...defined({ lastUpdated: maybe(number()) }) } })
    else apply({ domainMetadata: { domain: `d${n}`, configuration: "", removed: false } })
  }
  snapshot.version = 7
  return snapshot
}

/** The content of a state, independent of the packing of its tombstones. */
const held = (state: Snapshot) => ({ ...state, tombstones: new Map(state.tombstones) })

const defined = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

it.live("a checkpoint holds what was put in, read by our own way and by the library's", () =>
  Effect.flatMap(temporaryFolder, (folder) =>
    Effect.promise(async () => {
      for (let seed = 1; seed <= 30; seed++) {
        const state = randomState(seed)
        await writeCheckpoint(folder, state, "owner")
        const name = `${"7".padStart(20, "0")}.checkpoint.parquet`
        assert.deepStrictEqual(
          held(await readCheckpoint(folder, [name], 7)),
          held(state),
          `seed ${seed}`
        )
        // With another writer's name in its footer, the file is read with the library.
        const bytes = await Fs.readFile(Path.join(folder, name))
        const at = bytes.lastIndexOf("effect-zerobus")
        bytes.write("someone-else-1", at)
        await Fs.writeFile(Path.join(folder, name), bytes)
        assert.deepStrictEqual(
          held(await readCheckpoint(folder, [name], 7)),
          held(state),
          `seed ${seed}, foreign`
        )
      }
    })
  )
)

it("a file with other columns is not read", () => {
  const tree = (text: string) => columnTree(table(`a.b.c(${text})`).columns)
  const file = encodeParquet(tree("id INT"), [])
  let rows = 0
  assert.isTrue(eachRow(tree("id INT"), file, () => rows++))
  assert.isFalse(eachRow(tree("id BIGINT"), file, () => rows++))
  assert.isFalse(eachRow(tree("id INT, more INT"), file, () => rows++))
  assert.strictEqual(rows, 0)
})
