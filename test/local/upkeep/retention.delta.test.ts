/**
 * Forty days of a table as delta-rs reads them: each version within the retention of deleted files
 * has its rows. Needs the environment of `npm run test:delta`.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import * as Fs from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { logFolder } from "../../../src/local/delta/deltaLog.ts"
import { checkpointsIn, versionOf } from "../../../src/local/delta/replay.ts"
import { agedTable, day } from "../../support/agedTable.ts"
import { temporaryFolder } from "../../support/storedTables.ts"

const script = fileURLToPath(new URL("../../support/readDelta.py", import.meta.url))
const idsAt = async (location: string, version: number): Promise<ReadonlyArray<number>> => {
  const args = [script, "read", location, "--version", String(version)]
  const { stdout } = await promisify(execFile)(process.env["DELTA_PYTHON"] ?? "python3", args, {
    maxBuffer: 1 << 28
  })
  const seen = JSON.parse(stdout) as {
    readonly version: number
    readonly rows: ReadonlyArray<{ readonly id: unknown }>
  }
  assert.strictEqual(seen.version, version)
  return seen.rows.map(({ id }) => Number(id)).sort((a, b) => a - b)
}

for (const [what, retention, configuration] of [
  ["by Delta's defaults", 7 * day, undefined],
  [
    "with shorter retentions and many checkpoints",
    2 * day,
    {
      "delta.deletedFileRetentionDuration": "interval 2 days",
      "delta.logRetentionDuration": "interval 3 days",
      "delta.checkpointInterval": "1"
    }
  ]
] as const) {
  it.live(
    `delta-rs reads each version within the retention after forty days ${what}`,
    () =>
      Effect.gen(function* () {
        const commitsPerDay = configuration === undefined ? 2 : 8
        const { location, now, versions } = yield* agedTable({
          folder: yield* temporaryFolder,
          days: 40,
          commitsPerDay,
          ...(configuration === undefined ? {} : { configuration })
        })
        yield* Effect.promise(async () => {
          const names = await Fs.readdir(logFolder(location))
          const commits = names.flatMap((name) => versionOf(name) ?? [])
          assert.isBelow(commits.length, versions.length * 0.9, "commits have left")
          assert.isBelow(checkpointsIn(names).length, commits.length * 0.9, "and checkpoints")
          const kept = versions.filter(
            (_, index) => (versions[index + 1]?.time ?? now) > now - retention
          )
          assert.isAbove(kept.length, 12)
          for (const { rows, version } of kept) {
            assert.deepStrictEqual(
              await idsAt(location, version),
              Array.from({ length: rows }, (_, id) => id),
              `version ${version}`
            )
          }
        })
      }),
    400_000
  )
}
