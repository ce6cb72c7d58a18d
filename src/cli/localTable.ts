/**
 * Where a table of the catalog lies on this machine, and what it consists of there.
 */
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"
import { type LiveTable, readLiveTable } from "../local/delta/liveFiles.ts"
import type { CatalogTable } from "../UnityCatalog.ts"
import { type CommandFailed, failed } from "./terminal/CommandFailed.ts"

/** The folder of a table on this machine; undefined for tables elsewhere. */
export const localFolder = ({
  location
}: {
  readonly location: string | undefined
}): string | undefined => {
  if (location === undefined || !location.startsWith("file://")) return undefined
  try {
    return fileURLToPath(location)
  } catch {
    // A URL with a host, or one that no path can have.
    return undefined
  }
}

/** Why a table has no folder on this machine, and the way out. */
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

/** What the folder of a table holds; undefined when it holds no Delta table. */
export const readLog = (folder: string): Effect.Effect<LiveTable | undefined, CommandFailed> =>
  Effect.tryPromise({
    try: () => readLiveTable(folder),
    catch: (error) => failed(error instanceof Error ? error.message : String(error))
  })
