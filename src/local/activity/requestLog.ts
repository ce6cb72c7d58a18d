/**
 * The request log: a line for each stream that is opened, closed or refused, for each token, and
 * for each change of the tables. Commits are summed, with at most one line per table in ten
 * seconds.
 *
 * Messages and single commits are logged at level debug. No line contains a record or a credential.
 */
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import { statusName } from "../../internal/grpc/grpcStatus.ts"
import type { ObservedStream } from "../stream/streamContract.ts"
import { makeScopedTimers, type Timers } from "../timers.ts"
import type { Ending, ServerEvent, Tell } from "./serverEvent.ts"

/** The minimum time between two lines about the commits of a table, in milliseconds. */
const commitsEvery = 10_000

/** The commits of a table since its last line. */
interface Commits {
  count: number
  version: number
  rows: number
  /** When the last line was written, in milliseconds. */
  saidAt: number
  isDue: boolean
}

/**
 * Creates the request log, which uses the logger of the current program. When the scope closes, it
 * writes the pending lines about commits. Create it before the store, so that it includes the
 * store's last commits.
 */
export const makeRequestLog = (timers: Timers): Effect.Effect<Tell, never, Scope.Scope> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<never>()
    const own = makeScopedTimers(timers)
    const commits = new Map<string, Commits>()
    yield* Effect.addFinalizer(() => {
      own.end()
      const owed = [...commits].filter(([, { count }]) => count > 0)
      const lines = Effect.forEach(owed, ([table, found]) => commitsLine(table, found), {
        discard: true
      })
      return Effect.provideContext(lines, context)
    })
    return requestLog(commits, own, Effect.runForkWith(context), yield* LogLevel.isEnabled("Debug"))
  })

const commitsLine = (table: string, { count, rows, version }: Commits): Effect.Effect<void> =>
  Effect.logInfo("Table written", { table, commits: count, version, rows })

/** `write` runs an effect that logs. Without `debug`, messages and single commits cost nothing. */
const requestLog = (
  commits: Map<string, Commits>,
  timers: Timers,
  write: (line: Effect.Effect<void>) => void,
  debug: boolean
): Tell => {
  const sayCommits = (table: string, found: Commits): void => {
    const line = commitsLine(table, found)
    Object.assign(found, { count: 0, saidAt: timers.now(), isDue: false })
    write(line)
  }

  const committed = ({
    rows,
    tableName,
    version
  }: Extract<ServerEvent, { readonly _tag: "TableCommitted" }>): void => {
    const found = commits.get(tableName) ?? {
      count: 0,
      version: 0,
      rows: 0,
      saidAt: -Infinity,
      isDue: false
    }
    commits.set(tableName, found)
    Object.assign(found, { count: found.count + 1, version, rows })
    if (debug) write(Effect.logDebug("Commit", { table: tableName, version, rows }))
    if (found.isDue) return
    const wait = found.saidAt + commitsEvery - timers.now()
    if (wait <= 0) return sayCommits(tableName, found)
    found.isDue = true
    timers.after(wait, () => sayCommits(tableName, found))
  }

  return (event) => {
    switch (event._tag) {
      case "StreamOpened":
        return write(Effect.logInfo("Stream opened", { ...named(event.stream), kind: event.kind }))
      case "StreamEnded": {
        const { bytes, ending, millis, records, stream } = event
        return write(
          Effect.logInfo("Stream ended", {
            ...named(stream),
            records,
            bytes,
            seconds: Number((millis / 1000).toFixed(1)),
            ...said(ending)
          })
        )
      }
      case "StreamRefused":
        return write(
          Effect.logWarning("Stream refused", { ...named(event.stream), ...said(event.ending) })
        )
      case "MessageReceived":
        if (!debug) return
        return write(
          Effect.logDebug("Message", {
            ...named(event.stream),
            records: event.records,
            bytes: event.bytes
          })
        )
      case "FaultStruck": {
        const { action, at, stream } = event
        return write(Effect.logInfo("Fault struck", { ...named(stream), at, fault: action }))
      }
      case "HttpFaultStruck":
        return write(Effect.logInfo("Fault struck", { request: event.part, fault: event.action }))
      case "ConnectionFaultsStruck":
        return write(
          Effect.logInfo("Fault struck", { on: "connection", fault: event.actions.join(", ") })
        )
      // The line about the end of the stream includes these.
      case "StreamRotated":
      case "RecordRefused":
        return
      case "TokenMinted":
        return write(
          Effect.logInfo("Token minted", {
            client: event.clientId,
            ...(event.tableName === undefined ? { scope: "all-apis" } : { table: event.tableName })
          })
        )
      case "TokenRefused":
        return write(
          Effect.logWarning("Token refused", {
            ...(event.clientId === undefined ? {} : { client: event.clientId }),
            message: event.reason
          })
        )
      case "TableCommitted":
        return committed(event)
      case "TableCreated":
      case "TableAltered":
      case "TableRegistered":
      case "TableDropped":
        if (event._tag === "TableDropped") commits.delete(event.tableName)
        return write(Effect.logInfo(lines[event._tag], { table: event.tableName }))
    }
  }
}

const lines = {
  TableCreated: "Table created",
  TableAltered: "Table altered",
  TableRegistered: "Table registered",
  TableDropped: "Table dropped"
} as const

const named = ({ address, id, tableName }: ObservedStream) => ({
  table: tableName === "" ? "(not named)" : tableName,
  ...(id === undefined ? {} : { stream: id }),
  ...(address === undefined ? {} : { client: address })
})

/** The name and the text of a status. */
const said = ({ how, status }: Ending) =>
  status === undefined
    ? { end: how ?? "OK" }
    : { end: statusName(status.code), message: status.message }
