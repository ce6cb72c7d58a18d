/**
 * Finds the folders of tables in a data folder, and checks that they are plain folders.
 *
 * Links are not followed: writing through a link in place of a folder would leave the data folder.
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { type NotFolder, notFolder } from "../../internal/log/plainFile.ts"
import { StorageFailure } from "./storageErrors.ts"

/** Deletes the remains of dropped tables after a crash. */
export const sweepTrash = async (folder: string): Promise<void> => {
  for (const trash of await Fs.readdir(folder)) {
    if (trash.startsWith(".trash-"))
      await Fs.rm(Path.join(folder, trash), { recursive: true, force: true })
  }
}

/** The table folders in a data folder. */
export interface FoundTables {
  /**
   * Names and paths, three levels below the data folder. Links and special files are included;
   * opening them reports an error.
   */
  readonly tables: ReadonlyArray<readonly [name: string, path: string]>
  /**
   * Entries in the place of a catalog or a schema that are neither folders nor files, such as links
   * and pipes.
   */
  readonly strange: ReadonlyArray<string>
}

/** Finds the tables of a data folder, without following links. */
export const tableFolders = async (folder: string): Promise<FoundTables> => {
  const tables: Array<readonly [string, string]> = []
  const strange: Array<string> = []
  const below = async (path: string) =>
    (await Fs.readdir(path, { withFileTypes: true }))
      .filter((entry) => !entry.isFile() && !entry.name.startsWith("."))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  const folders = async (path: string) => {
    const entries = await below(path)
    for (const entry of entries) if (!entry.isDirectory()) strange.push(Path.join(path, entry.name))
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  }
  for (const catalog of await folders(folder)) {
    for (const schema of await folders(Path.join(folder, catalog))) {
      for (const { name } of await below(Path.join(folder, catalog, schema))) {
        tables.push([`${catalog}.${schema}.${name}`, Path.join(folder, catalog, schema, name)])
      }
    }
  }
  return { tables, strange }
}

/** A folder in the data folder, and the name of the table that it may hold. */
export interface TablePlace {
  readonly name: string
  readonly location: string
}

/**
 * The name and the folder of the table at a path. Fails for a path that is not
 * `<catalog>/<schema>/<table>` in the data folder, and when there is no such folder.
 */
export const tablePlace = async (folder: string, path: string): Promise<TablePlace> => {
  const refuse = (message: string): never => {
    throw new StorageFailure({ reason: "TableRefused", message })
  }
  const data = await Fs.realpath(folder)
  if ((await realpath(Path.resolve(path, "../../.."))) === data) {
    const strange = notFolder(aboveAndItself(path))
    if (strange?.kind === undefined && strange !== undefined)
      return refuse(`${strange.path} does not exist.`)
    if (strange !== undefined)
      return refuse(`${strange.path} is ${strange.kind}. Move the folder itself there.`)
  }
  // A link may point out of the data folder, or into it.
  const real = await realpath(path)
  const parts = real === undefined ? [] : Path.relative(data, real).split(Path.sep)
  if (parts.length === 3 && !parts.some((part) => part.startsWith("."))) {
    return { name: parts.join("."), location: Path.join(folder, ...parts) }
  }
  return refuse(
    `${path} is not the folder of a table: those are ` +
      `${Path.join(folder, "<catalog>", "<schema>", "<table>")}. ` +
      "Move the table there, and register it again."
  )
}

const realpath = (path: string): Promise<string | undefined> =>
  Fs.realpath(path).catch(() => undefined)

/** The folders of the catalog, the schema and the table. */
const aboveAndItself = (location: string): ReadonlyArray<string> => {
  const schema = Path.dirname(location)
  return [Path.dirname(schema), schema, location]
}

/**
 * The first part of a table's path, from the catalog to the Delta log, that is not a folder;
 * undefined when all are folders. Every look and flush calls this, so the calls are synchronous:
 * each takes a few microseconds.
 */
export const placeProblem = (location: string): NotFolder | undefined =>
  notFolder([...aboveAndItself(location), Path.join(location, "_delta_log")])
