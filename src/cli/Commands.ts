/**
 * The root command `zerobus`. Each sub-command has its own file.
 */
import * as Command from "effect/cli/Command"
import { doctor } from "./doctor.ts"
import { generate } from "./generate.ts"
import { ingest } from "./ingest.ts"
import { local } from "./local.ts"
import { query } from "./query.ts"
import { spool } from "./spool.ts"
import { table } from "./table.ts"

/** The root command. */
export const zerobus = Command.make("zerobus").pipe(
  Command.withDescription(
    "Ingest records into Delta tables over Zerobus, and run a local server to develop against"
  ),
  Command.withExamples([
    {
      command: "zerobus local --table 'main.default.orders(id BIGINT, note STRING)'",
      description: "A local server; it prints the variables for the other commands"
    },
    {
      command: "zerobus ingest orders.csv --table main.default.orders",
      description: "A file into the table"
    }
  ]),
  Command.withSubcommands([local, doctor, table, ingest, query, generate, spool])
)
