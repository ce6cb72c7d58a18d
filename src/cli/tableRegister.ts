/**
 * `zerobus table register`: serves a Delta table that another program placed below the data folder.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import { pathArgument } from "./terminal/pathParam.ts"
import { print } from "./terminal/print.ts"
import { counted } from "./terminal/progress.ts"

/** `zerobus table register`. */
export const tableRegister = Command.make(
  "register",
  {
    path: pathArgument("path", "directory").pipe(
      Argument.withDescription(
        "Folder of the table: catalog/schema/table below the server's data folder"
      )
    )
  },
  Effect.fn(function* (input) {
    const path = Path.resolve(input.path)
    const name = path.split(Path.sep).slice(-3).join(".")
    const { withCatalog } = yield* Effect.promise(() => import("./catalog.ts"))
    const { definition } = yield* withCatalog((catalog) =>
      catalog.registerTable(name, pathToFileURL(path).href)
    )
    yield* print(
      `Registered ${definition.name} with ${counted(definition.columns.length, "column")}.`
    )
  })
).pipe(
  Command.withDescription(
    "Serve a Delta table that another program placed below the server's data folder"
  ),
  Command.withExamples([
    {
      command: "zerobus table register zerobus-data/main/default/orders",
      description: "Like the next start does"
    },
    {
      command: "zerobus table register /srv/zerobus-data/sales/raw/events",
      description: "With an absolute path"
    }
  ])
)
