/**
 * `zerobus spool show|drain|export|repair`: works on the folder in which a stream keeps records on
 * disk. Each command's work is in `cli/spool`, which is loaded when it runs.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { pathArgument, pathFlag } from "./terminal/pathParam.ts"
import { jsonFlag, loaded, yesFlag } from "./terminal/sharedFlags.ts"

const folder = pathArgument("folder", "directory").pipe(
  Argument.withDescription("Folder of the spool, as the program gives it to Spool.directory")
)

const json = jsonFlag()

const show = Command.make(
  "show",
  { folder, json },
  loaded(
    () => import("./spool/showSpool.ts"),
    ({ showSpool }) => showSpool
  )
).pipe(
  Command.withDescription("Show what a spool holds and which process uses it; changes nothing"),
  Command.withExamples([
    { command: "zerobus spool show spool/air_quality", description: "In lines" },
    { command: "zerobus spool show spool/air_quality --json", description: "For programs" }
  ])
)

const drain = Command.make(
  "drain",
  {
    folder,
    deadLetters: pathFlag("dead-letters").pipe(
      Flag.withDescription(
        "File to append records to that the server refuses (NDJSON); without it the first one " +
          "stops the drain"
      ),
      Flag.optional
    ),
    json
  },
  loaded(
    () => import("./spool/drainSpool.ts"),
    ({ drainSpool }) => drainSpool
  )
).pipe(
  Command.withDescription(
    "Send the waiting records of a spool to its table; the program that uses the spool must be " +
      "stopped"
  ),
  Command.withExamples([
    {
      command: "zerobus spool drain spool/air_quality",
      description: "To the endpoint of the usual settings"
    },
    {
      command: "zerobus spool drain spool/air_quality --dead-letters refused.ndjson",
      description: "Records that the server refuses go to a file"
    }
  ])
)

const exportRecords = Command.make(
  "export",
  {
    folder,
    to: pathFlag("to").pipe(
      Flag.withDescription("New file for the records; default: standard output"),
      Flag.withMetavar("file"),
      Flag.optional
    ),
    payloads: Flag.Boolean("payloads").pipe(
      Flag.withDescription("Print protobuf records as base64 with their offsets, not decoded"),
      Flag.withDefault(false)
    )
  },
  loaded(
    () => import("./spool/exportSpool.ts"),
    ({ exportSpool }) => exportSpool
  )
).pipe(
  Command.withDescription(
    "Write the records that wait in a spool as lines of JSON; changes nothing"
  ),
  Command.withExamples([
    {
      command: "zerobus spool export spool/air_quality --to air.ndjson",
      description: "To a new file"
    },
    {
      command: "zerobus spool export spool/air_quality | head -1",
      description: "The oldest record"
    }
  ])
)

const repair = Command.make(
  "repair",
  {
    folder,
    yes: yesFlag("Repair; without it the command says what it would do and changes nothing"),
    json
  },
  loaded(
    () => import("./spool/repairSpool.ts"),
    ({ repairSpool }) => repairSpool
  )
).pipe(
  Command.withDescription(
    "Set damaged files of a spool aside, keep the records that can be read, and delete nothing"
  ),
  Command.withExamples([
    {
      command: "zerobus spool repair spool/air_quality",
      description: "What is damaged, and what a repair would do"
    },
    { command: "zerobus spool repair spool/air_quality --yes", description: "Repair it" }
  ])
)

/** The command. */
export const spool = Command.make("spool").pipe(
  Command.withDescription(
    "Inspect, send, export or repair a spool, which keeps a stream's records on disk"
  ),
  Command.withExamples([
    { command: "zerobus spool show spool/air_quality", description: "Waiting records of a spool" },
    { command: "zerobus spool drain spool/air_quality", description: "Send the waiting records" }
  ]),
  Command.withSubcommands([show, drain, exportRecords, repair])
)
