/**
 * `zerobus ingest`: reads files or standard input into a table. The work is in `ingestRun.ts`,
 * which is loaded when the command runs.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { pathArgument, pathFlag } from "./terminal/pathParam.ts"
import { loaded } from "./terminal/sharedFlags.ts"
import { formats } from "./records/fileKind.ts"

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withDescription(description),
    Flag.withMetavar(metavar),
    Flag.optional
  )

const off = (name: string, description: string) =>
  Flag.Boolean(name).pipe(
    Flag.withDescription(description),
    Flag.withoutNegation,
    Flag.withDefault(false)
  )

const flags = {
  files: pathArgument("file").pipe(
    Argument.withDescription(
      "Files to read: .ndjson .jsonl .json .csv .tsv, also with .gz or .zst; .parquet .arrow " +
        ".arrows .feather .avro; - is standard input"
    ),
    Argument.variadic({ min: 1 })
  ),
  table: Flag.String("table").pipe(
    Flag.withAlias("t"),
    Flag.withDescription("Table to write to: catalog.schema.table")
  ),
  format: Flag.Literals("format", formats).pipe(
    Flag.withAlias("f"),
    Flag.withDescription(
      "Format of the files; default: by their names, ndjson for standard input. json is an " +
        "array, or objects one after another"
    ),
    Flag.optional
  ),
  gzip: off(
    "gzip",
    "The input is gzip; default: detected from its first bytes (gzip, zstd, UTF-16) or a " +
      "name that ends in .gz"
  ),
  delimiter: text(
    "delimiter",
    "character",
    "Character between the fields of a CSV row, \\t for a tab; default: detected"
  ),
  noHeader: off(
    "no-header",
    "The first row of a CSV file is a record; its fields are the table's columns in order, or " +
      "--columns"
  ),
  columns: text("columns", "names", "Columns of the fields of a CSV file without a header: a,b,c"),
  nullWords: Flag.String("null").pipe(
    Flag.withDescription(
      "Text that means NULL, such as NA; repeatable. An empty CSV field is NULL anyway"
    ),
    Flag.withMetavar("text"),
    Flag.atLeast(0)
  ),
  dateFormat: text(
    "date-format",
    "format",
    "Form of dates: DD/MM/YYYY or %d/%m/%Y; default: 2026-11-22 or 2026/11/22"
  ),
  timestampFormat: text(
    "timestamp-format",
    "format",
    "Form of timestamps: 'MM/DD/YYYY hh:mm a' or '%m/%d/%Y %I:%M %p'; default: ISO"
  ),
  timestampUnit: Flag.Literals("timestamp-unit", ["s", "ms", "us", "ns"]).pipe(
    Flag.withDescription("Unit of timestamps that are numbers, since 1970-01-01 UTC; default us"),
    Flag.withDefault("us" as const)
  ),
  rowLines: Flag.Int("row-lines").pipe(
    Flag.withDescription(
      "Most lines of a quoted CSV row; beyond them its closing quote counts as missing; " +
        "default 1000"
    ),
    Flag.withDefault(1000)
  ),
  rejects: pathFlag("rejects").pipe(
    Flag.withDescription(
      "File to append records to that are not valid, with line and reason (NDJSON); without it " +
        "the first one stops the ingest"
    ),
    Flag.optional
  ),
  maxRejects: Flag.Int("max-rejects").pipe(
    Flag.withDescription("Stop when more records than this were rejected; needs --rejects"),
    Flag.optional
  ),
  strict: off("strict", "End with exit code 3 where records were rejected, instead of 0"),
  skip: Flag.Int("skip").pipe(
    Flag.withDescription(
      "Records to skip at the start, to continue where an earlier ingest stopped; default 0"
    ),
    Flag.withDefault(0)
  ),
  follow: off(
    "follow",
    "Keep reading what is appended to the file, like tail -F, until stopped; needs --state " +
      "or --spool"
  ),
  state: pathFlag("state").pipe(
    Flag.withDescription(
      "File that stores the position of --follow, to continue there at the next start"
    ),
    Flag.optional
  ),
  spool: pathFlag("spool", "directory").pipe(
    Flag.withDescription(
      "Folder to keep records in until the server has acknowledged them: they survive a kill " +
        "and outages; see zerobus spool"
    ),
    Flag.optional
  ),
  resume: off(
    "resume",
    "With --spool: continue after the last record of these files in the folder"
  ),
  create: off("create", "Create the table with the columns of the first file, unless it exists"),
  dryRun: off("dry-run", "With --create: print the definition of the table, and do nothing else"),
  ignoreUnknown: off(
    "ignore-unknown",
    "Ignore fields without a column, instead of rejecting the record"
  ),
  rescue: off(
    "rescue",
    "Send fields without a column, for the table's rescue column; default: when the catalog " +
      "shows that column"
  ),
  json: off("json", "Print the summary as one line of JSON")
}

/** The command's flags and arguments. */
export type IngestInput = Command.Command.Config.Infer<typeof flags>

/** The command. */
export const ingest = Command.make(
  "ingest",
  flags,
  loaded(
    () => import("./ingestRun.ts"),
    ({ runIngest }) => runIngest
  )
).pipe(
  Command.withDescription(
    "Ingest files of records into a table. Each record is checked against the table's columns " +
      "first; dates and timestamps may be in ISO form."
  ),
  Command.withExamples([
    {
      command: "zerobus ingest birds.csv.gz -t main.default.birds --null NA --rejects bad.ndjson",
      description: "A compressed CSV file; bad rows go to a file"
    },
    {
      command:
        "zerobus ingest app.log.ndjson -t main.default.log --follow --spool spool/log --rejects " +
        "bad.ndjson",
      description: "A file that grows, from where the last run stopped, also through outages"
    }
  ])
)
