/**
 * What is on disk before a spool continues: after a power loss at any time the log opens, with all
 * records whose calls had completed.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { segmentNumbers, segmentPath } from "../../../src/internal/log/segmentFiles.ts"
import { type LogDisk, nodeDisk } from "../../../src/internal/log/logDisk.ts"
import { AcknowledgedFile, readAcknowledged } from "../../../src/internal/spool/acknowledgedFile.ts"
import { examineSpool } from "../../../src/internal/spool/repairSpool.ts"
import { failure, faultyDisk } from "../../support/faultyDisk.ts"
import {
  append,
  framed,
  inFolder,
  offer,
  open,
  readAll,
  rejection,
  settled
} from "../../support/spoolFolder.ts"

/** A disk that lists its calls by the names of their files. */
const listing = () => {
  const calls: Array<string> = []
  const disk = faultyDisk()
  disk.before = (operation, path) => void calls.push(`${operation} ${Path.basename(path)}`)
  return { calls, disk }
}

/** Files of 1 KiB. */
const small = { maxBytes: 8 * 1024 }

describe("opening a spool", () => {
  it.live(
    "makes durable what a killed process had written, and the names of files and folder",
    () =>
      inFolder(async (parent) => {
        const folder = Path.join(parent, "spool")
        const log = await open(folder, { ...small, sync: "os" })
        for (const word of ["a", "b"]) await append(log, [word.repeat(1100)])
        await log.close()
        const { calls, disk } = listing()
        const again = await open(folder, { disk })
        assert.deepStrictEqual(
          calls.filter((call) => !call.startsWith("read")),
          [
            "datasync 000000000001.log",
            // After a failed sync, only bytes that are written again reach the disk.
            "write 000000000002.log",
            "datasync 000000000002.log",
            "syncFolder spool",
            `syncFolder ${Path.basename(parent)}`
          ]
        )
        assert.strictEqual((await readAll(again)).length, 2)
        await again.close()
      })
  )

  it.live("fails when that fails, and the next try does it again", () =>
    inFolder(async (folder) => {
      const log = await open(folder)
      await append(log, ["a"])
      await log.close()
      const { calls, disk } = listing()
      const list = disk.before
      disk.before = (operation) => {
        if (operation === "datasync") throw failure("EIO")
      }
      assert.include(String(await rejection(open(folder, { disk }))), "EIO")
      disk.before = list
      const again = await open(folder, { disk })
      assert.include(calls, "datasync 000000000001.log")
      assert.deepStrictEqual(await readAll(again), ["0 a"])
      await again.close()
    })
  )

  it.live("synchronises nothing where nothing is promised for a loss of power", () =>
    inFolder(async (folder) => {
      const log = await open(folder)
      await append(log, ["a"])
      await log.close()
      const { calls, disk } = listing()
      await (await open(folder, { disk, sync: "os" })).close()
      assert.notInclude(calls.join(), "sync")
    })
  )
})

describe("files that hold only acknowledged records", () => {
  it.live(
    "are deleted once the note about them is on disk, which is written again when that failed",
    () =>
      inFolder(async (folder) => {
        const { calls, disk } = listing()
        const log = await open(folder, { ...small, disk })
        for (const word of ["a", "b", "c"]) await append(log, [word.repeat(1100)])
        calls.length = 0
        const list = disk.before
        disk.before = (operation, path) => {
          if (operation === "datasync" && path.endsWith("acknowledged")) throw failure("EIO")
          void list(operation, path)
        }
        log.acknowledge(0)
        for (let turn = 0; turn < 1_000 && !calls.includes("write acknowledged"); turn++)
          await new Promise(setImmediate)
        await new Promise(setImmediate)
        assert.deepStrictEqual(await segmentNumbers(nodeDisk, folder), [1, 2, 3])
        disk.before = list
        calls.length = 0
        log.acknowledge(1)
        await log.close()
        assert.deepStrictEqual(
          calls.filter((call) => !call.startsWith("create")),
          [
            "write acknowledged",
            "write acknowledged",
            "datasync acknowledged",
            `syncFolder ${Path.basename(folder)}`,
            "remove 000000000001.log",
            "remove 000000000002.log"
          ]
        )
        assert.deepStrictEqual(await segmentNumbers(nodeDisk, folder), [3])
      })
  )
})

describe("the note of what is acknowledged", () => {
  it.live("is written again to the slot where it failed, so that the other one stays whole", () =>
    inFolder(async (folder) => {
      const path = Path.join(folder, "acknowledged")
      const slots: Array<number> = []
      let fails = false
      const disk: LogDisk = {
        ...nodeDisk,
        create: async (name) => {
          const file = await nodeDisk.create(name)
          return {
            ...file,
            write: async (parts, position) => {
              slots.push(position)
              await file.write(fails ? [Buffer.from("torn")] : parts, position)
              if (fails) throw failure("EIO")
            }
          }
        }
      }
      const { file } = await AcknowledgedFile.open(disk, path)
      await file.write(1)
      fails = true
      for (const offset of [2, 3]) {
        assert.include(String(await rejection(file.write(offset))), "EIO")
        assert.strictEqual(await readAcknowledged(nodeDisk, path), 1)
      }
      fails = false
      await file.write(4)
      assert.strictEqual(await readAcknowledged(nodeDisk, path), 4)
      assert.deepStrictEqual(slots, [32, 0, 0, 0])
      await file.close()
    })
  )
})

describe("a deleted file that a loss of power brings back", () => {
  it.live("neither hides the position of later files nor sends its records again", () =>
    inFolder(async (folder) => {
      const log = await open(folder, small)
      for (const [offset, word] of ["a", "b", "c"].entries()) {
        offer(log, [word.repeat(1100)])
        log.notePosition(offset, Buffer.from(word))
        await settled(log.latestGroup)
      }
      const path = segmentPath(folder, 1)
      const first = await Fs.readFile(path)
      log.acknowledge(1)
      await log.close()
      assert.deepStrictEqual(await segmentNumbers(nodeDisk, folder), [3])
      // The header of the third file has the second position; the file of that position is cut off.
      await Fs.writeFile(path, first)
      const third = segmentPath(folder, 3)
      await Fs.truncate(third, (await Fs.stat(third)).size - 1)
      const again = await open(folder, small)
      assert.strictEqual(Buffer.from(again.lastPosition!.bytes).toString(), "b")
      const [left, ...more] = await readAll(again)
      assert.deepStrictEqual([left?.startsWith("2 "), more], [true, []])
      await again.close()
    })
  )

  for (const torn of [false, true]) {
    it.live(
      `is no damage, with a ${torn ? "torn" : "whole"} group behind its end and without the ` +
        `file that names it`,
      () =>
        inFolder(async (folder) => {
          const disk = faultyDisk()
          const log = await open(folder, { ...small, disk })
          assert.strictEqual(await append(log, ["a"]), "persisted")
          // Its bytes are written and stay.
          disk.before = (operation) => {
            if (operation === "datasync" || operation === "truncate") throw failure("EIO")
          }
          assert.notStrictEqual(await append(log, ["lost", "lost", "lost"]), "persisted")
          disk.before = () => {}
          for (const word of ["b", "c"])
            assert.strictEqual(await append(log, [word.repeat(1100)]), "persisted")
          const path = segmentPath(folder, 1)
          const first = await Fs.readFile(path)
          log.acknowledge(1)
          await log.close()
          assert.deepStrictEqual(await segmentNumbers(nodeDisk, folder), [3])
          await Fs.writeFile(path, first.subarray(0, first.length - (torn ? 1 : 0)))
          assert.strictEqual((await examineSpool(folder)).upTo, -1)
          const again = await open(folder, small)
          const [left, ...more] = await readAll(again)
          assert.deepStrictEqual([left?.startsWith("2 "), more], [true, []])
          again.acknowledge(2)
          await again.close()
          assert.deepStrictEqual(await segmentNumbers(nodeDisk, folder), [3])
        })
    )
  }
})

describe("a spool that is opened with a smaller bound", () => {
  it.live(
    "has room again once everything is acknowledged, also when its last file is above the bound",
    () =>
      inFolder(async (folder) => {
        const log = await open(folder)
        await append(log, ["a".repeat(9_000)])
        await log.close()
        const again = await open(folder, small)
        assert.deepStrictEqual((await readAll(again)).length, 1)
        const content = framed("b")
        assert.strictEqual(again.offer(content, 0, content.length, 1, false, false), -1)
        let rooms = 0
        again.onRoom = () => rooms++
        again.acknowledge(0)
        assert.strictEqual(rooms, 1)
        assert.strictEqual(offer(again, ["b"]), 1)
        await again.close()
      })
  )
})
