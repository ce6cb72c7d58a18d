/**
 * The file of one version of a Delta table: its path, its content, and its identity, which changes
 * when another file takes its name.
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
 * The checksum file that Hadoop, and therefore Spark on a local disk, keeps for a file. It has to
 * be deleted before our file takes that name, because Spark refuses a file with another checksum.
 */
export const checksumName = (name: string): string => `.${name}.crc`

/**
 * A version of a table, and the identity of its file, which changes when another writer replaces
 * the file.
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

/** The identity of the file of a version; undefined when there is none. */
export const identityOf = (table: string, version: number): Promise<string | undefined> =>
  identityOfFile(versionFile(table, version))

/**
 * Distinguishes a file from others with the same name. File systems reuse inodes, so the times of
 * creation and modification are included. A hard link changes none of these. The call is
 * synchronous, because every flush makes many calls and each takes a few microseconds.
 */
export const identityOfFile = async (file: string): Promise<string | undefined> => {
  const found = lstatSync(file, { bigint: true, throwIfNoEntry: false })
  if (found === undefined) return undefined
  const { birthtimeNs, dev, ino, mtimeNs, size } = found
  return [dev, ino, size, mtimeNs, birthtimeNs].join(":")
}
