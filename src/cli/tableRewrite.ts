/**
 * `zerobus table rewrite`: rewrites files of earlier versions in the form that all readers support.
 */
import * as Command from "effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { failed } from "./terminal/CommandFailed.ts"
import { print } from "./terminal/print.ts"
import { counted } from "./terminal/progress.ts"
import { localTableArgument } from "./terminal/sharedFlags.ts"

/** The command. */
export const rewrite = Command.make(
  "rewrite",
  { table: localTableArgument },
  Effect.fn(function* (input) {
    const { readTable } = yield* Effect.promise(() => import("./catalog.ts"))
    const { localFolder, notHere } = yield* Effect.promise(() => import("./localTable.ts"))
    const { rewriteVariants } = yield* Effect.promise(
      () => import("../local/upkeep/rewriteVariants.ts")
    )
    const table = yield* readTable(input.table)
    const { name } = table.definition
    const folder = localFolder(table)
    if (folder === undefined)
      return yield* notHere(name, table.location, "Run it where the server runs.")
    const now = yield* Clock.currentTimeMillis
    const { files, left } = yield* Effect.tryPromise({
      try: () => rewriteVariants(name, folder, now),
      catch: (error) => failed(error instanceof Error ? error.message : String(error))
    })
    yield* print(
      files === 0 && left === 0
        ? `No file of ${name} needs to be rewritten.`
        : `Rewrote ${counted(files, "file")} of ${name}.` +
            (left === 0
              ? ""
              : ` ${counted(left, "file")} ${left === 1 ? "stays" : "stay"}, because of deleted ` +
                `rows, other columns or another writer.`)
    )
  })
).pipe(
  Command.withDescription(
    "Rewrite files of a table of the local server whose VARIANT columns Spark cannot read; " +
      "earlier versions wrote them"
  ),
  Command.withExamples([
    {
      command: "zerobus table rewrite main.default.events",
      description: "Does nothing where there is nothing to do"
    },
    {
      command: "zerobus table show main.default.events",
      description: "The version that it created"
    }
  ])
)
