/**
 * The log of all tables: acknowledged records are found again, whatever a crash did to the end of
 * the file.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { findRows } from "../../../src/local/log/foundRows.ts"
import { sharedFolder, walFolder } from "../../../src/local/log/logFolders.ts"
import type { LogFormat } from "../../../src/local/log/logFrames.ts"
import { readSegments } from "../../../src/local/log/logSegments.ts"
import { moveOutFound } from "../../../src/local/log/ownLog.ts"
import { openSharedLog, type SharedLog } from "../../../src/local/log/sharedLog.ts"
import { StorageFailure } from "../../../src/local/log/storageErrors.ts"
import { TableLog } from "../../../src/local/log/tableLog.ts"
import { logFiles, temporaryFolder } from "../../support/storedTables.ts"

const jsonFormat: LogFormat = { _tag: "Json" }
const protoFormat: LogFormat = { _tag: "Proto", descriptor: Uint8Array.from([1, 2, 3]) }
const text = (value: string) => Buffer.from(value)
const wordsOf = (records: ReadonlyArray<Uint8Array>) =>
  records.map((record) => Buffer.from(record).toString()).join("+")

const durable = (log: TableLog, ticket: number) =>
  new Promise<StorageFailure | undefined>((resolve) => log.onDurable(ticket, resolve))

const tableOf = (shared: SharedLog, folder: string, id: string) =>
  new TableLog(shared, { tableId: id, table: `a.b.${id}` }, walFolder(folder, id), [])

const withFolder = (body: (folder: string) => Promise<void>) =>
  Effect.flatMap(temporaryFolder, (folder) => Effect.promise(() => body(folder)))

/** A log with a clock that the test sets. */
const opened = async (folder: string) => {
  const clock = { now: 0 }
  return { clock, shared: await openSharedLog(folder, () => clock.now) }
}

/** The records that a start finds, as texts by table. */
const found = async (folder: string): Promise<Record<string, ReadonlyArray<string>>> => {
  const { shared } = await opened(folder)
  const words: Record<string, ReadonlyArray<string>> = {}
  for (const [id, { parts }] of shared.found) {
    const frames = await shared.readBack({ places: parts.flatMap(({ places }) => places) })
    words[id] = frames.map(({ records }) => wordsOf(records))
  }
  return words
}

/** A log with three groups of one record each; returns the file and the end of each group. */
const threeGroups = async (folder: string) => {
  const { shared } = await opened(folder)
  const table = tableOf(shared, folder, "t")
  const writer = table.writerOf(jsonFormat)
  const ends: Array<number> = []
  let path = ""
  for (const word of ["one", "two", "three"]) {
    assert.isUndefined(await durable(table, table.append(writer, [text(word)])))
    ;[path = ""] = await logFiles(folder)
    ends.push((await Fs.stat(path)).size)
  }
  await shared.close()
  return { path, ends, file: await Fs.readFile(path) }
}

describe("the log of all tables", () => {
  it.live(
    "gives back the records of each table in order, with their formats, over several files",
    () =>
      withFolder(async (folder) => {
        const { clock, shared } = await opened(folder)
        const [one, other] = [tableOf(shared, folder, "one"), tableOf(shared, folder, "other")]
        one.startAt(40)
        const writers = [
          one.writerOf(jsonFormat),
          one.writerOf(protoFormat),
          other.writerOf(jsonFormat)
        ] as const
        for (let n = 0; n < 3; n++) {
          const group = one.append(writers[0], [text(`a${n}`), text("")])
          // One group, and one sync, for both tables.
          assert.strictEqual(other.append(writers[2], [text(`x${n}`)]), group)
          one.append(writers[1], [text("b".repeat(200_000))])
          assert.isUndefined(await durable(one, group))
          clock.now += 5000
        }
        assert.deepStrictEqual(one.rotate(false), { segment: 1, firstSequence: 40 })
        await shared.close()
        assert.lengthOf(await logFiles(folder), 3)
        const { files, tables } = await findRows(sharedFolder(folder), true)
        assert.deepStrictEqual(
          tables
            .get("one")!
            .parts.map(({ firstSequence, lastSequence, rows }) => [
              firstSequence,
              lastSequence,
              rows
            ]),
          [
            [40, 41, 3],
            [42, 43, 3],
            [44, 45, 3]
          ]
        )
        assert.strictEqual(tables.get("one")!.owner.table, "a.b.one")
        assert.sameDeepMembers(
          [...files.get(2)!.values()].map(({ format }) => format),
          [jsonFormat, protoFormat, jsonFormat]
        )
        const words = await found(folder)
        assert.deepStrictEqual(words["other"], ["x0", "x1", "x2"])
        assert.deepStrictEqual(words["one"], [
          "a0+",
          "b".repeat(200_000),
          "a1+",
          "b".repeat(200_000),
          "a2+",
          "b".repeat(200_000)
        ])
      })
  )

  it.live("puts what arrives while a group is written into the next one", () =>
    withFolder(async (folder) => {
      const { shared } = await opened(folder)
      const table = tableOf(shared, folder, "t")
      const writer = table.writerOf(jsonFormat)
      const tickets = Array.from({ length: 50 }, (_, n) => table.append(writer, [text(String(n))]))
      assert.strictEqual(new Set(tickets).size, 1)
      await durable(table, tickets[0]!)
      assert.isAbove(table.append(writer, [text("late")]), tickets[0]!)
      await shared.close()
      assert.lengthOf((await found(folder))["t"]!, 51)
    })
  )

  it.live("cuts a torn end off at every byte and keeps each whole group", () =>
    withFolder(async (folder) => {
      const { ends, file, path } = await threeGroups(folder)
      for (let size = 0; size <= file.length; size++) {
        await Fs.writeFile(path, file.subarray(0, size))
        const whole = ["one", "two", "three"].slice(0, ends.filter((end) => end <= size).length)
        const expected = whole.length === 0 ? {} : { t: whole }
        assert.deepStrictEqual(await found(folder), expected, `cut at ${size}`)
        // Reading again finds the file repaired.
        assert.deepStrictEqual(await found(folder), expected)
      }
    })
  )

  it.live(
    "takes damage in the last group for a torn write, and damage before it for corruption",
    () =>
      withFolder(async (folder) => {
        const { ends, file, path } = await threeGroups(folder)
        for (let at = 0; at < file.length; at++) {
          const damaged = Buffer.from(file)
          damaged[at]! ^= 0x40
          await Fs.writeFile(path, damaged)
          const outcome = await found(folder).catch((error: unknown) => error)
          if (at >= ends[1]!)
            assert.deepStrictEqual(outcome, { t: ["one", "two"] }, `damaged at ${at}`)
          else if (outcome instanceof StorageFailure)
            assert.strictEqual(outcome.reason, "CorruptLog")
          else assert.fail(`byte ${at} was durable, its damage went unnoticed`)
          if (outcome instanceof StorageFailure)
            assert.deepStrictEqual(await Fs.readFile(path), damaged)
        }
      })
  )

  it.live(
    "fails the group of all its tables when the folder is gone, and goes on when it is back",
    () =>
      withFolder(async (folder) => {
        const { shared } = await opened(folder)
        const [one, other] = [tableOf(shared, folder, "one"), tableOf(shared, folder, "other")]
        const failed: Array<readonly [string, number]> = []
        one.onGroupsFailed = (first) => failed.push(["one", first])
        other.onGroupsFailed = (first) => failed.push(["other", first])
        const writers = [one.writerOf(jsonFormat), other.writerOf(jsonFormat)] as const
        assert.isUndefined(await durable(one, one.append(writers[0], [text("before")])))
        await Fs.rm(sharedFolder(folder), { recursive: true })
        const lost = one.append(writers[0], [text("lost")])
        other.append(writers[1], [text("lost too")])
        assert.instanceOf(await durable(one, lost), StorageFailure)
        assert.deepStrictEqual(failed, [
          ["one", lost],
          ["other", lost]
        ])
        await Fs.mkdir(sharedFolder(folder))
        const kept = one.append(writers[0], [text("kept")])
        other.append(writers[1], [text("kept too")])
        assert.isUndefined(await durable(one, kept))
        assert.instanceOf(await durable(one, lost), StorageFailure)
        await shared.close()
        assert.deepStrictEqual(await found(folder), { one: ["kept"], other: ["kept too"] })
        assert.instanceOf(
          await durable(one, one.append(writers[0], [text("closed")])),
          StorageFailure
        )
      })
  )

  it.live("deletes a file when no table needs it", () =>
    withFolder(async (folder) => {
      const { clock, shared } = await opened(folder)
      const [one, other] = [tableOf(shared, folder, "one"), tableOf(shared, folder, "other")]
      const writers = [one.writerOf(jsonFormat), other.writerOf(jsonFormat)] as const
      one.append(writers[0], [text("a")])
      await durable(other, other.append(writers[1], [text("b")]))
      const first = one.rotate(false).segment
      clock.now += 5000
      await durable(one, one.append(writers[0], [text("c")]))
      await one.removeSegment(first)
      assert.lengthOf(await logFiles(folder), 2)
      await other.removeSegment(other.rotate(false).segment)
      assert.lengthOf(await logFiles(folder), 1)
      await one.removeSegment(one.rotate(false).segment)
      assert.deepStrictEqual(await logFiles(folder), [])
      assert.isUndefined(await durable(one, one.append(writers[0], [text("d")])))
      await shared.close()
      assert.deepStrictEqual(await found(folder), { one: ["d"] })
    })
  )

  it.live(
    "keeps the file that says where a needed one ends, whatever a failed write left there",
    () =>
      withFolder(async (folder) => {
        const { clock, shared } = await opened(folder)
        const [one, other] = [tableOf(shared, folder, "one"), tableOf(shared, folder, "other")]
        const writers = [one.writerOf(jsonFormat), other.writerOf(jsonFormat)] as const
        await durable(one, one.append(writers[0], [text("a")]))
        const [first = ""] = await logFiles(folder)
        clock.now += 5000
        await durable(other, other.append(writers[1], [text("b")]))
        // The remains of a group whose write and truncation failed.
        await Fs.appendFile(first, (await Fs.readFile(first)).subarray(-20))
        clock.now += 5000
        await durable(one, one.append(writers[0], [text("c")]))
        await other.removeSegment(other.rotate(false).segment)
        await shared.close()
        assert.deepStrictEqual(await found(folder), { one: ["a", "c"], other: ["b"] })
        const again = await opened(folder)
        const parts = again.shared.found.get("other")!.parts
        for (const part of parts) await again.shared.release(part, part.places)
        await again.shared.removeUnused()
        assert.lengthOf(await logFiles(folder), 3)
        for (const part of again.shared.found.get("one")!.parts)
          await again.shared.release(part, part.places)
        assert.deepStrictEqual(await logFiles(folder), [])
        await again.shared.close()
      })
  )

  it.live("keeps the note that a table was dropped for as long as a file has records of it", () =>
    withFolder(async (folder) => {
      const { clock, shared } = await opened(folder)
      const [one, other] = [tableOf(shared, folder, "one"), tableOf(shared, folder, "other")]
      const writers = [one.writerOf(jsonFormat), other.writerOf(jsonFormat)] as const
      one.append(writers[0], [text("a")])
      await durable(other, other.append(writers[1], [text("x")]))
      clock.now += 5000
      await one.drop()
      clock.now += 5000
      await durable(other, other.append(writers[1], [text("y")]))
      await shared.close()
      assert.deepStrictEqual(await found(folder), { other: ["x", "y"] })
    })
  )

  it.live("moves the records of one table into a log of its own, and finds them there alone", () =>
    withFolder(async (folder) => {
      const { shared } = await opened(folder)
      const [one, other] = [tableOf(shared, folder, "one"), tableOf(shared, folder, "other")]
      const writers = [one.writerOf(jsonFormat), other.writerOf(jsonFormat)] as const
      one.append(writers[0], [text("a")])
      await durable(other, other.append(writers[1], [text("x")]))
      const { segment } = one.rotate(false)
      await one.moveOut()
      const moved = await one.readBack(segment)
      assert.deepStrictEqual(
        moved.map(({ records }) => wordsOf(records)),
        ["a"]
      )
      await durable(one, one.append(writers[0], [text("b")]))
      await shared.close()
      assert.deepStrictEqual(await found(folder), { one: ["b"], other: ["x"] })
      const own: Array<string> = []
      for await (const { frames } of readSegments(walFolder(folder, "one"), "a.b.one")) {
        own.push(...frames.map(({ records, sequence }) => `${sequence} ${wordsOf(records)}`))
      }
      assert.deepStrictEqual(own, ["1 a"])
    })
  )

  it.live("is taken apart into logs of single tables, which is done once", () =>
    withFolder(async (folder) => {
      await threeGroups(folder)
      for (let time = 0; time < 2; time++) {
        const { shared } = await opened(folder)
        await moveOutFound(shared, folder)
        await shared.close()
        const files = await logFiles(folder)
        assert.deepStrictEqual(
          files.map((path) => Path.basename(Path.dirname(path))),
          ["t"]
        )
      }
      assert.deepStrictEqual(await found(folder), {})
    })
  )
})
