/**
 * Writing groups into segment files on a disk that fails, and what a restart finds of them.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import { FrameBuffer, type SegmentHeader } from "../../../src/internal/log/frames.ts"
import {
  DamagedLog,
  readSegmentFiles,
  segmentNumbers,
  segmentPath
} from "../../../src/internal/log/segmentFiles.ts"
import { DeletedSegment, SegmentWriter } from "../../../src/internal/log/segmentWriter.ts"
import {
  type DiskOperation,
  failure,
  faultyDisk,
  type FaultyDisk
} from "../../support/faultyDisk.ts"
import { temporaryFolder } from "../../support/storedTables.ts"

const inFolder = (body: (folder: string) => Promise<void>) =>
  Effect.flatMap(temporaryFolder, (folder) => Effect.promise(() => body(folder)))

const makeWriter = (disk: FaultyDisk, folder: string) =>
  new SegmentWriter<SegmentHeader>({
    disk,
    folder,
    first: 1,
    before: undefined,
    sync: true,
    header: () => ({ version: 1 }),
    begun: () => {}
  })

/** A group of one frame of kind 9. */
const group = (word: string) => {
  const frames = new FrameBuffer(64)
  const body = frames.begin(1 + word.length)
  frames.bytes[body] = 9
  frames.bytes.write(word, body + 1)
  frames.end()
  return frames
}

/** The words on disk, file by file. */
const words = async (disk: FaultyDisk, folder: string) => {
  const found: Array<Array<string>> = []
  let words: Array<string> = []
  const files = readSegmentFiles(disk, folder, true, (content, body, end) =>
    words.push(content.toString("utf8", body + 1, end))
  )
  for await (const _ of files) {
    found.push(words)
    words = []
  }
  return found
}

/** Fails the operation once. */
const failOnce = (disk: FaultyDisk, operation: DiskOperation, code: string) => {
  disk.before = (what) => {
    if (what !== operation) return
    disk.before = () => {}
    throw failure(code)
  }
}
const rejection = (promise: Promise<unknown>) =>
  promise.then(
    () => assert.fail("it succeeded"),
    (error: unknown) => error
  )

describe("groups in segment files", () => {
  it.live(
    "after a failed synchronisation go to a new file, and the old one is not synchronised again",
    () =>
      inFolder(async (folder) => {
        const disk = faultyDisk()
        const writer = makeWriter(disk, folder)
        await writer.write(group("one"))
        failOnce(disk, "datasync", "EIO")
        await rejection(writer.write(group("failed")))
        const synchronised: Array<string> = []
        disk.before = (operation, path) =>
          void (operation === "datasync" && synchronised.push(path))
        assert.strictEqual((await writer.write(group("two"))).file, 2)
        await writer.end()
        assert.deepStrictEqual([...new Set(synchronised)], [segmentPath(folder, 2)])
        assert.deepStrictEqual(await words(disk, folder), [["one"], ["two"]])
      })
  )

  it.live(
    "that failed are no part of the log, also when all their bytes have reached the disk",
    () =>
      inFolder(async (folder) => {
        const disk = faultyDisk()
        const writer = makeWriter(disk, folder)
        await writer.write(group("one"))
        disk.before = (operation) => {
          // Neither synced nor cut off: the bytes stay.
          if (operation === "datasync" || operation === "truncate") throw failure("EIO")
        }
        await rejection(writer.write(group("failed")))
        disk.before = () => {}
        await writer.write(group("two"))
        await writer.end()
        assert.include(await Fs.readFile(segmentPath(folder, 1), "latin1"), "failed")
        assert.deepStrictEqual(await words(disk, folder), [["one"], ["two"]])
      })
  )

  it.live(
    "are found whatever is behind the end of an earlier file, and damage before that end is told",
    () =>
      inFolder(async (folder) => {
        const disk = faultyDisk()
        const writer = makeWriter(disk, folder)
        const { end } = await writer.write(group("one"))
        await writer.end()
        await writer.write(group("two"))
        await writer.end()
        const file = await Fs.readFile(segmentPath(folder, 1))
        for (let tail = 0; tail < 40; tail++) {
          await Fs.writeFile(
            segmentPath(folder, 1),
            Buffer.concat([file, Buffer.alloc(tail, tail)])
          )
          assert.deepStrictEqual(await words(disk, folder), [["one"], ["two"]])
        }
        for (let at = 0; at < end; at++) {
          const damaged = Buffer.from(file)
          damaged[at]! ^= 1
          await Fs.writeFile(segmentPath(folder, 1), damaged)
          const error = await rejection(words(disk, folder))
          assert.instanceOf(error, DamagedLog)
          assert.deepStrictEqual([error.path, error.bytes], [segmentPath(folder, 1), file.length])
          assert.isAtMost(error.byte, at)
          assert.deepStrictEqual(await Fs.readFile(segmentPath(folder, 1)), damaged)
        }
      })
  )

  it.live("survive a crash that cuts the making of the next file short at any byte", () =>
    inFolder(async (folder) => {
      const disk = faultyDisk()
      const writer = makeWriter(disk, folder)
      await writer.write(group("one"))
      await writer.end()
      await writer.write(group("two"))
      await writer.end()
      const second = await Fs.readFile(segmentPath(folder, 2))
      const header = second.readUInt32LE(0) + 8
      for (let length = 0; length < header; length++) {
        await Fs.writeFile(segmentPath(folder, 2), second.subarray(0, length))
        assert.deepStrictEqual(await words(disk, folder), [["one"], []], `cut at ${length}`)
      }
    })
  )

  it.live("leave no file behind whose header could not be written", () =>
    inFolder(async (folder) => {
      const disk = faultyDisk()
      const writer = makeWriter(disk, folder)
      for (const operation of ["create", "write", "datasync", "syncFolder"] as const) {
        failOnce(disk, operation, "ENOSPC")
        const error = (await rejection(writer.write(group("failed")))) as NodeJS.ErrnoException
        assert.strictEqual(error.code, "ENOSPC")
        assert.deepStrictEqual(await segmentNumbers(disk, folder), [], operation)
      }
      await writer.write(group("one"))
      await writer.end()
      assert.deepStrictEqual(await words(disk, folder), [["one"]])
    })
  )

  it.live("fail when their file was deleted, and go to a new one", () =>
    inFolder(async (folder) => {
      const disk = faultyDisk()
      const writer = makeWriter(disk, folder)
      await writer.write(group("one"))
      await Fs.rm(segmentPath(folder, 1))
      assert.instanceOf(await rejection(writer.write(group("failed"))), DeletedSegment)
      await writer.write(group("two"))
      await writer.end()
      assert.deepStrictEqual(await words(disk, folder), [["two"]])
    })
  )
})
