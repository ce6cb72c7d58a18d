/** The write-ahead log: what was acknowledged is found again, whatever a crash left of the end of the file. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import type { LogFormat, RecordsFrame } from "../../../src/local/log/logFrames.ts"
import { StorageFailure } from "../../../src/local/log/storageErrors.ts"
import { readSegments, segmentNumbers } from "../../../src/local/log/logSegments.ts"
import { openWal, type Wal } from "../../../src/local/log/wal.ts"
import { temporaryFolder } from "../../support/storedTables.ts"

const jsonFormat: LogFormat = { _tag: "Json" }
const protoFormat: LogFormat = { _tag: "Proto", descriptor: Uint8Array.from([1, 2, 3]) }
const text = (value: string) => Buffer.from(value)

const durable = (wal: Wal, ticket: number) =>
  new Promise<StorageFailure | undefined>((resolve) => wal.onDurable(ticket, resolve))

const all = async (folder: string): Promise<ReadonlyArray<RecordsFrame>> => {
  const frames: Array<RecordsFrame> = []
  for await (const segment of readSegments(folder, "a.b.c")) frames.push(...segment.frames)
  return frames
}
const words = (frames: ReadonlyArray<RecordsFrame>) =>
  frames.map((frame) => frame.records.map((record) => Buffer.from(record).toString()).join("+"))

const withFolder = (body: (folder: string) => Promise<void>) =>
  Effect.flatMap(temporaryFolder, (folder) => Effect.promise(() => body(Path.join(folder, "wal"))))

/** A log with three groups of one record each; answers the file and where each group ended. */
const threeGroups = async (folder: string) => {
  const wal = await openWal(folder, "a.b.c", "id", 1, 1)
  const path = Path.join(folder, "000000000001.log")
  const ends: Array<number> = []
  for (const word of ["one", "two", "three"]) {
    assert.isUndefined(await durable(wal, wal.append({ id: 1, format: jsonFormat }, [text(word)])))
    ends.push((await Fs.stat(path)).size)
  }
  await wal.close()
  return { path, ends, file: await Fs.readFile(path) }
}

describe("wal", () => {
  it.live("gives back records with their format, over several segments and writers", () =>
    withFolder(async (folder) => {
      const wal = await openWal(folder, "a.b.c", "id", 7, 40)
      wal.append({ id: 1, format: jsonFormat }, [text("a"), text("")])
      wal.append({ id: 2, format: protoFormat }, [text("b".repeat(200_000))])
      assert.deepStrictEqual(wal.rotate(), { segment: 7, firstSequence: 40 })
      const last = wal.append({ id: 2, format: protoFormat }, [text("c")])
      assert.isUndefined(await durable(wal, last))
      await wal.close()
      const frames = await all(folder)
      assert.deepStrictEqual(words(frames), ["a+", "b".repeat(200_000), "c"])
      assert.deepStrictEqual(
        frames.map((frame) => frame.sequence),
        [40, 41, 42]
      )
      assert.deepStrictEqual(
        frames.map((frame) => frame.format),
        [jsonFormat, protoFormat, protoFormat]
      )
      assert.deepStrictEqual(await segmentNumbers(folder), [7, 8])
      await wal.removeSegment(7)
      assert.deepStrictEqual(words(await all(folder)), ["c"])
    })
  )

  it.live("puts what arrives while a group is written into the next one", () =>
    withFolder(async (folder) => {
      const wal = await openWal(folder, "a.b.c", "id", 1, 1)
      const tickets = Array.from({ length: 50 }, (_, n) => wal.append({ id: 1, format: jsonFormat }, [text(String(n))]))
      assert.strictEqual(new Set(tickets).size, 1)
      await durable(wal, tickets[0]!)
      assert.isAbove(wal.append({ id: 1, format: jsonFormat }, [text("late")]), tickets[0]!)
      await wal.close()
      assert.strictEqual((await all(folder)).length, 51)
    })
  )

  it.live("cuts a torn end off at every byte and keeps each whole group", () =>
    withFolder(async (folder) => {
      const { ends, file, path } = await threeGroups(folder)
      for (let size = 0; size <= file.length; size++) {
        await Fs.writeFile(path, file.subarray(0, size))
        const whole = ends.filter((end) => end <= size).length
        assert.deepStrictEqual(words(await all(folder)), ["one", "two", "three"].slice(0, whole), `cut at ${size}`)
        // Reading again finds the file repaired.
        assert.deepStrictEqual(words(await all(folder)), ["one", "two", "three"].slice(0, whole))
      }
    })
  )

  it.live("takes damage in the last group for a torn write, and damage before it for corruption", () =>
    withFolder(async (folder) => {
      const { ends, file, path } = await threeGroups(folder)
      for (let at = 0; at < file.length; at++) {
        const damaged = Buffer.from(file)
        damaged[at]! ^= 0x40
        await Fs.writeFile(path, damaged)
        const outcome = await all(folder).then(words, (error: unknown) => error)
        if (at >= ends[1]!) assert.deepStrictEqual(outcome, ["one", "two"], `damaged at ${at}`)
        else if (outcome instanceof StorageFailure) assert.strictEqual(outcome.reason, "CorruptLog")
        else assert.fail(`byte ${at} was durable, its damage went unnoticed`)
        if (outcome instanceof StorageFailure) assert.deepStrictEqual(await Fs.readFile(path), damaged)
      }
    })
  )

  it.live("refuses a torn segment that is not the last", () =>
    withFolder(async (folder) => {
      const { file, path } = await threeGroups(folder)
      const wal = await openWal(folder, "a.b.c", "id", 2, 10)
      await durable(wal, wal.append({ id: 1, format: jsonFormat }, [text("next")]))
      await wal.close()
      await Fs.writeFile(path, file.subarray(0, file.length - 1))
      const failure = await all(folder).catch((error: unknown) => error)
      assert.instanceOf(failure, StorageFailure)
      assert.strictEqual((failure as StorageFailure).reason, "CorruptLog")
    })
  )

  it.live("fails the group and those behind it when the folder is gone, and goes on when it is back", () =>
    withFolder(async (folder) => {
      const wal = await openWal(folder, "a.b.c", "id", 1, 1)
      const failed: Array<number> = []
      wal.onGroupsFailed = (first) => failed.push(first)
      await Fs.rm(folder, { recursive: true })
      const lost = wal.append({ id: 1, format: jsonFormat }, [text("lost")])
      const failure = await durable(wal, lost)
      assert.instanceOf(failure, StorageFailure)
      assert.deepStrictEqual(failed, [lost])
      await Fs.mkdir(folder)
      const kept = wal.append({ id: 1, format: jsonFormat }, [text("kept")])
      assert.isUndefined(await durable(wal, kept))
      assert.instanceOf(await durable(wal, lost), StorageFailure)
      await wal.close()
      assert.deepStrictEqual(words(await all(folder)), ["kept"])
      assert.instanceOf(await durable(wal, wal.append({ id: 1, format: jsonFormat }, [text("closed")])), StorageFailure)
    })
  )
})
