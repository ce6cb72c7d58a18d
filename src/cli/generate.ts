/**
 * `zerobus generate`: writes the `.proto` file, the descriptor and the TypeScript module of a
 * table, from the catalog or from a file.
 *
 * The flags are those of the official generator, except for the secret. It comes from the
 * environment or a prompt, never from an argument, which every process on the machine could read.
 * The content of the files is built in `cli/generate/generateTable.ts`.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as Redacted from "effect/Redacted"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import type { TableDefinition } from "../internal/columns/columnType.ts"
import type { GeneratedFile } from "./generate/generateTable.ts"
import type { SourceFormat } from "./generate/tableSource.ts"
import { because, type CommandFailed, failed } from "./terminal/CommandFailed.ts"
import { pathFlag } from "./terminal/pathParam.ts"
import { print } from "./terminal/print.ts"

const setting = (
  flag: Option.Option<string>,
  name: string,
  flagName: string
): Effect.Effect<string, CommandFailed> =>
  Option.match(flag, {
    onSome: Effect.succeed,
    onNone: () =>
      Config.NonEmptyString(name).pipe(
        Effect.mapError(() => failed(`${name} is not set. Set it, or pass ${flagName}.`))
      )
  })

const secret: Effect.Effect<
  Redacted.Redacted<string>,
  CommandFailed,
  Prompt.Environment
> = Config.Redacted("DATABRICKS_CLIENT_SECRET").pipe(
  Effect.catch(() =>
    process.stdin.isTTY
      ? Prompt.Password({ message: "OAuth secret of the service principal" })
      : Effect.fail(undefined)
  ),
  Effect.mapError(() =>
    failed(
      "DATABRICKS_CLIENT_SECRET is not set. Set it, or DATABRICKS_OIDC_TOKEN_FILEPATH with the " +
        "token of an identity provider, or run the command in a terminal for a prompt."
    )
  )
)

/** The token of another identity provider, if the environment has one and no secret. */
const principalOf = Effect.fnUntraced(function* (client: Option.Option<string>) {
  const { principalConfig } = yield* Effect.promise(() => import("../ZerobusOptions.ts"))
  const { credentials } = yield* Effect.orElseSucceed(principalConfig, () => ({
    credentials: undefined
  }))
  if (credentials !== undefined) {
    const clientId = Option.getOrElse(client, () => credentials.clientId)
    return { credentials: { ...credentials, clientId } }
  }
  const clientId = yield* setting(client, "DATABRICKS_CLIENT_ID", "--client-id")
  return { clientId, clientSecret: yield* secret }
})

const fromCatalog = Effect.fnUntraced(function* (
  table: string,
  endpoint: Option.Option<string>,
  client: Option.Option<string>
) {
  const { UnityCatalog } = yield* Effect.promise(() => import("../UnityCatalog.ts"))
  const workspaceUrl = yield* setting(endpoint, "DATABRICKS_WORKSPACE_URL", "--uc-endpoint")
  const principal = yield* principalOf(client)
  const { definition } = yield* Effect.flatMap(UnityCatalog, (catalog) =>
    catalog.getTable(table)
  ).pipe(
    Effect.provide(UnityCatalog.layer({ workspaceUrl, ...principal })),
    Effect.mapError(because)
  )
  return definition
})

const formatOf = (file: string): SourceFormat =>
  file.endsWith(".proto") ? "proto" : file.endsWith(".json") ? "json" : "sql"

const unreadable = (file: string) => () =>
  failed(`The file ${file} cannot be read. Check its name and your rights to it.`)

const fromFile = Effect.fnUntraced(function* (
  file: string,
  table: Option.Option<string>
): Effect.fn.Return<TableDefinition, CommandFailed, FileSystem.FileSystem> {
  const { maxSource, readTableSource } = yield* Effect.promise(
    () => import("./generate/tableSource.ts")
  )
  const files = yield* FileSystem.FileSystem
  const { size, type } = yield* Effect.mapError(files.stat(file), unreadable(file))
  // A pipe or a device may never end.
  if (type !== "File")
    return yield* failed(`${file} is not a plain file. Write the definition to one.`)
  if (Number(size) > maxSource)
    return yield* failed(
      `The file ${file} is larger than ${maxSource} bytes, the limit for a table definition.`
    )
  const text = yield* Effect.mapError(files.readFileString(file), unreadable(file))
  return yield* Effect.mapError(
    readTableSource(formatOf(file), text, Option.getOrUndefined(table)),
    (message) => failed(`No table can be read from ${file}: ${message}`)
  )
})

const bytesOf = ({ content }: GeneratedFile): Uint8Array =>
  typeof content === "string" ? Buffer.from(content) : content

type State = "missing" | "same" | "different"

const stateOf = Effect.fnUntraced(function* (
  path: string,
  file: GeneratedFile
): Effect.fn.Return<State, CommandFailed, FileSystem.FileSystem> {
  const files = yield* FileSystem.FileSystem
  if (!(yield* Effect.mapError(files.exists(path), unreadable(path)))) return "missing"
  const there = yield* Effect.mapError(files.readFile(path), unreadable(path))
  return Buffer.compare(there, bytesOf(file)) === 0 ? "same" : "different"
})

const unwritable = (path: string) => () =>
  failed(`The file ${path} cannot be written. Check the folder and your rights to it.`)

// Written to a temporary file and renamed, so that no reader sees a partial file.
const write = Effect.fnUntraced(function* (path: string, file: GeneratedFile) {
  const files = yield* FileSystem.FileSystem
  const beside = `${path}.writing-${process.pid}`
  yield* files.writeFile(beside, bytesOf(file)).pipe(
    Effect.andThen(files.rename(beside, path)),
    Effect.tapError(() => Effect.ignore(files.remove(beside))),
    Effect.mapError(unwritable(path))
  )
})

/** The command. */
export const generate = Command.make(
  "generate",
  {
    table: Flag.String("table").pipe(
      Flag.withDescription("The table: catalog.schema.table"),
      Flag.optional
    ),
    from: pathFlag("from").pipe(
      Flag.withDescription(
        "Read the definition from a .proto, .json (table or Spark schema) or .sql file instead " +
          "of the catalog"
      ),
      Flag.optional
    ),
    ucEndpoint: Flag.String("uc-endpoint").pipe(
      Flag.withDescription("The workspace URL; default DATABRICKS_WORKSPACE_URL"),
      Flag.optional
    ),
    clientId: Flag.String("client-id").pipe(
      Flag.withDescription(
        "The service principal; default DATABRICKS_CLIENT_ID. Its secret comes from " +
          "DATABRICKS_CLIENT_SECRET or a prompt; or a token from DATABRICKS_OIDC_TOKEN_FILEPATH"
      ),
      Flag.optional
    ),
    output: pathFlag("output").pipe(
      Flag.withDescription("Name of the .proto file; default <table>.proto"),
      Flag.optional
    ),
    protoMsg: Flag.String("proto-msg").pipe(
      Flag.withDescription("The message is called table_<name>; default the table's name"),
      Flag.optional
    ),
    outputDir: pathFlag("output-dir", "directory").pipe(
      Flag.withDescription("The folder to write to; default output"),
      Flag.withDefault("output")
    ),
    force: Flag.Boolean("force").pipe(
      Flag.withDescription("Overwrite files that differ"),
      Flag.withDefault(false)
    ),
    check: Flag.Boolean("check").pipe(
      Flag.withDescription("Write nothing; exit 2 when the files differ from the table, for CI"),
      Flag.withDefault(false)
    )
  },
  Effect.fn(function* (input) {
    const { table } = input
    const definition = Option.isSome(input.from)
      ? yield* fromFile(input.from.value, table)
      : Option.isSome(table)
        ? yield* fromCatalog(table.value, input.ucEndpoint, input.clientId)
        : yield* failed("Name the table with --table catalog.schema.table, or a file with --from.")
    const paths = yield* Path.Path
    const origin = Option.match(input.from, {
      onNone: () => `the table ${definition.name}`,
      onSome: (file) => `${paths.basename(file)} for the table ${definition.name}`
    })
    const { generateTable } = yield* Effect.promise(() => import("./generate/generateTable.ts"))
    const generated = yield* Effect.mapError(
      Effect.fromResult(
        generateTable(definition, {
          origin,
          output: Option.getOrUndefined(input.output),
          protoMessage: Option.getOrUndefined(input.protoMsg)
        })
      ),
      (message) => failed(`Nothing was generated for ${definition.name}: ${message}`)
    )
    const targets = yield* Effect.forEach(generated, (file) => {
      const path = paths.join(input.outputDir, file.name)
      return Effect.map(stateOf(path, file), (state) => ({ file, path, state }))
    })
    const list = (states: ReadonlyArray<State>): string =>
      targets
        .filter(({ state }) => states.includes(state))
        .map(({ path, state }) => `${path} (${state})`)
        .join(", ")
    if (input.check) {
      const drift = list(["missing", "different"])
      if (drift !== "") {
        const how =
          list(["different"]) === "" ? "without --check" : "with --force instead of --check"
        return yield* failed(
          `Out of date with ${definition.name}: ${drift}. Run zerobus generate ${how}.`
        )
      }
      return yield* print(`The files are up to date with ${definition.name}.`)
    }
    const different = list(["different"])
    if (different !== "" && !input.force) {
      return yield* failed(
        `Nothing was written, because files would be overwritten: ${different}. Pass --force ` +
          `to do so.`
      )
    }
    const files = yield* FileSystem.FileSystem
    yield* Effect.mapError(
      files.makeDirectory(input.outputDir, { recursive: true }),
      unwritable(input.outputDir)
    )
    for (const { file, path, state } of targets) {
      if (state !== "same") yield* write(path, file)
      yield* print(state === "same" ? `${path} is unchanged` : `${path} written`)
    }
  })
).pipe(
  Command.withDescription("Write the .proto file, descriptor and TypeScript module of a table"),
  Command.withExamples([
    {
      command: "zerobus generate --table main.default.orders --output-dir src/generated",
      description: "From the catalog"
    },
    {
      command: "zerobus generate --from orders.sql --check",
      description: "Fail when the files are out of date"
    }
  ])
)
