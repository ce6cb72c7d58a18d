/**
 * `zerobus ingest`: a file, or standard input, into a table. What it does stands in `ingestRun.ts`, which is loaded when it runs.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { formats } from "./records/fileKind.ts"

const flags = {
  file: Argument.String("file").pipe(
    Argument.withDescription("File to read: .ndjson .jsonl .json .csv .tsv, also with .gz; - is standard input")
  ),
  table: Flag.String("table").pipe(
    Flag.withAlias("t"),
    Flag.withDescription("Table to write to: catalog.schema.table")
  ),
  format: Flag.Literals("format", formats).pipe(
    Flag.withAlias("f"),
    Flag.withDescription(
      "Format of the file; default: by its name, ndjson for standard input. json is an array, or objects one after another"
    ),
    Flag.optional
  ),
  gzip: Flag.Boolean("gzip").pipe(
    Flag.withDescription("The input is compressed; default: when the name ends in .gz"),
    Flag.withDefault(false)
  ),
  delimiter: Flag.String("delimiter").pipe(
    Flag.withDescription("Character between the fields of a CSV row; default: a comma, a tab for .tsv"),
    Flag.optional
  ),
  rejects: Flag.String("rejects").pipe(
    Flag.withDescription(
      "File for records that are not valid, with line and reason (NDJSON, overwritten); without it the first one stops the ingest"
    ),
    Flag.optional
  ),
  skip: Flag.Int("skip").pipe(
    Flag.withDescription("Records to pass over at the start, to go on where an earlier ingest stopped; default 0"),
    Flag.withDefault(0)
  ),
  ignoreUnknown: Flag.Boolean("ignore-unknown").pipe(
    Flag.withDescription("Leave out names the table has no column for, instead of rejecting the record"),
    Flag.withDefault(false)
  ),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print the summary as one line of JSON"),
    Flag.withDefault(false)
  )
}

/** What the command is given. */
export type IngestInput = Command.Command.Config.Infer<typeof flags>

/** The command. */
export const ingest = Command.make("ingest", flags, (input) =>
  Effect.flatMap(
    Effect.promise(() => import("./ingestRun.ts")),
    ({ runIngest }) => runIngest(input)
  )
).pipe(
  Command.withDescription(
    "Ingest a file of records into a table. Each record is checked against the table's columns first; dates and timestamps may be in ISO form."
  ),
  Command.withExamples([
    {
      command: "zerobus ingest readings.ndjson --table main.default.readings",
      description: "One JSON object per line"
    },
    {
      command: "zerobus ingest birds.csv.gz -t main.default.birds --rejects bad.ndjson",
      description: "A compressed CSV file; bad rows go to a file"
    },
    { command: "producer | zerobus ingest - -t main.default.events", description: "Standard input" }
  ])
)
