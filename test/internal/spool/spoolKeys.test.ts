/**
 * Keys of the entries of a spool: they stay with their records, whatever part of a run is read, and
 * survive a repair.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs/promises"
import { nodeDisk } from "../../../src/internal/log/logDisk.ts"
import { readHeader, segmentNumbers, segmentPath } from "../../../src/internal/log/segmentFiles.ts"
import { keyAt, offsetsOf } from "../../../src/internal/spool/entries.ts"
import type { SpoolHeader } from "../../../src/internal/spool/identity.ts"
import { waitingEntries } from "../../../src/internal/spool/readSpool.ts"
import { repairSpool } from "../../../src/internal/spool/repairSpool.ts"
import type { SpoolLog } from "../../../src/internal/spool/spoolLog.ts"
import { inFolder, offer, open, settled } from "../../support/spoolFolder.ts"

const keyed = {
  identity: { table: "main.default.t", recordType: "json", descriptor: undefined, keyed: true }
} as const

/**
 * Reads on in a log and returns the key of each offset. Takes at most this many records of an entry
 * at a time.
 */
const keysOf = async (log: SpoolLog, most = Infinity): Promise<ReadonlyArray<string>> => {
  const { reader } = log
  const found: Array<string> = []
  while (reader.hasMore) {
    const entry = reader.peekUnsafe()
    if (entry === undefined) {
      await reader.load()
      continue
    }
    const offsets = Math.min(most, offsetsOf(entry))
    for (let n = 0; n < offsets; n++) found.push(`${entry.offset + n}: ${keyAt(entry, n)}`)
    // Texts of one letter take three bytes each.
    const records = entry.atomic ? entry.records : offsets
    reader.takeUnsafe(records, records * 3)
  }
  return found
}

const versions = async (folder: string): Promise<ReadonlyArray<number | undefined>> =>
  Promise.all(
    (await segmentNumbers(nodeDisk, folder)).map(
      async (number) =>
        (await readHeader<SpoolHeader>(nodeDisk, segmentPath(folder, number)))?.version
    )
  )

/** Two runs with a batch between them, of one group. */
const fill = async (log: SpoolLog): Promise<void> => {
  offer(log, ["a"], false, false, 7)
  offer(log, ["b"], false, false, 2 ** 32 - 1)
  offer(log, ["c"], false, false, 0)
  offer(log, ["d", "e"], true, false, 5)
  offer(log, ["f"], false, false, 9)
  await settled(log.latestGroup)
}

const all = ["0: 7", `1: ${2 ** 32 - 1}`, "2: 0", "3: 5", "4: 9"]

describe("the keys of a spool's entries", () => {
  it.live(
    "are read with their records, from memory and from disk, however many are taken at a time",
    () =>
      inFolder(async (folder) => {
        for (const most of [1, 2, Infinity]) {
          const own = `${folder}/${most}`
          const log = await open(own, keyed)
          await fill(log)
          assert.deepStrictEqual(await keysOf(log, most), all)
          await log.close()
          const again = await open(own, keyed)
          assert.deepStrictEqual(await keysOf(again, most), all)
          await again.close()
        }
      })
  )

  it.live("are those of the records that are left when a part of a run is acknowledged", () =>
    inFolder(async (folder) => {
      const log = await open(folder, keyed)
      await fill(log)
      log.acknowledge(0)
      await log.close()
      const again = await open(folder, keyed)
      assert.deepStrictEqual(await keysOf(again), all.slice(1))
      await again.close()
    })
  )

  it.live("are in files that earlier versions refuse, next to entries without keys", () =>
    inFolder(async (folder) => {
      for (const options of [{}, keyed, {}]) {
        const log = await open(folder, options)
        offer(log, ["a"], false, false, options === keyed ? 3 : undefined)
        await settled(log.latestGroup)
        await log.close()
      }
      assert.deepStrictEqual(await versions(folder), [1, 3, 1])
      const log = await open(folder)
      assert.deepStrictEqual(await keysOf(log), ["0: undefined", "1: 3", "2: undefined"])
      await log.close()
    })
  )

  it.live("do not show in what is read of a spool from outside", () =>
    inFolder(async (folder) => {
      const log = await open(folder, keyed)
      await fill(log)
      await log.close()
      const payloads: Array<string> = []
      for await (const entries of waitingEntries(folder)) {
        for (const entry of entries)
          payloads.push(entry.payloads.map((each) => Buffer.from(each).toString()).join("+"))
      }
      assert.deepStrictEqual(payloads, ["a", "b", "c", "d+e", "f"])
    })
  )

  it.live("survive a repair, in files of their version", () =>
    inFolder(async (folder) => {
      const log = await open(folder, keyed)
      await fill(log)
      offer(log, ["x".repeat(1000)], false, false, 1)
      await settled(log.latestGroup)
      offer(log, ["y"], false, false, 2)
      await settled(log.latestGroup)
      await log.close()
      const later = await open(folder)
      offer(later, ["z"])
      await settled(later.latestGroup)
      await later.close()
      const [first] = await segmentNumbers(nodeDisk, folder)
      const path = segmentPath(folder, first!)
      const file = await Fs.readFile(path)
      file[file.indexOf("xxxx")] = 0
      await Fs.writeFile(path, file)
      await repairSpool(folder)
      assert.deepStrictEqual(await versions(folder), [3, 1])
      const again = await open(folder, keyed)
      const found = await keysOf(again)
      // Offsets before the lost record are one higher now.
      assert.deepStrictEqual(
        found.map((each) => each.slice(each.indexOf(" ") + 1)),
        [...all.map((each) => each.slice(3)), "2", "undefined"]
      )
      await again.close()
    })
  )
})
