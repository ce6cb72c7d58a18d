/**
 * The file of one version of a Delta table: where it is, what it holds, and what tells it from
 * another file that takes its name.
 */
import { lstatSync } from "node:fs"
import * as Path from "node:path"
import { readPlainHere } from "../../internal/log/plainFile.ts"
import { versionName } from "./deltaActions.ts"

/** The log folder of a table folder. */
export const logFolder = (table: string): string => Path.join(table, "_delta_log")

const versionFile = (table: string, version: number): string =>
  Path.join(logFolder(table), `${versionName(version)}.json`)

/** The text of a version. Rejects with code `ENOENT` where there is none. */
export const readVersion = async (table: string, version: number): Promise<string> =>
  (await readPlainHere(versionFile(table, version))).toString("utf8")

/**
 * The file in which Hadoop, and so Spark on a local disk, keeps the checksum of another one. It has
 * to go before a file of ours takes that name: Spark refuses what does not match.
 */
export const checksumName = (name: string): string => `.${name}.crc`

/**
 * A version of a table and the file that holds it: another writer that replaces the file makes
 * another one.
 */
export interface SeenVersion {
  readonly version: number
  readonly identity: string
}

/** Whether the version is still the same file, and the latest one of the table folder. */
export const isLatest = async (table: string, seen: SeenVersion): Promise<boolean> => {
  if ((await identityOf(table, seen.version)) !== seen.identity) return false
  return (await identityOf(table, seen.version + 1)) === undefined
}

/**
 * What tells the file of a version from another one of the same name; undefined when there is none.
 */
export const identityOf = (table: string, version: number): Promise<string | undefined> =>
  identityOfFile(versionFile(table, version))

/**
 * What tells a file from another one of the same name. File systems reuse inodes, so the times of
 * its making and writing count too. A hard link changes none of this. The call does not leave the
 * thread: every flush makes many, and each takes a few microseconds.
 */
export const identityOfFile = async (file: string): Promise<string | undefined> => {
  const found = lstatSync(file, { bigint: true, throwIfNoEntry: false })
  if (found === undefined) return undefined
  const { birthtimeNs, dev, ino, mtimeNs, size } = found
  return [dev, ino, size, mtimeNs, birthtimeNs].join(":")
}
