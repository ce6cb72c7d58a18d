/**
 * A spool on disks that are really full or read-only, with clocks that jump, and from a container
 * that was killed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import {
  append,
  inFolder,
  offer,
  open,
  readAll,
  rejection,
  settled
} from "../../support/spoolFolder.ts"
import { hasSmallDisks, smallDisk } from "../../support/smallDisk.ts"

const onSmallDisk = (body: (disk: Effect.Success<ReturnType<typeof smallDisk>>) => Promise<void>) =>
  Effect.flatMap(smallDisk(2 * 1024 * 1024), (disk) => Effect.promise(() => body(disk)))

describe.skipIf(!hasSmallDisks)("a small disk", () => {
  it.live(
    "that is full fails calls, typed, and takes them again when there is room; nothing is lost",
    () =>
      onSmallDisk(async (disk) => {
        const folder = Path.join(disk.folder, "spool")
        const log = await open(folder)
        assert.strictEqual(await append(log, ["a"]), "persisted")
        disk.fill(4)
        const expected = ["0 a"]
        // Some fit into the remaining space; the first that does not is refused completely.
        let refused: unknown = "persisted"
        for (let n = 0; n < 50 && refused === "persisted"; n++) {
          refused = await append(log, ["x".repeat(100)])
          if (refused === "persisted") expected.push(`${expected.length} ${"x".repeat(100)}`)
        }
        // Larger than the remaining space, and torn in the middle of its write.
        refused = await append(
          log,
          ["y".repeat(60)].concat(Array.from({ length: 500 }, () => "z".repeat(100)))
        )
        assert.strictEqual((refused as { kind: string }).kind, "Unavailable")
        assert.include((refused as Error).message, "the disk is full (ENOSPC)")
        assert.isUndefined(log.failure)
        // There is no room to store the acknowledged offset either, which does no harm.
        log.acknowledge(0)
        disk.clear()
        assert.strictEqual(await append(log, ["b"]), "persisted")
        await log.close()
        const again = await open(folder)
        assert.deepStrictEqual(
          await readAll(again),
          [...expected, `${expected.length} b`].slice(again.acknowledged + 1)
        )
        await again.close()
      })
  )

  it.live("that is full from the start refuses the spool, and takes it later", () =>
    onSmallDisk(async (disk) => {
      const folder = Path.join(disk.folder, "spool")
      disk.fill(0)
      const { kind, message } = (await rejection(open(folder))) as { kind: string; message: string }
      assert.strictEqual(kind, "Unavailable")
      assert.include(message, "ENOSPC")
      disk.clear()
      await (await open(folder)).close()
    })
  )

  it.live("that is read-only refuses a spool, and what waits in it can be read", () =>
    onSmallDisk(async (disk) => {
      const folder = Path.join(disk.folder, "spool")
      const log = await open(folder)
      await append(log, ["a", "b"])
      await log.close()
      execFileSync("mount", ["-o", "remount,ro", disk.folder])
      const { kind, message } = (await rejection(open(folder))) as { kind: string; message: string }
      assert.strictEqual(kind, "Unavailable")
      assert.include(message, "is not writable (EROFS)")
      execFileSync("mount", ["-o", "remount,rw", disk.folder])
      const again = await open(folder)
      assert.deepStrictEqual(await readAll(again), ["0 a", "1 b"])
      await again.close()
    })
  )
})

it.live("clocks that jump by hours, forth and back, stop no spool that has its lock", () =>
  inFolder(async (folder) => {
    let [monotonic, wall] = [0, 1_700_000_000_000]
    const log = await open(folder, { now: () => ({ monotonic, wall }) })
    for (const [steady, jump] of [
      [1, 3_600_000],
      [1, -7_200_000],
      [86_400_000, 86_400_000],
      [0, 0],
      [5, -1_700_000_000_000]
    ] as const) {
      monotonic += steady
      wall += jump
      assert.strictEqual(await append(log, ["x"]), "persisted")
    }
    assert.isUndefined(log.failure)
    assert.strictEqual((await readAll(log)).length, 5)
    await log.close()
  })
)

const hasNamespaces = spawnSync("unshare", ["--pid", "--fork", "true"]).status === 0

describe.skipIf(!hasNamespaces)("a holder that is process 1 of its container", () => {
  it.live(
    "is waited for while it may live, and replaced with everything once it was silent after its " +
      "kill",
    () =>
      inFolder(async (folder) => {
        const script = fileURLToPath(new URL("../../support/spoolProcess.ts", import.meta.url))
        const container = spawn(
          "unshare",
          ["--pid", "--fork", "--kill-child", process.execPath, script, folder],
          {
            stdio: ["ignore", "pipe", "inherit"]
          }
        )
        let printed = ""
        container.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()))
        while (printed.split("\n").length < 20) await once(container.stdout, "data")
        const lock = Path.join(folder, ".lock")
        const owner = JSON.parse(await Fs.readFile(lock, "utf8")) as {
          readonly pid: number
          readonly space: string
        }
        assert.strictEqual(owner.pid, 1)
        assert.notStrictEqual(owner.space, await Fs.readlink("/proc/self/ns/pid"))
        container.kill("SIGKILL")
        await once(container, "exit")
        // A process 1 is alive here as well, but it is another one.
        const long = Date.now() / 1000 - 31
        await Fs.utimes(lock, long, long)
        const persisted = Number(printed.split("\n").at(-2))
        const log = await open(folder)
        const found = await readAll(log)
        assert.isAtLeast(found.length, persisted + 1)
        offer(log, ["mine"])
        assert.strictEqual(await settled(log.latestGroup), "persisted")
        await log.close()
      })
  )
})
