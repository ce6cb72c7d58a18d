/**
 * `zerobus table salvage`: writes acknowledged records that are not in their table as lines of
 * JSON.
 *
 * It reads the log in the data folder directly, so it works both with a running server and with the
 * folder of a stopped one.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import type { FoundLog, Salvaged } from "../local/store/salvage.ts"
import { type CommandFailed, failed } from "./terminal/CommandFailed.ts"
import { pathFlag } from "./terminal/pathParam.ts"
import { print, remark } from "./terminal/print.ts"
import { counted } from "./terminal/progress.ts"
import { tableArgument } from "./terminal/sharedFlags.ts"

const salvageOf = () => import("../local/store/salvage.ts")

const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, CommandFailed> =>
  Effect.tryPromise({
    try: run,
    catch: (error) => failed(error instanceof Error ? error.message : String(error))
  })

/** The data folder with a table's log, and whether a running server commits the records itself. */
interface Place {
  readonly dataFolder: string
  readonly served: boolean
}

/** Finds the place through the running server's catalog. */
const placeOfServer = Effect.fnUntraced(function* (
  name: string,
  schema: string
): Effect.fn.Return<Place, CommandFailed> {
  const { withCatalog } = yield* Effect.promise(() => import("./catalog.ts"))
  const { localFolder, notHere } = yield* Effect.promise(() => import("./localTable.ts"))
  const listed = yield* withCatalog((catalog) =>
    Stream.runCollect(catalog.listTables(schema))
  ).pipe(
    Effect.mapError(({ exitCode, message }) =>
      failed(`${message} If no server is running, name its data folder: --data-dir DIR`, exitCode)
    )
  )
  const found = listed.filter((table) => table.name.toLowerCase() === name.toLowerCase())
  const place = found.find((table) => table.problem !== undefined) ?? found[0]
  if (place === undefined) {
    return yield* failed(
      `The server has neither a table nor a log ${name}. zerobus table list ${schema} shows ` +
        `what there is.`
    )
  }
  const folder = localFolder(place)
  if (folder === undefined) {
    return yield* notHere(name, place.location, "Name its data folder where it is: --data-dir DIR")
  }
  return { dataFolder: Path.resolve(folder, "../../.."), served: place.problem === undefined }
})

/** The log of the table. Where there are several, the one with this `id`. */
const logOf = Effect.fnUntraced(function* (
  dataFolder: string,
  name: string,
  id: Option.Option<string>
): Effect.fn.Return<FoundLog | undefined, CommandFailed> {
  const { logsOf } = yield* Effect.promise(salvageOf)
  const logs = yield* attempt(() => logsOf(dataFolder, name))
  const chosen = Option.match(id, {
    onNone: () => logs,
    onSome: (wanted) => logs.filter(({ tableId }) => tableId === wanted)
  })
  if (chosen.length > 1) {
    const ids = chosen.map(({ bytes, tableId }) => `${tableId} (${bytes} bytes)`).join(", ")
    return yield* failed(
      `${name} has several logs, because it was created again. Choose one with --log: ${ids}`
    )
  }
  if (chosen.length === 0 && Option.isSome(id))
    return yield* failed(`${name} has no log ${id.value}.`)
  return chosen[0]
})

/** Writes the records to a new file. The file is deleted when it is empty or writing fails. */
const writeTo = async (path: string, dataFolder: string, log: FoundLog): Promise<Salvaged> => {
  const { salvage } = await salvageOf()
  const file = await Fs.open(path, "wx", 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error
    throw new Error(
      `${path} exists already, and is not overwritten. Choose another file with --to.`
    )
  })
  let kept = false
  try {
    const found = await salvage(dataFolder, log, async (lines) => {
      await file.writeFile(lines)
    })
    await file.sync()
    kept = found.records > 0
    return found
  } finally {
    await file.close()
    if (!kept) await Fs.rm(path, { force: true })
  }
}

/** `zerobus table salvage`. */
export const tableSalvage = Command.make(
  "salvage",
  {
    table: tableArgument(),
    to: pathFlag("to").pipe(
      Flag.withDescription(
        "New file for the records, one JSON object a line, as zerobus ingest reads them"
      ),
      Flag.withMetavar("file")
    ),
    dataDir: pathFlag("data-dir", "directory").pipe(
      Flag.withDescription(
        "Data folder of a server that has stopped; default: that of the running server"
      ),
      Flag.optional
    ),
    log: Flag.String("log").pipe(
      Flag.withDescription("Id of the log, where a table has several"),
      Flag.optional
    ),
    discard: Flag.Boolean("discard").pipe(
      Flag.withDescription("Drop the records from the log once the file is on disk"),
      Flag.withDefault(false)
    )
  },
  Effect.fn(function* (input) {
    const name = input.table
    const [catalog, schema, ...rest] = name.split(".")
    // Only the number of parts is checked: the parts may be names that no client can use.
    if (rest.length !== 1) {
      return yield* failed(
        `${JSON.stringify(name)} is not catalog.schema.table, such as main.default.orders.`
      )
    }
    const place = yield* Option.match(input.dataDir, {
      onNone: () => placeOfServer(name, `${catalog}.${schema}`),
      onSome: (folder) => Effect.succeed<Place>({ dataFolder: Path.resolve(folder), served: false })
    })
    if (input.discard && place.served) {
      return yield* failed(
        `The server serves ${name} and writes its records into the table by itself. Nothing is ` +
          `salvaged or dropped.`
      )
    }
    const { dataFolder } = place
    const log = yield* logOf(dataFolder, name, input.log)
    const nothing = `All acknowledged records of ${name} are in the table. No file is written.`
    if (log === undefined) return yield* print(nothing)
    const { damage, ordered, records, segments } = yield* attempt(() =>
      writeTo(input.to, dataFolder, log)
    )
    yield* Effect.forEach(damage, (sentence) => remark(sentence), { discard: true })
    if (damage.length > 0) {
      return yield* failed(
        `${counted(records, "record")} of ${name} could be read` +
          `${records === 0 ? "" : ` and ${records === 1 ? "is" : "are"} in ${input.to}`}. The ` +
          `log is kept: restore its files from a backup.`
      )
    }
    if (records === 0) {
      return yield* print(
        ordered
          ? `The acknowledged records of ${name} were salvaged before, and are being dropped ` +
              `from the log. No file is written.`
          : nothing
      )
    }
    yield* print(`Wrote ${counted(records, "record")} of ${name} to ${input.to}.`)
    if (!input.discard) return
    const { discard } = yield* Effect.promise(salvageOf)
    const done = yield* attempt(() => discard(dataFolder, log, segments))
    yield* print(
      done
        ? "They are dropped from the log."
        : "The server drops them from the log within half a minute."
    )
  })
).pipe(
  Command.withDescription(
    "Write acknowledged records that are not in their table to a file, and drop them if asked"
  ),
  Command.withExamples([
    {
      command: "zerobus table salvage main.default.orders --to orders.ndjson",
      description: "Changes nothing"
    },
    {
      command:
        "zerobus table salvage main.default.orders --to orders.ndjson --data-dir zerobus-data",
      description: "From the folder of a server that has stopped"
    }
  ])
)
