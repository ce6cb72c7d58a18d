/**
 * The log of a spool: persisted records are read in order, over restarts, until they are
 * acknowledged.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { nodeDisk } from "../../../src/internal/log/logDisk.ts"
import { segmentNumbers } from "../../../src/internal/log/segmentFiles.ts"
import { Full, type SpoolLog } from "../../../src/internal/spool/spoolLog.ts"
import { failure, faultyDisk } from "../../support/faultyDisk.ts"
import {
  append,
  framed,
  inFolder,
  offer,
  open,
  readAll,
  settled
} from "../../support/spoolFolder.ts"

/** Waits for room, and offers a record whenever the log reports some. */
const takenWithRoom = (log: SpoolLog, text: string): Promise<void> =>
  new Promise((resolve) => {
    log.onRoom = () => {
      if (offer(log, [text]) === Full) return
      log.onRoom = () => {}
      resolve()
    }
  })

describe("the log of a spool", () => {
  it.live(
    "gives offsets to records and batches and reads them in order, from memory and from disk",
    () =>
      inFolder(async (folder) => {
        const log = await open(folder)
        assert.strictEqual(await append(log, ["a", "b"]), "persisted")
        assert.strictEqual(await append(log, ["c", "d"], true), "persisted")
        const early = await readAll(log, 1)
        assert.deepStrictEqual(early, ["0 a"])
        assert.strictEqual(await append(log, ["e"]), "persisted")
        assert.deepStrictEqual(await readAll(log), ["1 b", "2 [c,d]", "3 e"])
        assert.strictEqual(await append(log, ["f"]), "persisted")
        assert.deepStrictEqual(await readAll(log), ["4 f"])
        await log.close()
        const again = await open(folder)
        assert.strictEqual(again.nextOffset, 5)
        assert.deepStrictEqual(await readAll(again), ["0 a", "1 b", "2 [c,d]", "3 e", "4 f"])
        await again.close()
      })
  )

  it.live(
    "shares a group between what arrives in one turn, and reads the group just written without " +
      "the disk",
    () =>
      inFolder(async (folder) => {
        const disk = faultyDisk()
        const log = await open(folder, { disk })
        offer(log, ["a"])
        const group = log.latestGroup
        offer(log, ["b"])
        assert.strictEqual(log.latestGroup, group)
        assert.isFalse(log.reader.hasMore)
        await settled(group)
        disk.before = (operation) => {
          if (operation === "read") assert.fail("it read the disk")
        }
        assert.deepStrictEqual(await readAll(log), ["0 a", "1 b"])
        await log.close()
      })
  )

  it.live(
    "goes on behind what is acknowledged after a restart, also within a run, and gives its " +
      "offsets once",
    () =>
      inFolder(async (folder) => {
        const log = await open(folder)
        await append(log, ["a", "b", "c", "d"])
        log.acknowledge(1)
        await log.close()
        const second = await open(folder)
        assert.deepStrictEqual([second.acknowledged, second.nextOffset], [1, 4])
        assert.deepStrictEqual(await readAll(second), ["2 c", "3 d"])
        second.acknowledge(3)
        await second.close()
        const third = await open(folder)
        assert.isFalse(third.reader.hasMore)
        await append(third, ["e"])
        assert.deepStrictEqual(await readAll(third), ["4 e"])
        await third.close()
      })
  )

  it.live(
    "deletes files that are acknowledged as a whole, and keeps offsets and position when all are",
    () =>
      inFolder(async (folder) => {
        // Files of 1 KiB.
        const log = await open(folder, { maxBytes: 8 * 1024 })
        for (const word of ["a", "b", "c", "d"]) {
          offer(log, [word.repeat(1100)])
          log.notePosition(log.nextOffset - 1, Buffer.from(`line ${word}`))
          assert.strictEqual(await settled(log.latestGroup), "persisted")
        }
        assert.deepStrictEqual(await segmentNumbers(nodeDisk, folder), [1, 2, 3, 4])
        log.acknowledge(1)
        await log.close()
        assert.deepStrictEqual(await segmentNumbers(nodeDisk, folder), [3, 4])
        const second = await open(folder, { maxBytes: 8 * 1024 })
        second.acknowledge(3)
        await second.close()
        assert.deepStrictEqual(await segmentNumbers(nodeDisk, folder), [4])
        const third = await open(folder)
        assert.deepStrictEqual(Buffer.from(third.lastPosition!.bytes).toString(), "line d")
        assert.deepStrictEqual([third.lastPosition!.offset, third.nextOffset], [3, 4])
        // The position outlives the file that it was written to.
        await append(third, ["e"])
        third.acknowledge(4)
        await third.close()
        assert.deepStrictEqual(await segmentNumbers(nodeDisk, folder), [5])
        const fourth = await open(folder)
        assert.deepStrictEqual(Buffer.from(fourth.lastPosition!.bytes).toString(), "line d")
        await fourth.close()
      })
  )

  it.live("keeps positions whole wherever they lie in a group", () =>
    inFolder(async (folder) => {
      const position = Buffer.alloc(1024, 0x70)
      for (const length of [65_000, 65_400, 65_450, 130_000, 131_000]) {
        const log = await open(folder)
        offer(log, ["x".repeat(length)])
        log.notePosition(log.nextOffset - 1, position)
        assert.strictEqual(await settled(log.latestGroup), "persisted")
        await log.close()
        const again = await open(folder)
        assert.isTrue(position.equals(again.lastPosition!.bytes), String(length))
        await again.close()
        await Fs.rm(folder, { recursive: true })
      }
    })
  )

  it.live("is full at its bound until files are deleted, and takes what must not wait", () =>
    inFolder(async (folder) => {
      const log = await open(folder, { maxBytes: 8 * 1024 })
      const text = "x".repeat(1100)
      let count = 0
      while (offer(log, [text]) !== Full) {
        count++
        await settled(log.latestGroup)
      }
      assert.strictEqual(count, 6)
      assert.strictEqual(offer(log, ["forced"], false, true), 6)
      await settled(log.latestGroup)
      const taken = takenWithRoom(log, text)
      log.acknowledge(2)
      await taken
      assert.strictEqual(await settled(log.latestGroup), "persisted")
      assert.strictEqual(log.nextOffset, 8)
      // When everything is acknowledged there is room, even for an entry larger than the bound.
      const large = takenWithRoom(log, "y".repeat(9000))
      log.acknowledge(7)
      await large
      assert.strictEqual(log.nextOffset, 9)
      await log.close()
    })
  )

  it.live(
    "stays within its bound while acknowledged files are being deleted, and goes on when that " +
      "fails",
    () =>
      inFolder(async (folder) => {
        const disk = faultyDisk()
        const log = await open(folder, { maxBytes: 8 * 1024, disk })
        let release = (): void => {}
        const gate = new Promise<void>((resolve) => (release = resolve))
        disk.before = async (operation) => {
          if (operation !== "remove") return
          await gate
          throw failure("EIO")
        }
        const text = "x".repeat(1100)
        for (let offset = 0; offset < 6; offset++) {
          assert.strictEqual(offer(log, [text]), offset)
          assert.strictEqual(await settled(log.latestGroup), "persisted")
          log.acknowledge(offset)
        }
        assert.isAtMost(log.bytes, 8 * 1024)
        assert.strictEqual(offer(log, [text]), Full)
        const taken = takenWithRoom(log, text)
        release()
        await taken
        assert.strictEqual(await settled(log.latestGroup), "persisted")
        disk.before = () => {}
        log.acknowledge(6)
        await log.close()
        assert.strictEqual((await segmentNumbers(nodeDisk, folder)).length, 1)
      })
  )

  it.live("takes a bounded amount while a group is written, and reports when there is room", () =>
    inFolder(async (folder) => {
      const disk = faultyDisk()
      const log = await open(folder, { disk })
      let release = (): void => {}
      let begun = (): void => {}
      const writing = new Promise<void>((resolve) => (begun = resolve))
      const gate = new Promise<void>((resolve) => (release = resolve))
      disk.before = (operation) => {
        if (operation !== "datasync") return
        begun()
        return gate
      }
      offer(log, ["first"])
      await writing
      const content = framed("x".repeat(1024 * 1024))
      let taken = 0
      while (log.offer(content, 0, content.length, 1, false, false) !== Full) taken++
      assert.strictEqual(taken, 3)
      const room = new Promise<void>((resolve) => {
        log.onRoom = () => {
          if (log.latestGroup === undefined) resolve()
        }
      })
      release()
      await room
      assert.strictEqual(log.offer(content, 0, content.length, 1, false, false), 4)
      await log.close()
    })
  )

  it.live("reads entries of all sizes, and many files, from disk", () =>
    inFolder(async (folder) => {
      const log = await open(folder, { maxBytes: 40 * 1024 * 1024 })
      const texts = [1, 47, 48, 127].map((length) => "z".repeat(length))
      await append(log, texts)
      const large = framed("y".repeat(3_000_000))
      for (let i = 0; i < 4; i++) {
        log.offer(large, 0, large.length, 1, false, false)
        await settled(log.latestGroup)
      }
      await append(log, ["end"], true)
      await log.close()
      assert.isAbove((await segmentNumbers(nodeDisk, folder)).length, 1)
      const again = await open(folder)
      const lengths: Array<number> = []
      while (again.reader.hasMore) {
        const entry = again.reader.peekUnsafe()
        if (entry === undefined) await again.reader.load()
        else {
          lengths.push(entry.end - entry.start)
          again.reader.takeUnsafe(entry.records, entry.end - entry.start)
        }
      }
      assert.deepStrictEqual(lengths, [framed(...texts).length, ...Array(4).fill(large.length), 5])
      await again.close()
    })
  )

  it.live("survives the process without syncing when configured so", () =>
    inFolder(async (folder) => {
      const disk = faultyDisk()
      disk.before = (operation) => {
        if (operation === "datasync" || operation === "syncFolder") assert.fail(operation)
      }
      const log = await open(folder, { disk, sync: "os" })
      assert.strictEqual(await append(log, ["a"]), "persisted")
      await log.close()
      const again = await open(folder)
      assert.deepStrictEqual(await readAll(again), ["0 a"])
      await again.close()
    })
  )

  it.live(
    "is found with the note of what is acknowledged torn or gone: at most more is sent again",
    () =>
      inFolder(async (folder) => {
        const log = await open(folder)
        await append(log, ["a", "b", "c"])
        for (const offset of [0, 1]) {
          log.acknowledge(offset)
          await append(log, ["x"])
        }
        await log.close()
        const path = Path.join(folder, "acknowledged")
        const note = await Fs.readFile(path)
        const firsts: Array<number> = []
        for (let at = 0; at < note.length; at++) {
          const torn = Buffer.from(note)
          torn[at]! ^= 1
          await Fs.writeFile(path, torn)
          const again = await open(folder)
          firsts.push(again.acknowledged)
          assert.strictEqual(again.nextOffset, 5)
          await again.close()
        }
        // One slot has the latest offset, the other the previous one.
        assert.deepStrictEqual([...new Set(firsts)].sort(), [0, 1])
      })
  )
})
