/**
 * Keeps a second process off a data folder: a lock file with the owner's process id and start time.
 *
 * A lock whose process is gone (or whose id now belongs to another process, as start times tell on Linux) is taken over. The
 * lock is a courtesy between servers on one machine; over a network file system it cannot see the other machine's processes.
 */
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { readPlain } from "./plainFile.ts"
import { writeSynced } from "./durableFile.ts"

interface Owner {
  readonly pid: number
  /** Start time of the process in clock ticks since boot, empty where the system does not tell. */
  readonly started: string
  readonly host: string
  readonly token: string
}

/** A held lock. */
export interface FolderLock {
  readonly release: () => Promise<void>
}

/** Another process holds the lock of a folder; the message names it and says what to do. */
export class FolderLocked extends Error {
  override readonly name = "FolderLocked"
}

/** Takes the lock of a folder, or throws `FolderLocked`, or `NotAFile` where something else has the lock's name. */
export const lockFolder = async (folder: string): Promise<FolderLock> => {
  const path = Path.join(folder, ".lock")
  const mine: Owner = {
    pid: process.pid,
    started: await startOf(process.pid),
    host: Os.hostname(),
    token: randomUUID()
  }
  const temporary = `${path}-${mine.token}`
  await writeSynced(temporary, JSON.stringify(mine))
  try {
    for (let attempt = 0; attempt < 10; attempt++) {
      if (await claim(temporary, path)) return { release: () => release(path, mine) }
      const owner = await readOwner(path)
      if (owner === undefined) continue
      if (await isAlive(owner)) {
        throw new FolderLocked(
          `The data folder ${folder} is in use by process ${owner.pid} on ${owner.host}. ` +
            `Stop that server, or choose another data folder. If no such server exists, delete ${path}.`
        )
      }
      await removeStale(path, owner)
    }
  } finally {
    await Fs.rm(temporary, { force: true })
  }
  throw new FolderLocked(`The lock ${path} keeps changing hands. Try again.`)
}

/** Links the prepared file to the lock's name, so that the lock appears with its content in one step. */
const claim = async (temporary: string, path: string): Promise<boolean> => {
  try {
    await Fs.link(temporary, path)
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === "EEXIST") return false
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "EOPNOTSUPP" && code !== "ENOSYS") throw error
    return Fs.copyFile(temporary, path, Fs.constants.COPYFILE_EXCL).then(
      () => true,
      (reason: NodeJS.ErrnoException) => {
        if (reason.code === "EEXIST") return false
        throw reason
      }
    )
  }
}

const readOwner = async (path: string): Promise<Owner | undefined> => {
  let text: string
  try {
    text = (await readPlain(path)).toString("utf8")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
  try {
    const owner = JSON.parse(text) as Partial<Owner>
    return {
      pid: Number(owner.pid),
      started: String(owner.started),
      host: String(owner.host),
      token: String(owner.token)
    }
  } catch {
    // Not ours, or cut short by a crash without hard links: nobody can be holding it.
    return { pid: 0, started: "", host: Os.hostname(), token: "" }
  }
}

const isAlive = async (owner: Owner): Promise<boolean> => {
  if (owner.host !== Os.hostname()) return false
  if (!Number.isInteger(owner.pid) || owner.pid <= 0) return false
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false
  }
  const started = await startOf(owner.pid)
  return started === "" || owner.started === "" || started === owner.started
}

const startOf = async (pid: number): Promise<string> => {
  try {
    const stat = await Fs.readFile(`/proc/${pid}/stat`, "utf8")
    // The name in parentheses may hold spaces; the start time is the 20th field behind it.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""
  } catch {
    return ""
  }
}

/** Moves a stale lock aside; when somebody else replaced it meanwhile, theirs is put back. */
const removeStale = async (path: string, stale: Owner): Promise<void> => {
  const aside = `${path}-stale-${randomUUID()}`
  try {
    await Fs.rename(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return
    throw error
  }
  const moved = await readOwner(aside)
  if (moved !== undefined && moved.token !== stale.token) await claim(aside, path)
  await Fs.rm(aside, { force: true })
}

const release = async (path: string, mine: Owner): Promise<void> => {
  const owner = await readOwner(path).catch(() => undefined)
  if (owner?.token === mine.token) await Fs.rm(path, { force: true })
}
