/**
 * The checks of `zerobus doctor`, in the order in which a stream depends on them: settings, the
 * connection to both endpoints, the token, the table, and a stream that is opened and closed
 * without a record.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Credentials from "../../Credentials.ts"
import { HeadersProvider } from "../../HeadersProvider.ts"
import { type Endpoint, parseEndpoint } from "../../internal/net/endpoint.ts"
import * as TableProperties from "../../TableProperties.ts"
import { type CatalogTable, UnityCatalog } from "../../UnityCatalog.ts"
import { Zerobus } from "../../Zerobus.ts"
import type { StreamFailure } from "../../ZerobusError.ts"
import { principalConfig, type ZerobusOptions } from "../../ZerobusOptions.ts"
import { CheckList, type Finding, finding, type Found } from "./checkList.ts"
import { reach } from "./reach.ts"
import type { CheckResult } from "./report.ts"

/** The settings from the environment. */
interface Settings {
  readonly serverEndpoint: string
  readonly workspaceUrl: string
  /** A service principal with its secret, or the token of another identity provider. */
  readonly principal: Pick<ZerobusOptions, "clientId" | "clientSecret" | "credentials">
}

const variables = [
  "ZEROBUS_SERVER_ENDPOINT",
  "DATABRICKS_WORKSPACE_URL",
  "DATABRICKS_CLIENT_ID",
  "DATABRICKS_CLIENT_SECRET"
] as const

const endpointForm = "https://<workspace id>.zerobus.<region>.cloud.databricks.com"
const workspaceForm = "https://<name>.cloud.databricks.com"

const settings: Effect.Effect<Found<Settings>, Finding> = Effect.gen(function* () {
  const principal = yield* Effect.orElseSucceed(
    principalConfig,
    () => ({}) as Settings["principal"]
  )
  const federated = principal.credentials !== undefined
  const needed = federated ? variables.slice(0, 2) : variables
  const found = yield* Effect.forEach(needed, (name) =>
    Config.NonEmptyString(name).pipe(Effect.option, Effect.map(Option.getOrUndefined))
  )
  const missing = needed.filter((_, index) => found[index] === undefined)
  if (missing.length > 0) {
    return yield* finding(
      `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} not set`,
      "Set the missing variables; zerobus local prints all four for a local server."
    )
  }
  const [serverEndpoint, workspaceUrl] = found as [string, string]
  const detail = `${needed.length} of ${needed.length} are set`
  return {
    detail: federated
      ? `${detail}, and the token of an identity provider in place of a secret`
      : detail,
    value: { serverEndpoint, workspaceUrl, principal }
  }
})

/** Zerobus endpoints have the label `zerobus` in their host name; workspaces do not. */
const isZerobusHost = ({ host }: Endpoint): boolean => /(^|\.)zerobus\./.test(host)

const serverForm = (text: string): Effect.Effect<Found<Endpoint>, Finding> => {
  const parsed = parseEndpoint(text, "ZEROBUS_SERVER_ENDPOINT")
  return Result.isFailure(parsed)
    ? Effect.fail(
        finding(parsed.failure.message, `The endpoint of Databricks has the form ${endpointForm}.`)
      )
    : Effect.succeed({ detail: parsed.success.origin, value: parsed.success })
}

const workspaceUrl = (
  text: string,
  server: Endpoint | undefined
): Effect.Effect<Found<Endpoint>, Finding> => {
  const parsed = parseEndpoint(text, "DATABRICKS_WORKSPACE_URL")
  if (Result.isFailure(parsed)) {
    return Effect.fail(
      finding(parsed.failure.message, `A workspace URL has the form ${workspaceForm}.`)
    )
  }
  const { origin } = parsed.success
  if (isZerobusHost(parsed.success)) {
    const swapped = server !== undefined && !isZerobusHost(server)
    return Effect.fail(
      finding(
        `${origin} is an endpoint of Zerobus, not a workspace`,
        swapped
          ? "ZEROBUS_SERVER_ENDPOINT and DATABRICKS_WORKSPACE_URL are swapped."
          : `Set DATABRICKS_WORKSPACE_URL to the workspace: ${workspaceForm}.`
      )
    )
  }
  if (origin === server?.origin) {
    return Effect.fail(
      finding(
        `${origin} is the endpoint of Zerobus too`,
        `They must be different hosts, or different ports of a local server: ` +
          `${endpointForm} and ${workspaceForm}.`
      )
    )
  }
  return Effect.succeed({ detail: origin, value: parsed.success })
}

/** A host without the label `zerobus` may mean that the two URLs are swapped. */
const swapHint = (server: Endpoint, workspace: Endpoint): string =>
  server.host === workspace.host
    ? " Are ZEROBUS_SERVER_ENDPOINT and DATABRICKS_WORKSPACE_URL swapped?"
    : isZerobusHost(server)
      ? ""
      : ` Check ZEROBUS_SERVER_ENDPOINT, too: the endpoint of Databricks has the form ` +
        `${endpointForm}.`

/** The statements that grant a principal the privileges for writing. */
const grants = (table: string, clientId: string): string => {
  const [catalog, schema] = table.split(".") as [string, string]
  const on = [
    `USE CATALOG ON CATALOG ${catalog}`,
    `USE SCHEMA ON SCHEMA ${catalog}.${schema}`,
    `SELECT, MODIFY ON TABLE ${table}`
  ]
  const principal = /^[\w-]+$/.test(clientId) ? clientId : "<client id>"
  return (
    `Someone who may grant privileges runs: ` +
    `${on.map((each) => `GRANT ${each} TO \`${principal}\`;`).join(" ")}`
  )
}

/** Advice for a failure of the client. The client's message says what happened. */
const explained =
  (table: string | undefined, { principal: { clientId, credentials } }: Settings, hint: string) =>
  (error: StreamFailure): Finding => {
    const advice = (): string => {
      switch (error._tag) {
        case "InvalidToken":
          if (credentials !== undefined) {
            return (
              "Check the token of the identity provider, and the federation policy that " +
              "takes it: issuer, audience and subject."
            )
          }
          return (
            "Check DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET: an OAuth secret of a " +
            "service principal that has not expired."
          )
        case "PermissionDenied":
          return table === undefined
            ? "Ask for access to the workspace."
            : grants(table, credentials?.clientId ?? clientId ?? "")
        case "InvalidTable":
          return (
            "Check the name. To create a table, use zerobus table create, or SQL in the " +
            "workspace."
          )
        case "TlsFailure":
          return "Set NODE_EXTRA_CA_CERTS to a PEM file with the server's certificate authority."
        case "Retryable":
          return `Try again.${hint}`
        default:
          return `This configuration cannot work.${hint}`
      }
    }
    return finding(error.message, advice(), error.isRetryable)
  }

/** Runs all checks. The checks of a table are skipped when none is named. */
export const examine = Effect.fnUntraced(function* (
  table: string | undefined
): Effect.fn.Return<ReadonlyArray<CheckResult>> {
  const checks = new CheckList()
  const given = (yield* checks.run("settings", settings))?.value
  const ofForm = ["endpoint form", "workspace form"] as const
  if (given === undefined) checks.skip("not tried", ...ofForm)
  const server = given && (yield* checks.run(ofForm[0], serverForm(given.serverEndpoint)))?.value
  const workspace =
    given && (yield* checks.run(ofForm[1], workspaceUrl(given.workspaceUrl, server)))?.value
  const workspaceReached = yield* reach(checks, "workspace", workspace, "http/1.1")
  const serverReached = yield* reach(checks, "endpoint", server, "h2")
  const hint = server !== undefined && workspace !== undefined ? swapHint(server, workspace) : ""

  const noTable = "no table named; add --table"
  const canAsk = given !== undefined && server !== undefined && workspaceReached
  const token = canAsk && (yield* checks.run("token", mint(given, table, hint)))
  if (!canAsk) checks.skip("not tried", "token")
  const ofTable = ["privileges", "table", "schema", "stream"] as const
  if (table === undefined) checks.skip(noTable, ...ofTable)
  else if (!canAsk || !token) checks.skip("not tried", ...ofTable)
  else {
    const explain = explained(table, given, hint)
    const read = yield* readTable(given, table)
    const allowed = yield* checks.run(ofTable[0], mayRead(read, explain))
    const found = allowed && (yield* checks.run(ofTable[1], tableOf(read, explain)))
    if (allowed === undefined) checks.skip("not tried", ofTable[1])
    if (found === undefined) checks.skip("not tried", ofTable[2])
    else yield* checks.run(ofTable[2], schemaOf(found.value))
    if (serverReached) yield* checks.run(ofTable[3], openStream(given, table, explain))
    else checks.skip("not tried", ofTable[3])
  }
  return checks.results
})

const clientOf = ({ principal, serverEndpoint, workspaceUrl }: Settings): ZerobusOptions => ({
  serverEndpoint,
  workspaceUrl,
  ...principal
})

/** Requests a token for the table, or for the catalog when no table is named. */
const mint = (
  given: Settings,
  table: string | undefined,
  hint: string
): Effect.Effect<Found<void>, Finding> => {
  const asked: Effect.Effect<unknown, StreamFailure> =
    table === undefined
      ? Credentials.catalogToken(clientOf(given))
      : HeadersProvider.use((provider) => provider.getHeaders(table)).pipe(
          Effect.provide(Credentials.layer(clientOf(given)))
        )
  return asked.pipe(
    Effect.mapError(explained(table, given, hint)),
    Effect.as({
      detail: table === undefined ? "minted for the catalog" : `minted for ${table}`,
      value: undefined
    })
  )
}

/** Reads the table once. Two checks use the result: permission and existence. */
const readTable = ({ principal, workspaceUrl }: Settings, table: string) =>
  UnityCatalog.use((catalog) => catalog.getTable(table)).pipe(
    Effect.provide(UnityCatalog.layer({ workspaceUrl, ...principal })),
    Effect.result
  )

type ReadTable = Effect.Success<ReturnType<typeof readTable>>

const mayRead = (
  read: ReadTable,
  explain: (error: StreamFailure) => Finding
): Effect.Effect<Found<void>, Finding> =>
  Result.isFailure(read) && read.failure._tag === "PermissionDenied"
    ? Effect.fail(explain(read.failure))
    : Effect.succeed({ detail: "not refused by the catalog", value: undefined })

const tableOf = (
  read: ReadTable,
  explain: (error: StreamFailure) => Finding
): Effect.Effect<Found<CatalogTable>, Finding> => {
  if (Result.isFailure(read)) return Effect.fail(explain(read.failure))
  const { dataSourceFormat, problem, tableType } = read.success
  if (problem !== undefined)
    return Effect.fail(finding(problem, "The server does not write to it in this state."))
  const kind = [tableType, dataSourceFormat].filter((part) => part !== undefined).join(" ")
  return Effect.succeed({
    detail: kind === "" ? "found" : `found, ${kind.toLowerCase()}`,
    value: read.success
  })
}

const schemaOf = ({ definition }: CatalogTable): Effect.Effect<Found<void>, Finding> => {
  const { columns } = definition
  const required = columns.filter(({ nullable }) => !nullable).length
  const detail =
    `${columns.length} ${columns.length === 1 ? "column" : "columns"}, ${required} ` + `NOT NULL`
  return Effect.succeed({ detail, value: undefined })
}

/** Opens a stream and closes it without sending a record. */
const openStream = (
  given: Settings,
  table: string,
  explain: (error: StreamFailure) => Finding
): Effect.Effect<Found<void>, Finding> =>
  Zerobus.use((zerobus) =>
    zerobus.withStream(
      TableProperties.json(table),
      { recovery: false, recoveryTimeout: "10 seconds" },
      () => Effect.void
    )
  ).pipe(
    Effect.provide(Layer.fresh(Zerobus.layer(clientOf(given)))),
    Effect.mapError((error) => explain(error as StreamFailure)),
    Effect.as({ detail: "opened and closed, without a record", value: undefined })
  )
