/**
 * Names of our data files, and the form of paths in the Delta log.
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { StorageFailure } from "../log/storageErrors.ts"

/**
 * The prefix of our data files, so that a sweep or a compaction never touches files of other
 * writers.
 */
export const dataFilePrefix = "zerobus-"

/**
 * A relative path in the form of the Delta log: percent-encoded, except for the equals sign between
 * a partition column and its value.
 */
export const logPath = (names: ReadonlyArray<string>): string =>
  names.map((name) => encodeURIComponent(name).replaceAll("%3D", "=")).join("/")

/** Error codes of file systems for a path that they do not support. */
const impossible: ReadonlySet<string | undefined> = new Set(["ENAMETOOLONG", "EINVAL", "EILSEQ"])

/** Whether the file system supports the length and the characters of this path. */
export const fits = async (path: string): Promise<boolean> => {
  try {
    await Fs.lstat(path)
    return true
  } catch (error) {
    return !impossible.has((error as NodeJS.ErrnoException).code)
  }
}

/** The last part of a path in the log, still encoded. Names of our data files need no encoding. */
export const fileName = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

const refused = (folder: string, path: string, why: string): StorageFailure =>
  new StorageFailure({
    reason: "CorruptTable",
    message: `The Delta log of ${folder} names the file ${path}, ${why}`
  })

/** At least two letters: one letter and a colon are a Windows drive. */
const withScheme = /^[a-z][a-z0-9+.-]+:/i

/**
 * Resolves a path of the log. Relative paths start at the table's folder; other writers may also
 * use absolute ones, such as `file:///data/part.parquet`. Throws a `StorageFailure` that names the
 * path when it is not percent-encoded or leads to another store.
 */
export const filePath = (folder: string, path: string): string => {
  if (withScheme.test(path) && !/^file:/i.test(path)) {
    throw refused(
      folder,
      path,
      "which is not on this machine. Copy the table with all its files (CREATE TABLE ... DEEP " +
        "CLONE) and read the copy."
    )
  }
  try {
    const found = withScheme.test(path)
      ? fileURLToPath(path)
      : path.split("/").map(decodeURIComponent).join("/")
    if (found.includes("\0")) throw new URIError("A path cannot have this character.")
    return Path.isAbsolute(found) ? Path.normalize(found) : Path.join(folder, found)
  } catch {
    throw refused(
      folder,
      path,
      "and this path is not percent-encoded. Remove it from the table, and add the file again " +
        "with its path encoded."
    )
  }
}
