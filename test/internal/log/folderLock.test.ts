/**
 * The lock of a data folder: one owner at a time, and a lock whose process is gone is taken over.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { FolderLocked, lockFolder } from "../../../src/internal/log/folderLock.ts"
import { temporaryFolder } from "../../support/storedTables.ts"

const inFolder = (body: (folder: string) => Promise<void>) =>
  Effect.flatMap(temporaryFolder, (folder) => Effect.promise(() => body(folder)))
const refusal = (folder: string) =>
  lockFolder(folder).then(
    () => assert.fail("the lock was taken twice"),
    (error: Error) => error
  )
const owner = (fields: object) =>
  JSON.stringify({ pid: process.pid, started: "1", host: Os.hostname(), token: "old", ...fields })

describe("the lock of a folder", () => {
  it.live("has one owner, is named to the next one, and leaves nothing behind", () =>
    inFolder(async (folder) => {
      const lock = await lockFolder(folder)
      const refused = await refusal(folder)
      assert.instanceOf(refused, FolderLocked)
      assert.include(refused.message, `in use by process ${process.pid} on ${Os.hostname()}`)
      assert.deepStrictEqual(await Fs.readdir(folder), [".lock"])
      await lock.release()
      assert.deepStrictEqual(await Fs.readdir(folder), [])
      await (await lockFolder(folder)).release()
    })
  )

  it.live("goes to one of many that want it at once", () =>
    inFolder(async (folder) => {
      const all = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)))
      assert.lengthOf(
        all.filter(({ status }) => status === "fulfilled"),
        1
      )
    })
  )

  it.live("is taken over from a process that is gone, another one of its number, and a cut write", () =>
    inFolder(async (folder) => {
      // No process has the first number; the start time of this one is another; the third is no JSON.
      for (const stale of [owner({ pid: 2 ** 30 }), owner({ started: "1" }), '{"pid":']) {
        await Fs.writeFile(Path.join(folder, ".lock"), stale)
        const lock = await lockFolder(folder)
        assert.notInclude(await Fs.readFile(Path.join(folder, ".lock"), "utf8"), '"token":"old"')
        await lock.release()
      }
    })
  )

  it.live("is not released by an owner that lost it", () =>
    inFolder(async (folder) => {
      const lock = await lockFolder(folder)
      const other = owner({ token: "other" })
      await Fs.writeFile(Path.join(folder, ".lock"), other)
      await lock.release()
      assert.strictEqual(await Fs.readFile(Path.join(folder, ".lock"), "utf8"), other)
    })
  )
})
