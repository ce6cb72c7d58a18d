/**
 * Names of our data files and their form in the Delta log.
 */
import * as Path from "node:path"
import { StorageFailure } from "../log/storageErrors.ts"

/** Our data files carry this prefix, so that a sweep or a compaction never touches those of other writers. */
export const dataFilePrefix = "zerobus-"

/** A relative path as the log wants it: percent-encoded, but for the sign between a partition column and its value. */
export const logPath = (names: ReadonlyArray<string>): string =>
  names.map((name) => encodeURIComponent(name).replaceAll("%3D", "=")).join("/")

/** The last part of a path of the log, still encoded. Names of our data files need no encoding. */
export const fileName = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

/** Where a file of the log lies. Throws `StorageFailure` when the path is not percent-encoded. */
export const filePath = (folder: string, path: string): string => {
  try {
    return Path.join(folder, ...path.split("/").map(decodeURIComponent))
  } catch {
    throw new StorageFailure({
      reason: "CorruptTable",
      message:
        `The Delta log of ${folder} names the file ${path}, and this path is not percent-encoded. ` +
        "Remove it from the table, and add the file again with its path encoded."
    })
  }
}
