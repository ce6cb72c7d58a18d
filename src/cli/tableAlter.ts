/**
 * `zerobus table alter`: adds columns to a table of the local server.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { failed } from "./terminal/CommandFailed.ts"
import { print } from "./terminal/print.ts"
import { counted } from "./terminal/progress.ts"
import { tableArgument } from "./terminal/sharedFlags.ts"

const word = (text: string) =>
  Argument.Literals(text, [text]).pipe(Argument.withDescription(`The word ${text}`))

/** The command. */
export const alter = Command.make(
  "alter",
  {
    table: tableArgument(),
    add: word("add"),
    column: word("column"),
    columns: Argument.String("columns").pipe(
      Argument.withDescription(
        "column TYPE [COMMENT '...'], ...; a.b is a field of the STRUCT a. Columns that are " +
          "added may be NULL"
      )
    )
  },
  Effect.fn(function* (input) {
    const { parseColumns } = yield* Effect.promise(
      () => import("../internal/columns/columnType.ts")
    )
    const columns = yield* Effect.mapError(
      Effect.fromResult(parseColumns(input.columns)),
      (problem) =>
        failed(
          `The columns ${JSON.stringify(input.columns.slice(0, 80))} cannot be read. ${problem}`
        )
    )
    const { withCatalog } = yield* Effect.promise(() => import("./catalog.ts"))
    yield* withCatalog((catalog) => catalog.addColumns(input.table, columns))
    const names = columns.map(({ name }) => name).join(", ")
    yield* print(`Added ${counted(columns.length, "column")} to ${input.table}: ${names}.`)
  })
).pipe(
  Command.withDescription("Add columns to a table of the local server; open streams continue"),
  Command.withExamples([
    {
      command: "zerobus table alter main.default.air_quality add column 'note STRING'",
      description: "A new column, NULL in existing rows"
    },
    {
      command:
        "zerobus table alter main.default.trips add column 'place.height DOUBLE, " +
        "stops.element.note STRING'",
      description: "New fields of a STRUCT, and of the STRUCTs in an ARRAY"
    }
  ])
)
