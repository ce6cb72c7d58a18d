/**
 * Keeps other processes out of a folder: a lock file that names its holder, which touches the file
 * every five seconds.
 *
 * A holder on this machine is looked up by its process id and start time. A holder on another
 * machine or in another container cannot be looked up. It counts as gone once it has not touched
 * the lock for thirty seconds. That age is the difference of two times of the folder's own file
 * system, so clocks of machines do not matter. A holder that was replaced, such as a suspended one,
 * finds another lock in its place and `lost` resolves.
 */
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { writeSynced } from "./durableFile.ts"
import { openPlain } from "./plainFile.ts"

/** The holder of a lock. Empty texts are unknown. */
export interface LockOwner {
  readonly pid: number
  /** Start time of the process in clock ticks since boot. */
  readonly started: string
  readonly host: string
  /** Identifies one boot of the machine. */
  readonly boot: string
  /** Identifies the namespace of the process id: containers have their own. */
  readonly space: string
  readonly token: string
}

/** A held lock. */
export interface FolderLock {
  /** Releases the lock, if it is still held. */
  readonly release: () => Promise<void>
  /** Reads the file and returns whether the lock still belongs to this holder. */
  readonly isHeld: () => Promise<boolean>
  /**
   * Resolves when the lock was lost: replaced, or deleted with its folder. Never resolves
   * otherwise.
   */
  readonly lost: Promise<void>
}

/** Times of a lock in milliseconds, and how to wait. */
export interface LockTiming {
  /** How often the holder touches the lock; default 5 seconds. */
  readonly beat: number
  /**
   * Time without a touch after which a holder that cannot be looked up counts as gone; default 30
   * seconds.
   */
  readonly silence: number
  /** Waits `millis` milliseconds. The waits of a holder do not keep the process alive. */
  readonly sleep: (millis: number, signal?: AbortSignal) => Promise<void>
}

const timing: LockTiming = {
  beat: 5_000,
  silence: 30_000,
  sleep: (millis, signal) =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, millis)
      if (signal === undefined) return
      timer.unref()
      signal.addEventListener("abort", () => resolve(clearTimeout(timer)), { once: true })
    })
}

/** Another process holds the lock of a folder. The message names that process and what to do. */
export class FolderLocked extends Error {
  override readonly name = "FolderLocked"
}

/** How often the lock of a holder that cannot be looked up is checked, in milliseconds. */
const LOOK_EVERY = 1_000

/**
 * Takes the lock of a folder. Throws `FolderLocked`, or `NotAFile` when the lock's name belongs to
 * something else. When the holder cannot be looked up and was active lately, it waits up to
 * `silence` for another touch.
 */
export const lockFolder = async (
  folder: string,
  { beat, silence, sleep }: LockTiming = timing
): Promise<FolderLock> => {
  const path = Path.join(folder, ".lock")
  const mine = await thisProcess()
  const temporary = `${path}-${mine.token}`
  await writeSynced(temporary, JSON.stringify(mine))
  /** The watched holder, its last touch, and for how long it has been watched. */
  let watched: { readonly token: string; readonly seen: number; millis: number } | undefined
  try {
    for (let attempt = 0; attempt < 10; attempt++) {
      if (await claim(temporary, path)) return hold(path, mine, beat, sleep)
      const found = await readLock(path)
      if (found === undefined) continue
      const { owner, seen } = found
      const alive = await isAlive(owner, mine)
      if (alive === "unknown") {
        const silent = Math.max(
          await ageOf(temporary, seen),
          watched?.token === owner.token ? watched.millis : 0
        )
        const moved = watched?.token === owner.token && watched.seen !== seen
        if (!moved && silent < silence) {
          await sleep(LOOK_EVERY)
          const millis = watched?.token === owner.token ? watched.millis + LOOK_EVERY : LOOK_EVERY
          watched = { token: owner.token, seen, millis }
          attempt--
          continue
        }
        if (moved) throw new FolderLocked(inUse(folder, path, owner))
      }
      if (alive === "alive") throw new FolderLocked(inUse(folder, path, owner))
      await removeStale(path, owner)
    }
  } finally {
    await Fs.rm(temporary, { force: true })
  }
  throw new FolderLocked(`The lock ${path} keeps changing hands. Try again.`)
}

const inUse = (folder: string, path: string, owner: LockOwner): string =>
  `The folder ${folder} is in use by process ${owner.pid} on ${owner.host}. ` +
  `Stop that process, or choose another folder. If no such process exists, delete ${path}.`

/** The holder of a lock, as far as this process can tell. */
export interface LockHolder {
  readonly pid: number
  readonly host: string
  /**
   * `unknown` for a holder whose processes cannot be looked up: on another machine or in another
   * container.
   */
  readonly state: "alive" | "gone" | "unknown"
}

/** The holder of a folder's lock, without taking it; `undefined` when there is no lock. */
export const lockHolder = async (folder: string): Promise<LockHolder | undefined> => {
  const found = await readLock(Path.join(folder, ".lock"))
  if (found === undefined) return undefined
  const { host, pid } = found.owner
  return { pid, host, state: await isAlive(found.owner, await thisProcess()) }
}

/** Touches the lock until it is released or lost. */
const hold = (
  path: string,
  mine: LockOwner,
  beat: number,
  sleep: LockTiming["sleep"]
): FolderLock => {
  const released = new AbortController()
  const isHeld = async (): Promise<boolean> => (await readLock(path))?.owner.token === mine.token
  let lose = (): void => {}
  const lost = new Promise<void>((resolve) => (lose = resolve))
  const touch = async (): Promise<void> => {
    for (;;) {
      await sleep(beat, released.signal)
      if (released.signal.aborted) return
      // A failing file system does not mean another holder. Writers to the folder get the error
      // themselves.
      const held = await isHeld().catch(() => true)
      if (released.signal.aborted) return
      if (!held) return lose()
      // Writes through a handle: a lock that appeared in the meantime must not look alive.
      await rewrite(path, mine).catch(() => {})
    }
  }
  void touch()
  return {
    lost,
    isHeld,
    release: async () => {
      released.abort()
      if (await isHeld().catch(() => false)) await Fs.rm(path, { force: true })
    }
  }
}

/** Writes the same content again, so that the file system records the time by its own clock. */
const rewrite = async (path: string, mine: LockOwner): Promise<void> => {
  const handle = await openPlain(path, Fs.constants.O_RDWR)
  try {
    const owner = ownerOf(await handle.readFile("utf8"))
    if (owner.token === mine.token) await handle.write(JSON.stringify(mine), 0)
  } finally {
    await handle.close()
  }
}

/** The age of a time in milliseconds, by the clock of the file system of `temporary`. */
const ageOf = async (temporary: string, time: number): Promise<number> => {
  const handle = await openPlain(temporary, Fs.constants.O_RDWR)
  try {
    await handle.write("{", 0)
    return (await handle.stat()).mtimeMs - time
  } finally {
    await handle.close()
  }
}

/**
 * Links the prepared file to the lock's name, so that the lock appears atomically with its content.
 */
const claim = async (temporary: string, path: string): Promise<boolean> => {
  try {
    await Fs.link(temporary, path)
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === "EEXIST") return false
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "EOPNOTSUPP" && code !== "ENOSYS")
      throw error
    return Fs.copyFile(temporary, path, Fs.constants.COPYFILE_EXCL).then(
      () => true,
      (reason: NodeJS.ErrnoException) => {
        if (reason.code === "EEXIST") return false
        throw reason
      }
    )
  }
}

/** The holder of a lock, and when it was last touched; `undefined` when there is no such file. */
const readLock = async (
  path: string
): Promise<{ readonly owner: LockOwner; readonly seen: number } | undefined> => {
  try {
    const handle = await openPlain(path, "read")
    try {
      const { mtimeMs } = await handle.stat()
      return { owner: ownerOf(await handle.readFile("utf8")), seen: mtimeMs }
    } finally {
      await handle.close()
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

const ownerOf = (text: string): LockOwner => {
  try {
    const owner = JSON.parse(text) as Partial<LockOwner>
    return {
      pid: Number(owner.pid),
      started: String(owner.started),
      host: String(owner.host),
      boot: String(owner.boot ?? ""),
      space: String(owner.space ?? ""),
      token: String(owner.token)
    }
  } catch {
    // Another program's file, or cut short by a crash without hard links: no process can be holding
    // it.
    return { pid: 0, started: "", host: Os.hostname(), boot: "", space: "", token: "" }
  }
}

const thisProcess = async (): Promise<LockOwner> => ({
  pid: process.pid,
  started: (await statOf(process.pid)).started,
  host: Os.hostname(),
  boot: (await Fs.readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "")).trim(),
  space: await Fs.readlink("/proc/self/ns/pid").catch(() => ""),
  token: randomUUID()
})

/** Whether a holder is alive; `unknown` when its processes are not visible from here. */
const isAlive = async (
  owner: LockOwner,
  mine: LockOwner
): Promise<"alive" | "gone" | "unknown"> => {
  const near = (theirs: string, here: string): boolean =>
    theirs === here || theirs === "" || here === ""
  if (owner.host !== mine.host || !near(owner.boot, mine.boot) || !near(owner.space, mine.space))
    return "unknown"
  if (!Number.isInteger(owner.pid) || owner.pid <= 0) return "gone"
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return "gone"
  }
  const { hasEnded, started } = await statOf(owner.pid)
  if (hasEnded) return "gone"
  return started === "" || owner.started === "" || started === owner.started ? "alive" : "gone"
}

/**
 * When a process started, in clock ticks; empty where that is not visible. A process has ended when
 * only its exit status remains because its parent has not collected it. In some containers the
 * first process never does. The first thread of a killed process ends before threads that still
 * write.
 */
const statOf = async (
  pid: number
): Promise<{ readonly started: string; readonly hasEnded: boolean }> => {
  try {
    const stat = await Fs.readFile(`/proc/${pid}/stat`, "utf8")
    // The name in parentheses may contain spaces. The state follows it; the 18th and the 20th field
    // are the number of threads and the start time.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    const hasEnded = fields[0] === "X" || (fields[0] === "Z" && Number(fields[17]) <= 1)
    return { started: fields[19] ?? "", hasEnded }
  } catch {
    return { started: "", hasEnded: false }
  }
}

/**
 * Moves a stale lock aside. If another process replaced it in the meantime, that lock is put back.
 */
const removeStale = async (path: string, stale: LockOwner): Promise<void> => {
  const aside = `${path}-stale-${randomUUID()}`
  try {
    await Fs.rename(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return
    throw error
  }
  const moved = await readLock(aside)
  if (moved !== undefined && moved.owner.token !== stale.token) await claim(aside, path)
  await Fs.rm(aside, { force: true })
}
