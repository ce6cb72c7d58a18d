/**
 * The lock of a data folder: one owner at a time, and takeover of a lock whose process has ended.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { setImmediate } from "node:timers/promises"
import {
  FolderLocked,
  lockFolder,
  lockHolder,
  type LockTiming
} from "../../../src/internal/log/folderLock.ts"
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

const lockIn = (folder: string) => Path.join(folder, ".lock")
/** A wait that ends at once, after `during` has run. `waited` counts the milliseconds. */
const instant = (during: (waits: number) => Promise<void> = async () => {}) => {
  let waits = 0
  const timing: LockTiming & { waited: number } = {
    beat: 5_000,
    silence: 30_000,
    waited: 0,
    // The waits of a holder never end: it lives as long as the test.
    sleep: async (millis, signal) => {
      if (signal !== undefined)
        return new Promise((resolve) => signal.addEventListener("abort", () => resolve()))
      timing.waited += millis
      await during(++waits)
    }
  }
  return timing
}
/** Waits of a holder, which the test ends one by one. */
const byHand = () => {
  let end = (): void => {}
  let begun = (): void => {}
  let next = new Promise<void>((resolve) => (begun = resolve))
  const timing: LockTiming = {
    beat: 5_000,
    silence: 30_000,
    sleep: () =>
      new Promise<void>((resolve) => {
        end = resolve
        begun()
      })
  }
  /** Ends the current wait and resolves when the holder waits again. */
  const beat = async () => {
    await next
    next = new Promise<void>((resolve) => (begun = resolve))
    end()
  }
  return { timing, beat, waiting: () => next }
}

/** Holders that cannot be looked up from here. */
const elsewhere = [
  ["on another host", { host: "elsewhere" }],
  ["before the machine started anew", { boot: "another" }],
  ["in another container", { space: "pid:[1]" }]
] as const

describe("the lock of a folder", () => {
  it.live("has one owner, is named to the next one, and leaves no files", () =>
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

  it.live(
    "is taken over from a process that is gone, another one of its number, and a cut write",
    () =>
      inFolder(async (folder) => {
        // No process has the first number, the start time of this process differs, and the third is
        // not JSON.
        for (const stale of [owner({ pid: 2 ** 30 }), owner({ started: "1" }), '{"pid":']) {
          await Fs.writeFile(Path.join(folder, ".lock"), stale)
          const lock = await lockFolder(folder)
          assert.notInclude(await Fs.readFile(Path.join(folder, ".lock"), "utf8"), '"token":"old"')
          await lock.release()
        }
      })
  )

  it.live.runIf(process.platform === "linux")(
    "is taken over from a process that has ended and that its parent has not asked for",
    () =>
      inFolder(async (folder) => {
        // The shell becomes a program that never collects its ended children.
        const parent = spawn("sh", ["-c", "sleep 60 & echo $!; exec sleep 60"], {
          stdio: ["ignore", "pipe", "ignore"]
        })
        try {
          const [line] = await once(parent.stdout, "data")
          const pid = Number(line)
          const stat = (of = pid) => Fs.readFile(`/proc/${of}/stat`, "utf8")
          while (!(await stat(parent.pid)).includes("(sleep)")) await setImmediate()
          process.kill(pid, "SIGKILL")
          while (!(await stat()).includes(") Z ")) await setImmediate()
          const started = (await stat()).split(") ")[1]!.split(" ")[19]!
          await Fs.writeFile(lockIn(folder), owner({ pid, started }))
          assert.strictEqual((await lockHolder(folder))?.state, "gone")
          await (await lockFolder(folder)).release()
        } finally {
          parent.kill("SIGKILL")
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

  for (const [where, fields] of elsewhere) {
    it.live(`is taken over at once from a holder ${where} that was silent for thirty seconds`, () =>
      inFolder(async (folder) => {
        await Fs.writeFile(lockIn(folder), owner(fields))
        const then = Date.now() / 1000 - 31
        await Fs.utimes(lockIn(folder), then, then)
        const timing = instant()
        await (await lockFolder(folder, timing)).release()
        assert.strictEqual(timing.waited, 0)
      })
    )

    it.live(`is taken over from a holder ${where} once it was silent for thirty seconds`, () =>
      inFolder(async (folder) => {
        await Fs.writeFile(lockIn(folder), owner(fields))
        // A clock that is ahead must not keep the lock forever.
        const then = Date.now() / 1000 + 3600
        await Fs.utimes(lockIn(folder), then, then)
        const timing = instant()
        await (await lockFolder(folder, timing)).release()
        assert.strictEqual(timing.waited, 30_000)
      })
    )

    it.live(`stays with a holder ${where} that gives a sign of life`, () =>
      inFolder(async (folder) => {
        await Fs.writeFile(lockIn(folder), owner(fields))
        const timing = instant(async (waits) => {
          if (waits === 4) await Fs.utimes(lockIn(folder), Date.now() / 1000, Date.now() / 1000 + 1)
        })
        const refused = await lockFolder(folder, timing).catch((error: unknown) => error)
        assert.instanceOf(refused, FolderLocked)
        assert.strictEqual(timing.waited, 4_000)
        assert.include(await Fs.readFile(lockIn(folder), "utf8"), '"token":"old"')
        assert.deepStrictEqual(await Fs.readdir(folder), [".lock"])
      })
    )
  }

  it.live(
    "goes to another host while its holder is suspended, which is told and takes nothing back",
    () =>
      inFolder(async (folder) => {
        const hand = byHand()
        const suspended = await lockFolder(folder, hand.timing)
        await hand.waiting()
        // The second one sees the first as a holder on another host.
        const { host, ...rest } = JSON.parse(await Fs.readFile(lockIn(folder), "utf8"))
        await Fs.writeFile(lockIn(folder), JSON.stringify({ ...rest, host: `not-${host}` }))
        const timing = instant()
        const next = await lockFolder(folder, timing)
        assert.strictEqual(timing.waited, 30_000)
        assert.deepStrictEqual([await suspended.isHeld(), await next.isHeld()], [false, true])
        const lock = await Fs.readFile(lockIn(folder), "utf8")
        await hand.beat()
        await suspended.lost
        await suspended.release()
        assert.isTrue(await next.isHeld())
        assert.strictEqual(await Fs.readFile(lockIn(folder), "utf8"), lock)
        await next.release()
        assert.deepStrictEqual(await Fs.readdir(folder), [])
      })
  )

  it.live("is touched by its holder, which notices when it was replaced or deleted", () =>
    inFolder(async (folder) => {
      for (const lose of [
        () => Fs.writeFile(lockIn(folder), owner({ token: "other" })),
        () => Fs.rm(lockIn(folder))
      ]) {
        const hand = byHand()
        const lock = await lockFolder(folder, hand.timing)
        await Fs.utimes(lockIn(folder), 1, 1)
        await hand.beat()
        await hand.waiting()
        assert.isAbove((await Fs.stat(lockIn(folder))).mtimeMs, 1_000_000)
        assert.isTrue(await lock.isHeld())
        await lose()
        await hand.beat()
        await lock.lost
        assert.isFalse(await lock.isHeld())
        await lock.release()
        await Fs.rm(lockIn(folder), { force: true })
      }
    })
  )
})
