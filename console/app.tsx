/**
 * The whole page: status, numbers, plots, tables, streams, activity, and how to connect.
 */
import { useEffect, useMemo, useRef, useState } from "preact/hooks"
import type { StreamRow, TableRow } from "../src/local/console/consoleMessages.ts"
import { Activity } from "./activity.tsx"
import { connect, type Status } from "./connection.ts"
import { ConnectPanel } from "./connectPanel.tsx"
import { brief, bytes, count, duration, latency, rate } from "./format.ts"
import { Plots } from "./plot.tsx"
import { type Rated, ServerState } from "./state.ts"
import { StreamsPanel } from "./streamsPanel.tsx"
import { TableDialog } from "./tableDialog.tsx"
import { TablesPanel } from "./tablesPanel.tsx"

/** Whether the window is as narrow as a phone. */
const useNarrow = (): boolean => {
  const query = useMemo(() => matchMedia("(max-width: 720px)"), [])
  const [isNarrow, setNarrow] = useState(query.matches)
  useEffect(() => {
    const look = () => setNarrow(query.matches)
    query.addEventListener("change", look)
    return () => query.removeEventListener("change", look)
  }, [])
  return isNarrow
}

const useServer = () => {
  const state = useRef(new ServerState()).current
  const [status, setStatus] = useState<Status>({ _tag: "Connecting" })
  const [version, setVersion] = useState(0)
  useEffect(() => {
    const changed = () => setVersion((before) => before + 1)
    let isLive = false
    connect({
      status: (next) => {
        isLive = next._tag === "Live"
        setStatus((before) => (before._tag === next._tag ? before : next))
      },
      message: (message) => {
        state.apply(message, Date.now())
        changed()
      }
    })
    // Ages and plots are updated even while the server sends nothing.
    setInterval(() => {
      if (!isLive || document.hidden) return
      state.idle(Date.now())
      changed()
    }, 1000)
  }, [])
  return { state, status, version }
}

const words: Readonly<Record<Status["_tag"], string>> = {
  Connecting: "Connecting",
  Live: "Live",
  Lost: "Connection lost",
  Locked: "Locked",
  Full: "Too many pages"
}

/** The page. */
export const App = () => {
  const { state, status, version } = useServer()
  const isNarrow = useNarrow()
  const [opened, setOpened] = useState<string>()
  const { server } = state
  return (
    <>
      <header class="top">
        <img src="/console/icon.svg" alt="" width="28" height="28" />
        <h1>
          Zerobus <span>local server</span>
        </h1>
        <p class={`status ${status._tag.toLowerCase()}`} role="status">
          <i aria-hidden="true" />
          {words[status._tag]}
        </p>
        {server !== undefined && (
          <dl class="facts">
            <div>
              <dt>Endpoint</dt>
              <dd>{server.environment["ZEROBUS_SERVER_ENDPOINT"]}</dd>
            </div>
            <div>
              <dt>Tables in</dt>
              <dd title={server.dataDir ?? ""}>{server.dataDir ?? "memory"}</dd>
            </div>
          </dl>
        )}
      </header>
      {status._tag === "Locked" ? (
        <Locked wasOpen={status.wasOpen} />
      ) : server === undefined ? (
        <Waiting status={status} />
      ) : (
        <main class={status._tag === "Live" ? "" : "stale"}>
          {status._tag !== "Live" && (
            <p class="banner" role="alert">
              {status._tag === "Full"
                ? "The server accepts no more pages. Close some; this one tries again."
                : "The server has stopped or cannot be reached. The page tries again."}
            </p>
          )}
          <Numbers state={state} version={version} />
          <Plots state={state} version={version} />
          <div class="columns">
            <div class="lists">
              <TablesPanel state={state} version={version} isNarrow={isNarrow} onOpen={setOpened} />
              <StreamsPanel
                state={state}
                version={version}
                isNarrow={isNarrow}
                onOpen={setOpened}
              />
            </div>
            <div class="side">
              <Activity events={state.events} />
              <ConnectPanel server={server} />
            </div>
          </div>
        </main>
      )}
      {opened !== undefined && server !== undefined && (
        <TableDialog
          key={opened}
          name={opened}
          row={state.tables.get(opened.toLowerCase())}
          storage={server.storage}
          onClose={() => setOpened(undefined)}
        />
      )}
    </>
  )
}

const sum = <Row,>(rows: Iterable<Row>, of: (row: Row) => number): number => {
  let total = 0
  for (const row of rows) total += of(row)
  return total
}

const Numbers = ({ state, version }: { readonly state: ServerState; readonly version: number }) => {
  const { tables, waiting } = useMemo(
    () => ({
      tables: sum(state.tables.values(), (row: Rated<TableRow>) => row.bytes),
      waiting: sum(state.streams.values(), (row: Rated<StreamRow>) => row.received - row.acked)
    }),
    [version]
  )
  const { server, totals } = state
  const uptime = server === undefined ? 0 : state.serverTime(Date.now()) - server.startedAt
  const figures = [
    ["Records a second", rate(state.perSecond), `${count(totals.records)} since the start`],
    [
      "Acknowledged in",
      state.latency === undefined ? "–" : latency(state.latency.p50),
      state.latency === undefined ? "median" : `median, p99 ${latency(state.latency.p99)}`
    ],
    ["Not acknowledged", brief(waiting), "records received"],
    ["Open streams", count(state.streams.size), `${bytes(totals.bytes)} received`],
    [
      "Tables",
      count(state.tables.size),
      server?.storage === "disk" ? `${bytes(tables)} on disk` : `running for ${duration(uptime)}`
    ]
  ] as const
  return (
    <dl class="panel numbers">
      {figures.map(([title, value, detail]) => (
        <div key={title}>
          <dt>{title}</dt>
          <dd class="value">{value}</dd>
          <dd class="detail">{detail}</dd>
        </div>
      ))}
    </dl>
  )
}

const Waiting = ({ status }: { readonly status: Status }) => (
  <main class="alone">
    <section class="panel notice">
      <h2>{status._tag === "Full" ? "Too many pages" : "Connecting"}</h2>
      <p>
        {status._tag === "Full"
          ? "The server accepts no more pages. Close some; this one tries again."
          : "The page waits for the server."}
      </p>
    </section>
  </main>
)

const Locked = ({ wasOpen }: { readonly wasOpen: boolean }) => (
  <main class="alone">
    <section class="panel notice">
      <h2>Open the console with its link</h2>
      <p>
        {wasOpen
          ? "The server was restarted, so the link has changed."
          : "The console shows records and scripts faults, so only its link opens it."}
      </p>
      <p>
        <code>zerobus local</code> prints the link when it starts:
      </p>
      <pre>{`Console: ${location.origin}/#token=…`}</pre>
    </section>
  </main>
)
