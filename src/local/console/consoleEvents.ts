/**
 * The text of the server's events in the console: a title, the table, and the detail in one
 * sentence. Texts from clients are truncated, and control characters and direction marks are
 * escaped.
 */
import { statusName } from "../../internal/grpc/grpcStatus.ts"
import type { Ending, ServerEvent } from "../activity/serverEvent.ts"
import type { RecordKind } from "../stream/streamMessages.ts"
import type { ConsoleEvent } from "./consoleMessages.ts"
import { shownText } from "./shownValue.ts"

/** An event without its number and time. */
export type Told = Omit<ConsoleEvent, "n" | "at">

const count = (records: number): string =>
  `${records.toLocaleString("en-US")} record${records === 1 ? "" : "s"}`

const ended = ({ how, status }: Ending): Pick<Told, "title" | "tone"> => {
  if (status !== undefined)
    return { title: "Stream failed", tone: status.code === 14 ? "warn" : "bad" }
  if (how === "cut") return { title: "Connection cut", tone: "warn" }
  if (how === "cancelled") return { title: "Client disconnected", tone: "warn" }
  return { title: "Stream closed", tone: "good" }
}

const reason = ({ status }: Ending): string =>
  status === undefined ? "" : `${statusName(status.code)}: ${status.message}`

const kinds: Readonly<Record<RecordKind, string>> = {
  Proto: "protobuf",
  Json: "JSON",
  Avro: "Avro",
  Arrow: "Arrow",
  None: "no kind"
}

const changes = {
  TableCreated: "Table created",
  TableAltered: "Table altered",
  TableRegistered: "Table registered",
  TableDropped: "Table dropped"
} as const

const told = (event: ServerEvent): Told | undefined => {
  switch (event._tag) {
    case "StreamOpened": {
      const { address, tableName } = event.stream
      const from = address === undefined ? "" : ` from ${address}`
      return {
        tone: "good",
        title: "Stream opened",
        table: tableName,
        detail: `${kinds[event.kind]}${from}`
      }
    }
    case "StreamEnded": {
      const { ending, millis, records, stream } = event
      const sums = `${count(records)} in ${(millis / 1000).toFixed(1)} s`
      const why = reason(ending)
      return {
        ...ended(ending),
        table: stream.tableName,
        detail: why === "" ? sums : `${sums}. ${why}`
      }
    }
    case "StreamRefused": {
      const { ending, stream } = event
      const why =
        ending.status === undefined
          ? "The client disconnected before the stream was open."
          : reason(ending)
      return { tone: "bad", title: "Stream refused", table: stream.tableName, detail: why }
    }
    case "StreamRotated": {
      const seconds = (event.graceMillis / 1000).toFixed(0)
      const detail = `The server announced that the stream ends in ${seconds} s.`
      return { tone: "plain", title: "Stream rotated", table: event.stream.tableName, detail }
    }
    case "RecordRefused": {
      const { offset, problem, stream } = event
      const column = problem.path === "" ? "" : `Column ${problem.path}: `
      const where = `record ${problem.index} of the message at offset ${offset}`
      const detail = `${column}${problem.expected} (${where})`
      return { tone: "bad", title: "Record refused", table: stream.tableName, detail }
    }
    case "FaultStruck":
      return fault(event.stream.tableName, struck[event.action], `at ${event.at}`)
    case "HttpFaultStruck":
      return fault(
        "",
        event.action,
        `a request for ${event.part === "token" ? "a token" : "the catalog"}`
      )
    case "ConnectionFaultsStruck":
      return fault("", event.actions.join(", "), "a connection")
    case "TokenRefused": {
      const client = event.clientId === undefined ? "" : `${event.clientId}: `
      return { tone: "bad", title: "Token refused", table: "", detail: `${client}${event.reason}` }
    }
    case "TableCreated":
    case "TableAltered":
    case "TableRegistered":
    case "TableDropped":
      return { tone: "plain", title: changes[event._tag], table: event.tableName, detail: "" }
    case "MessageReceived":
    case "TableCommitted":
    case "TokenMinted":
      return undefined
  }
}

/** The text for each action of a fault. */
const struck: Readonly<Record<Extract<ServerEvent, { _tag: "FaultStruck" }>["action"], string>> = {
  AckAndClose: "Acknowledged, with the end of the stream announced",
  BadAck: "Invalid acknowledgement sent",
  CloseSignal: "End of the stream announced",
  Committed: "Answered with another committed offset",
  Cut: "Connection broken",
  Delay: "Delayed",
  End: "Stream ended",
  ExpireToken: "Token expired",
  Hold: "Held",
  Lose: "Message lost",
  Raw: "Raw bytes sent",
  Skip: "Skipped",
  Status: "Stream ended with an error"
}

const fault = (table: string, action: string, where: string): Told => ({
  tone: "warn",
  title: "Fault struck",
  table,
  detail: `${action}, ${where}`
})

/** The console's text for an event; undefined for an event that it only counts. */
export const toldOf = (event: ServerEvent): Told | undefined => {
  const found = told(event)
  return (
    found && { ...found, table: shownText(found.table, 800), detail: shownText(found.detail, 400) }
  )
}
