/**
 * The folders of tables in a data folder: where they are, and whether they still are folders.
 *
 * Links are not followed: a link in the place of a folder would lead what is written out of the
 * data folder.
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { type NotFolder, notFolder } from "../../internal/log/plainFile.ts"
import { StorageFailure } from "./storageErrors.ts"

/** Deletes what dropped tables have left behind, when a crash came between. */
export const sweepTrash = async (folder: string): Promise<void> => {
  for (const trash of await Fs.readdir(folder)) {
    if (trash.startsWith(".trash-"))
      await Fs.rm(Path.join(folder, trash), { recursive: true, force: true })
  }
}

/** The table folders below a data folder. */
export interface FoundTables {
  /**
   * Names and paths: three levels below the data folder. A link or a special file is among them;
   * opening it says so.
   */
  readonly tables: ReadonlyArray<readonly [name: string, path: string]>
  /**
   * What has the place of a catalog or a schema and is neither a folder nor a file: links, pipes
   * and the like.
   */
  readonly strange: ReadonlyArray<string>
}

/** Finds the tables of a data folder. Links are not followed to look for tables behind them. */
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

/** A folder below the data folder with the name of the table that may lie there. */
export interface TablePlace {
  readonly name: string
  readonly location: string
}

/**
 * Where the table of a path lies. Fails for a path that is not `<catalog>/<schema>/<table>` below
 * the data folder, and for one without a folder.
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
  // A link may lead out of the data folder, and into it.
  const real = await realpath(path)
  const parts = real === undefined ? [] : Path.relative(data, real).split(Path.sep)
  if (parts.length === 3 && !parts.some((part) => part.startsWith("."))) {
    return { name: parts.join("."), location: Path.join(folder, ...parts) }
  }
  return refuse(
    `${path} is no folder of a table: those are ` +
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
 * What keeps a table from being in its place: the first of its folders, from the catalog's to that
 * of its log, that is none. Every look and flush asks, so the calls stay on the thread: each takes
 * a few microseconds.
 */
export const placeProblem = (location: string): NotFolder | undefined =>
  notFolder([...aboveAndItself(location), Path.join(location, "_delta_log")])
