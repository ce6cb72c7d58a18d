/**
 * Opens plain files and folders only. A link, a pipe, a socket or a device in place of a file is
 * refused with its path: it could redirect data, or block.
 */
import { closeSync, fstatSync, lstatSync, open, openSync, readSync, type Stats } from "node:fs"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { promisify } from "node:util"

/**
 * The name of a file belongs to something other than a plain file. `what` describes it with the
 * path. The code survives a worker thread.
 */
export class NotAFile extends Error {
  override readonly name = "NotAFile"
  readonly code = "NotAFile"
  readonly what: string
  constructor(what: string) {
    super(`${what}. Move it away.`)
    this.what = what
  }
}

/**
 * The name of a folder belongs to something else. `what` describes it with the path. The code
 * survives a worker thread.
 */
export class NotAFolder extends Error {
  override readonly name = "NotAFolder"
  readonly code = "NotAFolder"
  readonly what: string
  constructor(what: string, remedy = "Move it away.") {
    super(`${what}. ${remedy}`)
    this.what = what
  }
}

const { O_CREAT, O_EXCL, O_RDONLY, O_TRUNC, O_WRONLY } = Fs.constants
/** Missing on Windows, where a check for links comes before opening a file. */
const O_NOFOLLOW: number | undefined = Fs.constants.O_NOFOLLOW
/** Without it, opening a pipe waits for its other end. */
const O_NONBLOCK: number = Fs.constants.O_NONBLOCK ?? 0

/** How a file is opened: to read it, to overwrite it, or to create it under a free name. */
export type OpenFor = "read" | "replace" | "create"

const flags: Readonly<Record<OpenFor, number>> = {
  read: O_RDONLY,
  replace: O_WRONLY | O_CREAT | O_TRUNC,
  create: O_WRONLY | O_CREAT | O_EXCL
}

/** Error codes of `open` for a name that is not a plain file. */
const otherKinds: ReadonlySet<string | undefined> = new Set(["ELOOP", "EMLINK", "ENXIO", "EISDIR"])

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

const kindOf = (found: Stats): string =>
  found.isSymbolicLink()
    ? "a link"
    : found.isDirectory()
      ? "a folder"
      : found.isFile()
        ? "a file"
        : found.isFIFO()
          ? "a pipe"
          : found.isSocket()
            ? "a socket"
            : "a device"

const notAFile = (path: string, kind: string): NotAFile =>
  new NotAFile(`${path} is ${kind}, where a plain file is needed`)

/**
 * Opens a plain file. Rejects with `NotAFile` for a link or a special file. Only the owner can read
 * and write a new file, unless `mode` states otherwise.
 */
export const openPlain = async (
  path: string,
  how: OpenFor | number,
  mode = 0o600
): Promise<Fs.FileHandle> => (await openSized(path, how, mode)).handle

const opened = promisify(open)

/**
 * Creates a file under a free name, and opens it for writing. Rejects with `EEXIST`, also for a
 * link or a special file. Runs off the calling thread: a new name may wait for the file system's
 * journal.
 */
export const openNew = (path: string, mode: number): Promise<number> =>
  opened(path, flags.create, mode)

/** Opens like `openPlain`, and returns the size that the file had when it was opened. */
const openSized = async (
  path: string,
  how: OpenFor | number,
  mode: number
): Promise<{ readonly handle: Fs.FileHandle; readonly size: number }> => {
  const wanted = typeof how === "number" ? how : flags[how]
  if (O_NOFOLLOW === undefined) {
    const found = await lstatOf(path)
    if (found !== undefined && !found.isFile()) throw notAFile(path, kindOf(found))
  }
  let handle: Fs.FileHandle
  try {
    handle = await Fs.open(path, wanted | (O_NOFOLLOW ?? 0) | O_NONBLOCK, mode)
  } catch (error) {
    const found = otherKinds.has(codeOf(error)) ? await lstatOf(path) : undefined
    if (found === undefined || found.isFile()) throw error
    throw notAFile(path, kindOf(found))
  }
  const found = await handle.stat()
  if (found.isFile()) return { handle, size: found.size }
  await handle.close()
  throw notAFile(path, kindOf(found))
}

/** The entry at a path, without following links; undefined when there is none. */
export const lstatOf = async (path: string): Promise<Stats | undefined> => {
  try {
    return await Fs.lstat(path)
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined
    throw error
  }
}

/** Reads a whole plain file. Rejects as `openPlain` does. */
export const readPlain = async (path: string): Promise<Buffer> => {
  const { handle, size } = await openSized(path, "read", 0)
  try {
    // One call instead of the three of `readFile`: a start reads thousands of small files.
    const { buffer, bytesRead } = await handle.read(
      Buffer.allocUnsafeSlow(size + 1),
      0,
      size + 1,
      0
    )
    // The file grew in the meantime, or was larger than one call reads.
    return bytesRead === size ? buffer.subarray(0, size) : await handle.readFile()
  } finally {
    await handle.close()
  }
}

/** Files up to this size are read on the calling thread by `readPlainHere`. */
const smallBytes = 256 * 1024

/**
 * Reads a whole plain file like `readPlain`, a small one on the calling thread. The four calls take
 * a few microseconds; handing them to Node's threads takes many times that.
 */
export const readPlainHere = async (path: string): Promise<Buffer> => {
  if (O_NOFOLLOW === undefined) return readPlain(path)
  let fd: number
  try {
    fd = openSync(path, flags.read | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    if (!otherKinds.has(codeOf(error))) throw error
    // This call names what is at the path.
    return readPlain(path)
  }
  try {
    const found = fstatSync(fd)
    if (found.isFile() && found.size <= smallBytes) {
      const buffer = Buffer.allocUnsafeSlow(found.size + 1)
      if (readSync(fd, buffer, 0, buffer.length, 0) === found.size)
        return buffer.subarray(0, found.size)
    }
  } finally {
    closeSync(fd)
  }
  return readPlain(path)
}

/**
 * Returns whether the folder exists. Rejects with `NotAFolder` when its name belongs to a link or
 * anything else.
 */
export const isFolder = async (path: string): Promise<boolean> => {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined || found.isDirectory()) return found !== undefined
  throw new NotAFolder(`${path} is ${kindOf(found)}, where a folder is needed`)
}

/**
 * A path where a folder is needed, and what kind of entry is there; without `kind` there is none.
 */
export interface NotFolder {
  readonly path: string
  readonly kind: string | undefined
}

/**
 * The first of these paths that is not a folder. Runs on the calling thread: each call takes a few
 * microseconds.
 */
export const notFolder = (paths: ReadonlyArray<string>): NotFolder | undefined => {
  for (const path of paths) {
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found?.isDirectory() !== true) return { path, kind: found && kindOf(found) }
  }
  return undefined
}

/** Calls that change the parent folder of a path, not the entry itself. */
const changesFolder: ReadonlySet<string | undefined> = new Set([
  "link",
  "mkdir",
  "rename",
  "rmdir",
  "unlink"
])

/** Whether this process may see the entry at a path. */
const isSeen = (path: string): boolean => {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    return false
  }
}

/**
 * The file or folder whose permissions prevented a call; undefined when the error does not show it.
 */
export const refusedPath = (error: unknown): string | undefined => {
  const { path, syscall } = error as NodeJS.ErrnoException
  if (path === undefined || !Path.isAbsolute(path)) return path
  let refused = changesFolder.has(syscall) ? Path.dirname(path) : path
  // A missing name was to be created in the nearest existing folder.
  while (!isSeen(refused) && refused !== Path.dirname(refused)) refused = Path.dirname(refused)
  return refused
}
