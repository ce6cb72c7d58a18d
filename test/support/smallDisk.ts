/**
 * A disk of a few megabytes that a test can fill completely: an in-memory file system, which only
 * root may mount.
 */
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

/** The page size of such a file system. */
export const pageBytes = 4096

const mount = (bytes: number): string => {
  const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "zerobus-disk-"))
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes},mode=700`, "tmpfs", folder], {
      stdio: "ignore"
    })
  } catch (error) {
    Fs.rmdirSync(folder)
    throw error
  }
  return folder
}

const unmount = (folder: string): void => {
  execFileSync("umount", ["--lazy", folder])
  Fs.rmdirSync(folder)
}

/** Whether this process may mount one. */
export const hasSmallDisks: boolean = (() => {
  if (process.platform !== "linux") return false
  try {
    unmount(mount(64 * pageBytes))
    return true
  } catch {
    return false
  }
})()

/** A disk that exists while the scope is open. */
export interface SmallDisk {
  readonly folder: string
  /** Fills the disk except for this many pages. */
  readonly fill: (freePages: number) => void
  /** Frees the space again. */
  readonly clear: () => void
}

/** Mounts a disk of this size. */
export const smallDisk = (bytes: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mount(bytes)),
      (folder) => Effect.sync(() => unmount(folder))
    ),
    (folder): SmallDisk => {
      const ballast = Path.join(folder, "ballast")
      return {
        folder,
        fill: (freePages) => {
          const file = Fs.openSync(ballast, "w")
          const page = new Uint8Array(pageBytes)
          let pages = 0
          try {
            for (; ; pages++) if (Fs.writeSync(file, page) < page.length) break
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error
          }
          Fs.ftruncateSync(file, Math.max(0, pages - freePages) * pageBytes)
          Fs.closeSync(file)
        },
        clear: () => Fs.rmSync(ballast, { force: true })
      }
    }
  )
