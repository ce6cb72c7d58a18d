/**
 * The folder of a catalog table on this machine, and its live files.
 */
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"
import { type LiveTable, readLiveTable } from "../local/delta/liveFiles.ts"
import type { CatalogTable } from "../UnityCatalog.ts"
import { type CommandFailed, failed } from "./terminal/CommandFailed.ts"

/** The folder of a table on this machine. Undefined for tables elsewhere. */
export const localFolder = ({
  location
}: {
  readonly location: string | undefined
}): string | undefined => {
  if (location === undefined || !location.startsWith("file://")) return undefined
  try {
    return fileURLToPath(location)
  } catch {
    // The URL has a host or does not map to a path.
    return undefined
  }
}

/** The failure for a table without a folder on this machine. It says what to do. */
export const notHere = (
  name: string,
  location: string | undefined,
  otherwise: string
): CommandFailed =>
  failed(
    location?.startsWith("memory:") === true
      ? `The table ${name} is in the memory of the local server, and has no files. Start the ` +
          `server without --memory to have them.`
      : `The table ${name} is not on this machine. ${otherwise}`
  )

/** A table on this machine with its live files. */
export const liveTable = Effect.fnUntraced(function* (
  table: CatalogTable
): Effect.fn.Return<{ readonly folder: string; readonly live: LiveTable }, CommandFailed> {
  const { name } = table.definition
  const folder = localFolder(table)
  if (folder === undefined) {
    return yield* notHere(name, table.location, "Read it in its workspace.")
  }
  const live = yield* readLog(folder)
  if (live === undefined) {
    return yield* failed(
      table.problem ??
        `The folder ${folder} holds no Delta table: it was moved or deleted, or the server is ` +
          `on another machine.`
    )
  }
  return { folder, live }
})

/** The live files of the table in this folder. Undefined when the folder holds no Delta table. */
export const readLog = (folder: string): Effect.Effect<LiveTable | undefined, CommandFailed> =>
  Effect.tryPromise({
    try: () => readLiveTable(folder),
    catch: (error) => failed(error instanceof Error ? error.message : String(error))
  })
