/**
 * Files and folders that are what their names promise. A link, a pipe, a socket or a device in the
 * place of a file is refused with its path: it could lead data somewhere else, or never answer.
 */
import { closeSync, fstatSync, lstatSync, open, openSync, readSync, type Stats } from "node:fs"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { promisify } from "node:util"

/**
 * Something else than a plain file has the name of a file. `what` says it with the path; the code
 * survives a worker thread.
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
 * Something else than a folder has the name of a folder. `what` says it with the path; the code
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
/** Missing on Windows, where links are looked for before a file is opened. */
const O_NOFOLLOW: number | undefined = Fs.constants.O_NOFOLLOW
/** Without it, opening a pipe waits for its other end. */
const O_NONBLOCK: number = Fs.constants.O_NONBLOCK ?? 0

/** How a file is opened: to read it, to write it anew, or to make it where nothing has its name. */
export type OpenFor = "read" | "replace" | "create"

const flags: Readonly<Record<OpenFor, number>> = {
  read: O_RDONLY,
  replace: O_WRONLY | O_CREAT | O_TRUNC,
  create: O_WRONLY | O_CREAT | O_EXCL
}

/** Codes of `open` for a name that belongs to no plain file. */
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
 * Opens a plain file. Rejects with `NotAFile` where a link or a special file has the name. A new
 * file can be read and written by its owner only, unless `mode` says otherwise.
 */
export const openPlain = async (
  path: string,
  how: OpenFor | number,
  mode = 0o600
): Promise<Fs.FileHandle> => (await openSized(path, how, mode)).handle

const opened = promisify(open)

/**
 * Makes a file where nothing has its name, and opens it to write. Rejects with `EEXIST` also where
 * a link or a special file has it. Not on the calling thread: a new name may wait for the file
 * system's journal.
 */
export const openNew = (path: string, mode: number): Promise<number> =>
  opened(path, flags.create, mode)

/** The same, with the size that the file had when it was opened. */
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

/** What has the name, links not followed; undefined when nothing has. */
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
    // One call where `readFile` makes three: a start reads thousands of small files.
    const { buffer, bytesRead } = await handle.read(
      Buffer.allocUnsafeSlow(size + 1),
      0,
      size + 1,
      0
    )
    // It grew meanwhile, or was larger than one call reads.
    return bytesRead === size ? buffer.subarray(0, size) : await handle.readFile()
  } finally {
    await handle.close()
  }
}

/** Files up to so many bytes are read on the calling thread where `readPlainHere` reads them. */
const smallBytes = 256 * 1024

/**
 * Reads a whole plain file as `readPlain` does, a small one on the calling thread: the four calls
 * take some microseconds, and their way to Node's threads and back takes many times that.
 */
export const readPlainHere = async (path: string): Promise<Buffer> => {
  if (O_NOFOLLOW === undefined) return readPlain(path)
  let fd: number
  try {
    fd = openSync(path, flags.read | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    if (!otherKinds.has(codeOf(error))) throw error
    // Says what has the name.
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
 * Answers whether the folder exists. Rejects with `NotAFolder` where a link or anything else has
 * its name.
 */
export const isFolder = async (path: string): Promise<boolean> => {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined || found.isDirectory()) return found !== undefined
  throw new NotAFolder(`${path} is ${kindOf(found)}, where a folder is needed`)
}

/** A path where a folder is needed, and what is there, in words; nothing without `kind`. */
export interface NotFolder {
  readonly path: string
  readonly kind: string | undefined
}

/**
 * The first of these paths that is no folder. The calls stay on the thread: each takes a few
 * microseconds.
 */
export const notFolder = (paths: ReadonlyArray<string>): NotFolder | undefined => {
  for (const path of paths) {
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found?.isDirectory() !== true) return { path, kind: found && kindOf(found) }
  }
  return undefined
}

/** Calls that change the folder of a name, not what has the name. */
const changesFolder: ReadonlySet<string | undefined> = new Set([
  "link",
  "mkdir",
  "rename",
  "rmdir",
  "unlink"
])

/** Whether the system lets this process see what has the name. */
const isSeen = (path: string): boolean => {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    return false
  }
}

/**
 * The file or folder whose permissions kept a call from being done; undefined where the error does
 * not tell.
 */
export const refusedPath = (error: unknown): string | undefined => {
  const { path, syscall } = error as NodeJS.ErrnoException
  if (path === undefined || !Path.isAbsolute(path)) return path
  let refused = changesFolder.has(syscall) ? Path.dirname(path) : path
  // A name that is not there was to be made, in the nearest folder that is.
  while (!isSeen(refused) && refused !== Path.dirname(refused)) refused = Path.dirname(refused)
  return refused
}
