/**
 * Names of our data files and their form in the Delta log.
 */
import * as Path from "node:path"

/** Our data files carry this prefix, so that a sweep or a compaction never touches those of other writers. */
export const dataFilePrefix = "zerobus-"

/** A relative path as the log wants it: percent-encoded, but for the sign between a partition column and its value. */
export const logPath = (names: ReadonlyArray<string>): string =>
  names.map((name) => encodeURIComponent(name).replaceAll("%3D", "=")).join("/")

/** Where a file of the log lies. */
export const filePath = (folder: string, path: string): string =>
  Path.join(folder, ...path.split("/").map(decodeURIComponent))
