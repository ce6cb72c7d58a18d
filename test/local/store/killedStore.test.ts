/**
 * A server process that is killed at random moments: no acknowledged row is lost, and no row is in
 * the table twice.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { openLog } from "../../../src/local/delta/deltaLog.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { killAfter } from "../../support/killedProcess.ts"
import { seeded } from "../../support/randomTables.ts"
import { byHand, logFiles, temporaryFolder } from "../../support/storedTables.ts"

/** For more rounds, set `ZEROBUS_KILLS=200`. */
const kills = Number(process.env["ZEROBUS_KILLS"] ?? 6)

/**
 * The places where the process kills itself in every second round: around commits, checkpoints, and
 * the deletion of log segments.
 */
const aims = ["link before", "link after", "rename before", "rename after", "rm before", "rm after"]

it.live(
  `keeps every acknowledged row exactly once over ${kills} kills`,
  () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const random = seeded(4711)
      const acknowledged = new Set<number>()
      for (let round = 0; round < kills; round++) {
        const aim =
          round % 2 === 0
            ? []
            : [
                ...aims[(round >> 1) % aims.length]!.split(" "),
                String(1 + Math.floor(random() * 4))
              ]
        const limit = aim.length > 0 ? 100_000 : 50 + Math.floor(random() * 4000)
        for (const id of yield* Effect.promise(() =>
          killAfter(folder, round * 10_000_000, limit, aim)
        )) {
          acknowledged.add(id)
        }
        if (round % 5 === 4) yield* Effect.promise(() => tearTail(folder, random))
      }
      assert.isAbove(acknowledged.size, kills * 50)
      const store = yield* makeDurableTableStore({
        ...byHand,
        folder,
        worker: false,
        limits: { lookAfterMillis: 0 }
      })
      yield* store.flush()
      const ids = (yield* store.rows("main.default.killed")).map((row) => Number(row["id"]))
      const inTable = new Set(ids)
      assert.strictEqual(ids.length, inTable.size, "no row twice")
      assert.deepStrictEqual(
        [...acknowledged].filter((id) => !inTable.has(id)),
        [],
        "no acknowledged row lost"
      )
      assert.strictEqual((yield* store.stats("main.default.killed")).rows, ids.length)
      // Nothing remains: the log is empty and the table names every data file.
      const location = Path.join(folder, "main", "default", "killed")
      const files = yield* Effect.promise(() => Fs.readdir(location))
      const log = yield* Effect.promise(() => openLog(location))
      const named = [...log!.snapshot.files.keys(), ...log!.snapshot.tombstones.keys()]
      assert.deepStrictEqual(files.filter((name) => name.endsWith(".parquet")).sort(), named.sort())
      assert.isAbove(log!.snapshot.tombstones.size, 0, "compaction took part")
      assert.deepStrictEqual(yield* Effect.promise(() => logFiles(folder)), [])
    }),
  180_000 + kills * 3000
)

/** Appends garbage to the newest log segment, like a write interrupted by a power loss. */
const tearTail = async (folder: string, random: () => number): Promise<void> => {
  const segments = await logFiles(folder)
  const last = segments[segments.length - 1]
  if (last === undefined) return
  await Fs.appendFile(
    last,
    Uint8Array.from({ length: 50 }, () => Math.floor(random() * 256))
  )
}
