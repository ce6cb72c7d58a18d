/**
 * Failures around a spool: disks that fail, torn and damaged files, other processes, other tables.
 * None of them loses anything.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { nodeDisk } from "../../../src/internal/log/logDisk.ts"
import { segmentNumbers, segmentPath } from "../../../src/internal/log/segmentFiles.ts"
import { summarize, waitingEntries } from "../../../src/internal/spool/readSpool.ts"
import { SpoolFailure } from "../../../src/internal/spool/spoolFailure.ts"
import type { SpoolOptions } from "../../../src/internal/spool/spoolLog.ts"
import { failure, faultyDisk } from "../../support/faultyDisk.ts"
import {
  append,
  inFolder,
  offer,
  open,
  readAll,
  rejection,
  settled
} from "../../support/spoolFolder.ts"

const kindOf = (value: unknown): SpoolFailure["kind"] => {
  assert.instanceOf(value, SpoolFailure)
  return (value as SpoolFailure).kind
}
const refused = async (
  folder: string,
  options: Partial<SpoolOptions> = {}
): Promise<SpoolFailure> => {
  const error = await rejection(open(folder, options))
  kindOf(error)
  return error as SpoolFailure
}
/** Everything in a folder except the lock. */
const contents = async (folder: string) => {
  const names = (await Fs.readdir(folder)).filter((name) => !name.startsWith(".")).sort()
  return Promise.all(
    names.map(async (name) => [name, await Fs.readFile(Path.join(folder, name), "latin1")] as const)
  )
}
/** Files of 1 KiB. */
const small = { maxBytes: 8 * 1024 }

describe("a disk that fails", () => {
  for (const [operation, code] of [
    ["write", "ENOSPC"],
    ["datasync", "EIO"],
    ["create", "EACCES"]
  ] as const) {
    it.live(
      `in ${operation} fails the group and what waits behind it, whose offsets are given out again`,
      () =>
        inFolder(async (folder) => {
          const disk = faultyDisk()
          const log = await open(folder, { disk })
          if (operation !== "create") await append(log, ["kept"])
          const from = log.nextOffset
          let begun = (): void => {}
          const writing = new Promise<void>((resolve) => (begun = resolve))
          let fail = (): void => {}
          const gate = new Promise<void>((_, reject) => (fail = () => reject(failure(code))))
          disk.before = (what) => {
            if (what !== operation) return
            begun()
            return gate
          }
          offer(log, ["lost"])
          const first = log.latestGroup!
          await writing
          offer(log, ["lost too", "and this"])
          const second = log.latestGroup!
          assert.notStrictEqual(first, second)
          fail()
          const outcomes = [await settled(first), await settled(second)]
          for (const outcome of outcomes) {
            assert.strictEqual(kindOf(outcome), "Unavailable")
            assert.include((outcome as SpoolFailure).message, code)
          }
          assert.strictEqual(log.nextOffset, from)
          assert.isUndefined(log.failure)
          disk.before = () => {}
          assert.strictEqual(await append(log, ["next"]), "persisted")
          const expected = operation === "create" ? ["0 next"] : ["0 kept", "1 next"]
          assert.deepStrictEqual(await readAll(log), expected)
          await log.close()
          const again = await open(folder)
          assert.deepStrictEqual(await readAll(again), expected)
          await again.close()
        })
    )
  }

  it.live(
    "when a note is written or a file deleted costs nothing but space, until the next " +
      "acknowledgement",
    () =>
      inFolder(async (folder) => {
        const disk = faultyDisk()
        const log = await open(folder, { ...small, disk })
        for (const word of ["a", "b", "c"]) await append(log, [word.repeat(1100)])
        const tried: Array<string> = []
        disk.before = (operation) => {
          tried.push(operation)
          throw failure("EIO")
        }
        log.acknowledge(0)
        while (tried.length === 0) await new Promise(setImmediate)
        assert.deepStrictEqual(await segmentNumbers(nodeDisk, folder), [1, 2, 3])
        disk.before = () => {}
        log.acknowledge(1)
        await log.close()
        assert.deepStrictEqual(await segmentNumbers(nodeDisk, folder), [3])
      })
  )

  it.live(
    "is told with its path: a file in place of the folder, and a folder that cannot be written",
    () =>
      inFolder(async (folder) => {
        const path = Path.join(folder, "spool")
        await Fs.writeFile(path, "")
        const failed = await refused(path)
        assert.deepStrictEqual([failed.kind, failed.message.includes(path)], ["Unavailable", true])
        const readOnly = await refused("/proc/spool")
        assert.strictEqual(readOnly.kind, "Unavailable")
      })
  )
})

describe("files of a spool", () => {
  it.live("that end within a group are cut off there, at every byte", () =>
    inFolder(async (folder) => {
      const log = await open(folder)
      const ends: Array<number> = []
      for (const word of ["one", "two", "three"]) {
        await append(log, [word])
        ends.push(log.files[0]!.bytes)
      }
      await log.close()
      const path = segmentPath(folder, 1)
      const file = await Fs.readFile(path)
      for (let bytes = 0; bytes < file.length; bytes += 7) {
        await Fs.writeFile(path, file.subarray(0, bytes))
        const again = await open(folder)
        const whole = ends.filter((end) => end <= bytes).length
        assert.strictEqual((await readAll(again)).length, whole, `cut at ${bytes}`)
        assert.strictEqual(again.nextOffset, whole)
        await again.close()
      }
    })
  )

  it.live(
    "that are damaged before the last group are refused with file and byte, and nothing is changed",
    () =>
      inFolder(async (folder) => {
        const log = await open(folder, small)
        for (const word of ["one", "two", "three"]) await append(log, [word.repeat(400)])
        log.acknowledge(0)
        await log.close()
        const numbers = await segmentNumbers(nodeDisk, folder)
        assert.isAbove(numbers.length, 1)
        const path = segmentPath(folder, numbers[0]!)
        const file = await Fs.readFile(path)
        for (let at = 0; at < file.length; at += 31) {
          const damaged = Buffer.from(file)
          damaged[at]! ^= 0x10
          await Fs.writeFile(path, damaged)
          const before = await contents(folder)
          const { kind, message } = await refused(folder)
          assert.strictEqual(kind, "Damaged", `damaged at ${at}`)
          assert.match(message, new RegExp(`${path}.* at byte \\d+ of ${file.length}`))
          assert.deepStrictEqual(await contents(folder), before)
        }
        await Fs.writeFile(path, file)
        await (await open(folder)).close()
      })
  )

  it.live("of which one in the middle is gone are refused with the offsets that are missing", () =>
    inFolder(async (folder) => {
      const log = await open(folder, small)
      for (const word of ["a", "b", "c"]) await append(log, [word.repeat(1100)])
      await log.close()
      await Fs.rm(segmentPath(folder, 2))
      const { kind, message } = await refused(folder)
      assert.strictEqual(kind, "Damaged")
      assert.include(message, "offsets 1 to 1")
    })
  )

  it.live(
    "that are damaged or deleted while the spool is open are reported when they are read",
    () =>
      inFolder(async (folder) => {
        for (const harm of [
          () => Fs.truncate(segmentPath(folder, 1), 900),
          () => Fs.rm(segmentPath(folder, 1))
        ]) {
          const log = await open(folder, small)
          for (const word of ["a", "b"]) await append(log, [word.repeat(1100)])
          await harm()
          assert.strictEqual(kindOf(await rejection(readAll(log))), "Damaged")
          await log.close()
          await Fs.rm(folder, { recursive: true })
        }
      })
  )

  it.live("of another kind are refused: a log of something else", () =>
    inFolder(async (folder) => {
      const fixture = Path.join(import.meta.dirname, "../../fixtures/killedFolder/data/.wal")
      const [table] = await Fs.readdir(fixture)
      await Fs.cp(Path.join(fixture, table!), folder, { recursive: true })
      const before = await contents(folder)
      const { kind, message } = await refused(folder)
      assert.strictEqual(kind, "Mismatch")
      assert.include(message, "is not a spool")
      assert.deepStrictEqual(await contents(folder), before)
    })
  )
})

describe("a folder of a spool", () => {
  it.live(
    "that is deleted under the running program fails what comes, typed, and the spool stops",
    () =>
      inFolder(async (folder) => {
        const log = await open(folder)
        await append(log, ["a"])
        await Fs.rm(folder, { recursive: true })
        const outcome = await append(log, ["b"])
        assert.strictEqual(kindOf(outcome), "Unavailable")
        assert.strictEqual(kindOf(await append(log, ["c"])), "Unavailable")
        await log.close()
      })
  )

  it.live("has one holder, and goes to the next one with everything when that was killed", () =>
    inFolder(async (folder) => {
      const script = fileURLToPath(new URL("../../support/spoolProcess.ts", import.meta.url))
      const child = spawn(process.execPath, [script, folder], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      let printed = ""
      child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()))
      while (printed.split("\n").length < 50) await once(child.stdout, "data")
      const { kind, message } = await refused(folder)
      assert.strictEqual(kind, "Locked")
      assert.include(message, String(child.pid))
      child.kill("SIGKILL")
      await once(child, "exit")
      const persisted = printed.split("\n").slice(0, -1).map(Number)
      const log = await open(folder)
      const found = (await readAll(log)).map((line) => Number(line.split(" ")[0]))
      assert.deepStrictEqual(
        found,
        Array.from(found, (_, i) => i)
      )
      assert.isAtLeast(found.length, persisted.at(-1)! + 1)
      await log.close()
    })
  )

  it.live("that another process takes over is written no more", () =>
    inFolder(async (folder) => {
      let wall = 0
      const log = await open(folder, { now: () => ({ monotonic: 0, wall }) })
      await append(log, ["a"])
      const other = { pid: 1, started: "", host: "elsewhere", token: "other" }
      await Fs.writeFile(Path.join(folder, ".lock"), JSON.stringify(other))
      // As after a suspension: the last check of the lock was long ago.
      wall = 11_000
      const failed = new Promise<{ readonly kind: string }>((resolve) => (log.onFailed = resolve))
      assert.strictEqual(kindOf(await append(log, ["b"])), "Locked")
      assert.strictEqual((await failed).kind, "Locked")
      assert.strictEqual(log.failure?.kind, "Locked")
      // It changes neither the stored offset nor the files any more.
      const before = await contents(folder)
      log.acknowledge(0)
      await log.close()
      assert.deepStrictEqual(await contents(folder), before)
      assert.include(await Fs.readFile(Path.join(folder, ".lock"), "utf8"), "other")
    })
  )
})

describe("a spool belongs to", () => {
  const field = (name: string, number: number, type: number, label = 1) => {
    const text = Buffer.from(name)
    const body = Buffer.concat([
      Buffer.from([0x0a, text.length]),
      text,
      Buffer.from([0x18, number, 0x20, label, 0x28, type])
    ])
    return Buffer.concat([Buffer.from([0x12, body.length]), body])
  }
  const descriptor = (...fields: ReadonlyArray<Buffer>) =>
    Uint8Array.from(Buffer.concat([Buffer.from([0x0a, 1, 0x52]), ...fields]))
  const one = descriptor(field("a", 1, 9), field("b", 2, 3))
  const proto = (descriptor: Uint8Array) =>
    ({ identity: { table: "main.default.t", recordType: "proto", descriptor } }) as const

  it.live("one table and one record type", () =>
    inFolder(async (folder) => {
      await (await open(folder)).close()
      const log = await open(folder)
      await append(log, ["a"])
      log.acknowledge(0)
      await log.close()
      const before = await contents(folder)
      const other = {
        table: "main.default.other",
        recordType: "json",
        descriptor: undefined
      } as const
      const failed = await refused(folder, { identity: other })
      assert.strictEqual(failed.kind, "Mismatch")
      assert.include(failed.message, "main.default.t, not to main.default.other")
      assert.strictEqual((await refused(folder, proto(one))).kind, "Mismatch")
      assert.deepStrictEqual(await contents(folder), before)
    })
  )

  it.live(
    "a descriptor that reads what waits: wider ones are taken, others are refused until it is " +
      "drained",
    () =>
      inFolder(async (folder) => {
        const log = await open(folder, proto(one))
        await append(log, ["a"])
        await log.close()
        for (const [other, words] of [
          [descriptor(field("a", 1, 9)), "field b is gone"],
          [descriptor(field("a", 1, 9), field("c", 2, 3)), "field 2 was b and is c"],
          [descriptor(field("a", 1, 5), field("b", 2, 3)), "field a was optional string"],
          [descriptor(field("a", 1, 9, 3), field("b", 2, 3)), "is repeated string"],
          [
            descriptor(field("a", 1, 9), field("b", 2, 3), field("c", 3, 9, 2)),
            "c is new and required"
          ]
        ] as const) {
          const { kind, message } = await refused(folder, proto(other))
          assert.deepStrictEqual([kind, message.includes(words)], ["Mismatch", true], message)
        }
        const wider = proto(descriptor(field("b", 2, 3), field("a", 1, 9), field("c", 3, 9)))
        const second = await open(folder, wider)
        await append(second, ["b"])
        assert.deepStrictEqual(await readAll(second), ["0 a", "1 b"])
        await second.close()
        // Records ingested since then use the wider descriptor.
        assert.strictEqual((await refused(folder, proto(one))).kind, "Mismatch")
        const third = await open(folder, wider)
        third.acknowledge(1)
        await third.close()
        await (await open(folder, proto(one))).close()
      })
  )
})

describe("reading a spool without opening it", () => {
  it.live("gives what waits while another process holds it, and changes nothing", () =>
    inFolder(async (folder) => {
      const log = await open(folder)
      await append(log, ["a", "b"])
      await append(log, ["c", "d"], true)
      log.acknowledge(0)
      offer(log, ["e"])
      log.notePosition(log.nextOffset - 1, Buffer.from("here"))
      await settled(log.latestGroup)
      const { firstOffset, nextOffset, position, recordType, tableName } = await summarize(folder)
      assert.deepStrictEqual(
        [tableName, recordType, firstOffset, nextOffset],
        ["main.default.t", "json", 1, 4]
      )
      assert.deepStrictEqual(
        [position?.offset, Buffer.from(position!.bytes).toString()],
        [3, "here"]
      )
      const found: Array<string> = []
      for await (const entries of waitingEntries(folder)) {
        for (const { atomic, offset, payloads } of entries) {
          const texts = payloads.map((payload) => Buffer.from(payload).toString())
          found.push(`${offset} ${texts.join()}${atomic ? " batch" : ""}`)
        }
      }
      assert.deepStrictEqual(found, ["1 b", "2 c,d batch", "3 e"])
      assert.strictEqual(await append(log, ["f"]), "persisted")
      await log.close()
    })
  )

  it.live("goes on after what the holder acknowledges and deletes in the meantime", () =>
    inFolder(async (folder) => {
      const log = await open(folder, small)
      for (const word of ["a", "b", "c", "d"]) await append(log, [word.repeat(1100)])
      const found: Array<number> = []
      for await (const entries of waitingEntries(folder)) {
        found.push(...entries.map(({ offset }) => offset))
        if (found.length > 1) continue
        log.acknowledge(1)
        while ((await segmentNumbers(nodeDisk, folder)).length > 2) await Fs.stat(folder)
      }
      assert.deepStrictEqual(found, [0, 2, 3])
      await log.close()
    })
  )

  it.live("fails for a folder without a spool", () =>
    inFolder(async (folder) => {
      assert.strictEqual(kindOf(await rejection(summarize(folder))), "Mismatch")
      assert.strictEqual(kindOf(await rejection(summarize(Path.join(folder, "none")))), "Mismatch")
    })
  )
})
