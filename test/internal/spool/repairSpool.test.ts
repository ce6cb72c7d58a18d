/**
 * Repairs of damaged spools: readable records stay in order, old files are moved aside, and an
 * interrupted repair can be completed.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { nodeDisk } from "../../../src/internal/log/logDisk.ts"
import { segmentName, segmentNumbers, segmentPath } from "../../../src/internal/log/segmentFiles.ts"
import { summarize, waitingEntries } from "../../../src/internal/spool/readSpool.ts"
import { examineSpool, repairSpool } from "../../../src/internal/spool/repairSpool.ts"
import {
  append,
  inFolder,
  offer,
  open,
  readAll,
  rejection,
  settled
} from "../../support/spoolFolder.ts"

/** Files of 1 KiB. */
const small = { maxBytes: 8 * 1024 }

/** A spool with one group per text; long texts are in separate files. */
const filled = async (
  folder: string,
  words: ReadonlyArray<string>,
  length = 1100
): Promise<void> => {
  const log = await open(folder, small)
  for (const word of words) {
    offer(log, [word.repeat(length)])
    log.notePosition(log.nextOffset - 1, Buffer.from(`behind ${word}`))
    assert.strictEqual(await settled(log.latestGroup), "persisted")
  }
  await log.close()
}

/** The first letters of the waiting records, in order. */
const letters = async (folder: string): Promise<ReadonlyArray<string>> => {
  const found: Array<string> = []
  for await (const entries of waitingEntries(folder)) {
    for (const { payloads } of entries) {
      found.push(payloads.map((payload) => String.fromCharCode(payload[0]!)).join("+"))
    }
  }
  return found
}

/** Changes bytes of a file somewhere in the record that consists of this letter. */
const spoil = async (folder: string, letter: string): Promise<string> => {
  for (const number of await segmentNumbers(nodeDisk, folder)) {
    const path = segmentPath(folder, number)
    const file = await Fs.readFile(path)
    const at = file.indexOf(letter.repeat(50))
    if (at < 0) continue
    file[at] = 0
    await Fs.writeFile(path, file)
    return path
  }
  throw new Error(`no record of ${letter}`)
}

const copyOf = async (folder: string): Promise<ReadonlyMap<string, string>> => {
  const names = (await Fs.readdir(folder)).filter((name) => name.endsWith(".log"))
  return new Map(
    await Promise.all(
      names.map(async (n) => [n, await Fs.readFile(Path.join(folder, n), "latin1")] as const)
    )
  )
}

describe("a repair", () => {
  const table = { table: "main.default.t", recordType: "json", descriptor: undefined } as const

  /** The spool of a persistent stream with three records, from offset 42 on. */
  const boundSpool = async (folder: string) => {
    const log = await open(folder, { identity: { ...table, persistent: { streamId: undefined } } })
    log.bind("stream-1", 41)
    for (const word of ["a", "b", "c"]) {
      offer(log, [word.repeat(1100)])
      assert.strictEqual(await settled(log.latestGroup), "persisted")
    }
    return log
  }

  it.live(
    "keeps the offsets of a persistent stream where only acknowledged records are damaged",
    () =>
      inFolder(async (folder) => {
        const log = await boundSpool(folder)
        log.acknowledge(42)
        await log.close()
        await spoil(folder, "a")
        const { found } = await repairSpool(folder)
        assert.deepStrictEqual(found?.lost, [])
        assert.deepStrictEqual(await letters(folder), ["b", "c"])
        const { firstOffset, nextOffset, streamId } = await summarize(folder)
        assert.deepStrictEqual([streamId, firstOffset, nextOffset], ["stream-1", 43, 45])
      })
  )

  it.live("refuses the spool of a persistent stream that has lost offsets", () =>
    inFolder(async (folder) => {
      const log = await boundSpool(folder)
      await log.close()
      assert.deepStrictEqual((await summarize(folder)).streamId, "stream-1")
      assert.strictEqual((await summarize(folder)).firstOffset, 42)
      await spoil(folder, "b")
      const before = await copyOf(folder)
      const refused = (await rejection(repairSpool(folder))) as { kind: string; message: string }
      assert.strictEqual(refused.kind, "Damaged")
      assert.include(refused.message, "stream-1")
      assert.deepStrictEqual(await copyOf(folder), before)
    })
  )

  it.live("leaves a whole spool, and one with a torn end, as they are", () =>
    inFolder(async (folder) => {
      await filled(folder, ["a", "b"])
      const path = segmentPath(folder, (await segmentNumbers(nodeDisk, folder)).at(-1)!)
      await Fs.appendFile(path, Buffer.alloc(100, 7))
      const before = await copyOf(folder)
      const { aside, setAside } = await repairSpool(folder)
      assert.deepStrictEqual([aside, setAside], [undefined, []])
      assert.deepStrictEqual(await copyOf(folder), before)
      assert.deepStrictEqual(await letters(folder), ["a", "b"])
    })
  )

  for (const length of [30, 1100]) {
    for (const spoiled of ["a", "c", "ac", "abc"]) {
      it.live(`keeps all but the damaged groups ${spoiled} of records of ${length} bytes`, () =>
        inFolder(async (folder) => {
          const words = ["a", "b", "c", "d"]
          await filled(folder, words, length < 50 ? 60 : length)
          for (const letter of spoiled) await spoil(folder, letter)
          const before = await copyOf(folder)
          assert.strictEqual(((await rejection(open(folder))) as { kind: string }).kind, "Damaged")
          const examined = await examineSpool(folder)
          assert.deepStrictEqual(await copyOf(folder), before)
          const lost = examined.lost.flatMap(({ first, last }) =>
            Array.from({ length: last - first + 1 }, (_, i) => first + i)
          )
          assert.deepStrictEqual(
            lost,
            Array.from(spoiled, (letter) => words.indexOf(letter))
          )
          assert.strictEqual(examined.records, 4 - spoiled.length)

          const { aside, setAside } = await repairSpool(folder)
          const kept = words.filter((word) => !spoiled.includes(word))
          assert.deepStrictEqual(await letters(folder), kept)
          for (const name of setAside) {
            assert.strictEqual(
              await Fs.readFile(Path.join(aside!, name), "latin1"),
              before.get(name)
            )
          }
          const { firstOffset, nextOffset, position } = await summarize(folder)
          assert.deepStrictEqual([firstOffset, nextOffset], [4 - kept.length, 4])
          assert.strictEqual(Buffer.from(position!.bytes).toString(), "behind d")

          // It is a spool like any other.
          const log = await open(folder, small)
          assert.strictEqual(await append(log, ["e"]), "persisted")
          assert.deepStrictEqual(
            (await readAll(log)).map((line) => line.at(-1)),
            [...kept, "e"]
          )
          log.acknowledge(4)
          await log.close()
          assert.strictEqual((await examineSpool(folder)).upTo, -1)
        })
      )
    }
  }

  it.live("keeps batches whole and leaves out what is acknowledged", () =>
    inFolder(async (folder) => {
      const log = await open(folder)
      await append(log, ["x".repeat(60), "y".repeat(60)])
      await append(log, ["p".repeat(60), "q".repeat(60)], true)
      await append(log, ["b".repeat(60)])
      await append(log, ["z".repeat(60)])
      log.acknowledge(0)
      await log.close()
      await spoil(folder, "b")
      await repairSpool(folder)
      assert.deepStrictEqual(await letters(folder), ["y", "p+q", "z"])
    })
  )

  it.live("of a file that is gone closes the gap", () =>
    inFolder(async (folder) => {
      await filled(folder, ["a", "b", "c"])
      await Fs.rm(segmentPath(folder, 2))
      const { found } = await repairSpool(folder)
      assert.deepStrictEqual(found?.lost, [{ first: 1, last: 1 }])
      assert.deepStrictEqual(await letters(folder), ["a", "c"])
      await (await open(folder)).close()
    })
  )

  it.live("can be made again and again, also of its own files", () =>
    inFolder(async (folder) => {
      const words = ["a", "b", "c", "d", "e"]
      await filled(folder, words)
      for (let n = 0; n < 4; n++) {
        await spoil(folder, words[n]!)
        const { aside } = await repairSpool(folder)
        assert.strictEqual(Path.basename(aside!), `damaged-${n + 1}`)
        assert.deepStrictEqual(await letters(folder), words.slice(n + 1))
      }
    })
  )

  it.live(
    "of every single damaged byte leaves a spool that opens, with the other files' records",
    () =>
      inFolder(async (folder) => {
        await filled(folder, ["a", "b", "c"])
        const names = await copyOf(folder)
        for (const [name, content] of names) {
          for (let at = 0; at < content.length; at += 149) {
            const damaged = Buffer.from(content, "latin1")
            damaged[at]! ^= 0x10
            await Fs.writeFile(Path.join(folder, name), damaged)
            await repairSpool(folder)
            const left = await letters(folder)
            assert.isAtLeast(left.length, 2, `${name} at ${at}`)
            assert.deepStrictEqual(
              left,
              [..."abc"].filter((letter) => left.includes(letter))
            )
            await (await open(folder)).close()
            await Fs.rm(folder, { recursive: true })
            await Fs.mkdir(folder)
            for (const [other, bytes] of names)
              await Fs.writeFile(Path.join(folder, other), bytes, "latin1")
          }
        }
      })
  )

  it.live(
    "that was interrupted between any two of its moves keeps the spool shut, and is ended by " +
      "the next",
    () =>
      inFolder(async (folder) => {
        await filled(folder, ["a", "b", "c", "d"])
        await spoil(folder, "c")
        const { aside, setAside } = await repairSpool(folder)
        const fresh = [...(await copyOf(folder)).keys()].filter((name) => name < segmentName(3))
        const whole = await copyOf(folder)
        const old = setAside.map((name) => [name, Path.join(aside!, name)] as const)
        // From the end backwards: as if the process had ended after this many moves.
        for (let moves = 0; moves <= old.length + fresh.length; moves++) {
          const place = await Fs.mkdtemp(`${folder}-`)
          await Fs.cp(folder, place, { recursive: true })
          const scratch = Path.join(place, "repair")
          await Fs.mkdir(scratch)
          for (const name of fresh)
            await Fs.rename(Path.join(place, name), Path.join(scratch, name))
          for (const [name] of old)
            await Fs.rename(Path.join(place, Path.basename(aside!), name), Path.join(place, name))
          await Fs.writeFile(
            Path.join(place, "repairing"),
            JSON.stringify({ aside: Path.basename(aside!), old: setAside, fresh })
          )
          const steps = [
            ...old.map(
              ([name]) =>
                [Path.join(place, name), Path.join(place, Path.basename(aside!), name)] as const
            ),
            ...fresh.map((name) => [Path.join(scratch, name), Path.join(place, name)] as const)
          ]
          for (const [from, to] of steps.slice(0, moves)) await Fs.rename(from, to)
          const error = (await rejection(open(place))) as { kind: string; message: string }
          assert.strictEqual(error.kind, "Damaged")
          assert.include(error.message, "was interrupted")
          assert.strictEqual((await repairSpool(place)).found, undefined)
          assert.deepStrictEqual(await copyOf(place), whole)
          assert.deepStrictEqual(await letters(place), ["a", "b", "d"])
          await Fs.rm(place, { recursive: true })
        }
      })
  )

  it.live("is refused while a process holds the spool", () =>
    inFolder(async (folder) => {
      const log = await open(folder)
      await append(log, ["a"])
      assert.strictEqual(
        ((await rejection(repairSpool(folder))) as { kind: string }).kind,
        "Locked"
      )
      await log.close()
    })
  )
})
