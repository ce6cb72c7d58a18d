/**
 * Merging in levels: few live files after many commits, few rewrites of each row, and the same
 * choice after any history.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  type Add,
  applyAction,
  emptySnapshot,
  rowsOf,
  type Snapshot
} from "../../../src/local/delta/deltaActions.ts"
import { levelsOf, MergeLevels } from "../../../src/local/upkeep/mergeLevels.ts"
import { seeded } from "../../support/randomTables.ts"

let names = 0
const file = (rows: number, partition = "", size = 2000 + rows * 40): Add => ({
  path: `zerobus-${names++}.parquet`,
  partitionValues: { p: partition },
  size,
  modificationTime: names,
  dataChange: true,
  stats: `{"numRecords":${rows}}`
})
const none = new Set<string>()

/** Replaces files by one, as a merge does. Returns the number of rewritten rows. */
const merge = (snapshot: Snapshot, files: ReadonlyArray<Add>): number => {
  const rows = files.reduce((sum, each) => sum + rowsOf(each)!, 0)
  for (const { path } of files) applyAction(snapshot, { remove: { path, dataChange: false } })
  applyAction(snapshot, { add: file(rows, files[0]!.partitionValues["p"]!) })
  return rows
}

describe("levels", () => {
  for (const rows of [1, 10, 40, 999]) {
    it(`20,000 commits of ${rows} rows leave few files, and rewrite a row a few times`, () => {
      const snapshot = emptySnapshot()
      let written = 0
      let most = 0
      for (let n = 0; n < 20_000; n++) {
        applyAction(snapshot, { add: file(rows) })
        const due = levelsOf(snapshot, 32).due(none)
        if (due.length > 0) written += merge(snapshot, due)
        most = Math.max(most, snapshot.files.size)
      }
      assert.strictEqual(snapshot.rows, 20_000 * rows)
      // At most 31 files of each level below the large files, plus the large files.
      assert.isAtMost(most, 31 * 4 + (20_000 * rows) / 500_000)
      assert.isAtMost(written / (20_000 * rows), 3, "20,000 is less than 32 to the power of 3")
    })
  }

  it(
    "keep partitions apart, and leave big files, files of others and those with deleted rows " +
      "alone",
    () => {
      const snapshot = emptySnapshot()
      const add = (each: Add) => applyAction(snapshot, { add: each })
      const vector = { storageType: "u", pathOrInlineDv: "x", sizeInBytes: 1, cardinality: 1 }
      for (const partition of ["a", "b", "c"]) for (let n = 0; n < 2; n++) add(file(5, partition))
      for (let n = 0; n < 4; n++) {
        add({ ...file(5), path: `part-${n}.parquet` })
        add({ ...file(5), deletionVector: vector })
        add(file(5, "", 8 * 1024 * 1024))
        add(file(500_000))
      }
      const levels = levelsOf(snapshot, 3)
      assert.deepStrictEqual(levels.due(none), [])
      const third = file(8, "b")
      add(third)
      const due = levels.due(none)
      assert.lengthOf(due, 3)
      assert.isTrue(due.every(({ partitionValues }) => partitionValues["p"] === "b"))
      assert.deepStrictEqual(
        levels.due(new Set([third.path])),
        [],
        "one of them may not be merged yet"
      )
    }
  )

  it("hold the same files after random changes as when created again", () => {
    const random = seeded(5)
    const snapshot = emptySnapshot()
    const followed = levelsOf(snapshot, 4)
    const sorted = (files: ReadonlyArray<Add>) => files.map(({ path }) => path).sort()
    let due = 0
    for (let n = 0; n < 3000; n++) {
      const live = [...snapshot.files.values()]
      if (random() < 0.6 || live.length === 0) {
        applyAction(snapshot, {
          add: file(Math.floor(10 ** (random() * 4)), String(Math.floor(random() * 3)))
        })
      } else if (random() < 0.3) {
        // The same path again, with other rows.
        const again = live[Math.floor(random() * live.length)]!
        applyAction(snapshot, { add: { ...file(Math.floor(random() * 1000)), path: again.path } })
      } else {
        const { path } = live[Math.floor(random() * live.length)]!
        applyAction(snapshot, { remove: { path, dataChange: false } })
      }
      assert.strictEqual(levelsOf(snapshot, 4), followed)
      const anew = new MergeLevels(snapshot, 4)
      assert.strictEqual(followed.due(none).length > 0, anew.due(none).length > 0)
      const files = followed.due(none)
      if (files.length > 0) {
        due++
        const [{ partitionValues }] = files as [Add]
        const level = (each: Add) => Math.floor(Math.log(rowsOf(each)!) / Math.log(4) + 1e-9)
        const same = live
          .concat([...snapshot.files.values()])
          .filter((each) => snapshot.files.get(each.path) === each)
          .filter(
            (each) =>
              each.partitionValues["p"] === partitionValues["p"] && level(each) === level(files[0]!)
          )
        assert.deepStrictEqual(sorted(files), sorted([...new Set(same)]))
        merge(snapshot, files)
      }
    }
    assert.isAbove(due, 50)
    const rows = [...snapshot.files.values()].reduce((sum, each) => sum + rowsOf(each)!, 0)
    const bytes = [...snapshot.files.values()].reduce((sum, { size }) => sum + size, 0)
    assert.strictEqual(snapshot.rows, rows)
    assert.strictEqual(snapshot.bytes, bytes)
  })
})
