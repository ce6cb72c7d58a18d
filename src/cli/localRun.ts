/**
 * The work of `zerobus local`: runs the local server until it is stopped, and prints the
 * environment that a client needs.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Path from "node:path"
import type { TableDefinition } from "../internal/columns/columnType.ts"
import { clientVariables, secretVariable } from "../testing/clientVariables.ts"
import { isHostName, isLoopback } from "../testing/localOptions.ts"
import { ZerobusLocal, type ZerobusLocalShape } from "../testing/ZerobusLocal.ts"
import { because, type CommandFailed, failed } from "./terminal/CommandFailed.ts"
import type { LocalInput } from "./local.ts"
import { print, printJson, visibleJson } from "./terminal/print.ts"
import { counted } from "./terminal/progress.ts"
import { issuerOf, subjectsOf } from "./local/federation.ts"
import { grantsText, principalsOf, secretFromEnvironment, shellText } from "./local/principals.ts"
import { definitionOf, differenceText } from "./local/tableDefinition.ts"
import { ensureTables, readTablesFile } from "./local/tablesFile.ts"
import { stateOfFile, watchTables } from "./local/watchTables.ts"
import { boundHeap } from "./local/heapBounds.ts"

const durationOf = (
  flag: string,
  text: Option.Option<string>,
  fits: (millis: number) => boolean
): Effect.Effect<Duration.Duration | undefined, CommandFailed> =>
  Option.isNone(text)
    ? Effect.succeed(undefined)
    : Option.match(
        Option.filter(Duration.fromInput(text.value as Duration.Input), (one) =>
          fits(Duration.toMillis(one))
        ),
        {
          onNone: () =>
            Effect.fail(
              failed(
                `--${flag} must be a duration such as "15 minutes" or "5 millis", ` +
                  `${fits(0) ? "not negative" : "above 0"}.`
              )
            ),
          onSome: Effect.succeed
        }
      )

/** The problem with the flags, if any, in terms of the command line. The server checks the rest. */
const flagProblem = (input: LocalInput): string | undefined => {
  if (Option.isSome(input.dataDir) && input.memory) {
    return "--memory keeps no tables, so it does not go with --data-dir. Leave one of them out."
  }
  if (Option.contains(input.dataDir, "")) return "--data-dir must name a folder; it is empty."
  if (input.tls && input.memory) {
    return "--tls needs a data folder, from which clients read the certificate. Leave --memory out."
  }
  if (!input.allowRemote && !isLoopback(input.host)) {
    return (
      `The local server listens on loopback only. To let others reach it on ${input.host}, ` +
      `add --allow-remote, and leave --no-auth out.`
    )
  }
  const misnamed = input.hostNames.find((name) => !isHostName(name))
  if (misnamed !== undefined) {
    return (
      `--allow-host takes names and addresses such as zerobus.test or 10.0.0.5, without ` +
      `port, and not ${JSON.stringify(misnamed)}.`
    )
  }
  if (input.watch && Option.isNone(input.tablesFile))
    return "--watch follows the file of --tables. Name one."
  if (input.principals.length > 0 && !input.auth) {
    return (
      "--no-auth accepts every client, so --principal does not go with it. Leave one of them " +
      "out."
    )
  }
  if (input.trustIssuers.length + input.subjects.length > 0 && !input.auth) {
    return (
      "--no-auth accepts every client, so --trust-issuer and --subject do not go with it. " +
      "Leave one of them out."
    )
  }
  if (input.sharedFiles && input.memory)
    return "--memory keeps no files, so it does not go with --shared-files."
  return Option.exists(input.rateLimit, (limit) => limit < 1)
    ? "--rate-limit must be at least 1."
    : undefined
}

/** The variables that `ZerobusLayer` and the commands read. */
const environmentOf = (local: ZerobusLocalShape): Record<string, string> => ({
  ...clientVariables(local),
  // This secret is valid only for this server. It is printed because the user needs it.
  [secretVariable]: Redacted.value(local.clientSecret)
})

/** Creates the table. An existing table is kept, and the log reports how it differs. */
const ensureTable = Effect.fnUntraced(function* (
  local: ZerobusLocalShape,
  definition: TableDefinition
): Effect.fn.Return<void, CommandFailed> {
  const existing = yield* local.getTable(definition.name)
  if (Option.isNone(existing)) {
    return yield* local.createTable(definition).pipe(
      // The reason is already in the log.
      Effect.catchTag("TableExists", ({ name }) =>
        Effect.logWarning(`The table ${name} exists and is refused for now. It is kept as it is.`)
      ),
      Effect.mapError(because),
      Effect.asVoid
    )
  }
  const difference = differenceText(definition, existing.value.definition)
  if (difference !== undefined) yield* Effect.logWarning(difference)
})

const serve = Effect.fnUntraced(function* (
  input: LocalInput
): Effect.fn.Return<never, CommandFailed, Scope.Scope> {
  const problem = flagProblem(input)
  if (problem !== undefined) return yield* failed(problem)
  yield* boundHeap
  const rateLimit = Option.getOrUndefined(input.rateLimit)
  const definitions = yield* Effect.forEach(input.tables, definitionOf)
  const file = Option.getOrUndefined(input.tablesFile)
  const stateOfTables = file === undefined ? "" : yield* stateOfFile(file)
  const tablesOfFile = file === undefined ? [] : yield* readTablesFile(file)
  const named = yield* principalsOf(input.principals)
  const subjects = yield* subjectsOf(input.subjects, [
    "local-client",
    ...named.map(({ clientId }) => clientId)
  ])
  const principals = yield* Effect.forEach(named, (principal) =>
    Effect.map(secretFromEnvironment(principal.clientId), (clientSecret) => ({
      ...principal,
      clientSecret,
      subjects: subjects(principal.clientId)
    }))
  )
  const options = {
    host: input.host,
    port: input.port,
    httpPort: input.httpPort,
    allowRemote: input.allowRemote,
    hostNames: input.hostNames,
    auth: input.auth,
    principals,
    clientSecret: yield* secretFromEnvironment("local-client"),
    subjects: subjects("local-client"),
    trustedIssuers: yield* Effect.forEach(input.trustIssuers, issuerOf),
    requestLog: true,
    console: Option.getOrElse(input.console, () => isLoopback(input.host)),
    tls: input.tls,
    streamLife: yield* durationOf("stream-life", input.streamLife, (millis) => millis > 0),
    ackInterval: yield* durationOf("ack-interval", input.ackInterval, (millis) => millis >= 0),
    rateLimit: rateLimit === undefined ? undefined : { records: rateLimit }
  }
  const dataDir = Path.resolve(Option.getOrElse(input.dataDir, () => "zerobus-data"))
  const layer = input.memory
    ? ZerobusLocal.layerServerMemory({ ...options, auditBytes: 0 })
    : ZerobusLocal.layerServer({
        ...options,
        dataDir,
        sharedFiles: input.sharedFiles,
        visibleOnceAcked: input.visibleOnceAcked
      })
  const local = yield* Layer.build(layer).pipe(
    Effect.map(Context.get(ZerobusLocal)),
    Effect.mapError(because)
  )
  yield* Effect.forEach(definitions, (definition) => ensureTable(local, definition), {
    discard: true
  })
  if (file !== undefined) yield* ensureTables(local, file, tablesOfFile, input.watch)
  const tables = (yield* local.listTables).map((table) => table.definition.name)
  const environment = environmentOf(local)
  const consoleUrl = local.consoleUrl && Redacted.value(local.consoleUrl)
  if (input.json) {
    const others = local.principals.slice(1).map(({ clientId, clientSecret }) => ({
      clientId,
      clientSecret: Redacted.value(clientSecret)
    }))
    const printed = {
      environment,
      principals: others,
      dataDir: input.memory ? null : dataDir,
      tables,
      console: consoleUrl ?? null
    }
    yield* printJson(JSON.stringify(printed))
  } else {
    yield* print(
      [
        `Local Zerobus server for development, ` +
          `${input.memory ? "in memory" : `tables in ${dataDir}`}.`,
        tables.length === 0
          ? "No tables yet: zerobus table create 'main.default.t(id BIGINT, name STRING)'"
          : `${counted(tables.length, "table")}: ${tables.join(", ")}`,
        "",
        ...Object.entries(environment).map(([name, value]) => `export ${name}=${shellText(value)}`),
        // Printed as comments, so that pasting all lines keeps the first principal.
        ...local.principals
          .slice(1)
          .flatMap(({ clientId, clientSecret, grants }) => [
            "",
            `# Instead as ${clientId}, which ${grantsText(grants)}:`,
            `# export DATABRICKS_CLIENT_ID=${clientId} ` +
              `DATABRICKS_CLIENT_SECRET=${shellText(Redacted.value(clientSecret))}`
          ]),
        "",
        ...(consoleUrl === undefined ? [] : [`Console: ${consoleUrl}`, ""]),
        "Ctrl-C stops it."
      ].join("\n")
    )
  }
  return yield* file !== undefined && input.watch
    ? watchTables(file, stateOfTables, local)
    : Effect.never
})

/** The log as JSON, one object a line, for other programs. */
const jsonLog = Logger.layer([Logger.withConsoleError(Logger.map(Logger.formatJson, visibleJson))])

/** Runs the command. */
export const runLocal = (input: LocalInput): Effect.Effect<never, CommandFailed> => {
  const served = Effect.scoped(serve(input))
  return input.logFormat === "json" ? Effect.provide(served, jsonLog) : served
}
