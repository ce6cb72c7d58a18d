/**
 * The list of open streams.
 */
import { useMemo } from "preact/hooks"
import type { StreamRow } from "../src/local/console/consoleMessages.ts"
import { brief, duration, rate } from "./format.ts"
import { type GridColumn, RowGrid } from "./rowGrid.tsx"
import type { Rated, ServerState } from "./state.ts"
import { TableName } from "./tablesPanel.tsx"

type Row = Rated<StreamRow>

const kinds: Readonly<Record<string, string>> = { Proto: "protobuf", Json: "JSON" }

/** The list of streams. Opening a stream opens its table. */
export const StreamsPanel = ({
  isNarrow,
  onOpen,
  state,
  version
}: {
  readonly state: ServerState
  readonly version: number
  readonly isNarrow: boolean
  readonly onOpen: (table: string) => void
}) => {
  const rows = useMemo(() => [...state.streams.values()], [version])
  const age = (row: Row) => duration(state.serverTime(Date.now()) - row.openedAt)
  const lag = (row: Row) => row.received - row.acked
  const rateOf = (row: Row) => state.rateOf(row)
  const kind = (row: Row) => kinds[row.kind] ?? row.kind
  const columns: ReadonlyArray<GridColumn<Row>> = [
    {
      title: "Stream to",
      sortBy: (row) => row.table.toLowerCase(),
      cell: (row) => (
        <>
          <TableName name={row.table} />
          {row.rotating && <span class="flag warn">rotating</span>}
        </>
      )
    },
    {
      title: "Client",
      width: 134,
      sortBy: (row) => row.client,
      cell: (row) => <span class="mono">{row.client}</span>
    },
    { title: "Kind", width: 78, sortBy: kind, cell: kind },
    { title: "Age", isNumber: true, width: 84, sortBy: (row) => -row.openedAt, cell: age },
    {
      title: "Received",
      isNumber: true,
      width: 84,
      sortBy: (row) => row.received,
      cell: (row) => brief(row.received)
    },
    {
      title: "Durable",
      isNumber: true,
      width: 74,
      sortBy: (row) => row.durable,
      cell: (row) => brief(row.durable)
    },
    {
      title: "Acked",
      isNumber: true,
      width: 70,
      sortBy: (row) => row.acked,
      cell: (row) => brief(row.acked)
    },
    {
      title: "Lag",
      isNumber: true,
      width: 56,
      sortBy: lag,
      cell: (row) => <span class={lag(row) > 0 ? "" : "muted"}>{brief(lag(row))}</span>
    },
    {
      title: "Records/s",
      isNumber: true,
      width: 92,
      sortBy: rateOf,
      cell: (row) => <span class={rateOf(row) > 0 ? "lively" : "muted"}>{rate(rateOf(row))}</span>
    }
  ]
  return (
    <RowGrid
      name="streams"
      title="Open streams"
      rows={rows}
      keyOf={(row) => row.id}
      textOf={(row) => `${row.table} ${row.client} ${row.id}`}
      columns={columns}
      isNarrow={isNarrow}
      onOpen={(row) => onOpen(row.table)}
      compact={(row) => (
        <>
          <div>
            <TableName name={row.table} />
            {row.rotating && <span class="flag warn">rotating</span>}
            <b class={rateOf(row) > 0 ? "lively" : "muted"}>{rate(rateOf(row))}/s</b>
          </div>
          <small>
            lag {brief(lag(row))} · {brief(row.acked)} acked · {age(row)} · {kind(row)} ·{" "}
            {row.client}
          </small>
        </>
      )}
      empty={
        <>
          <strong>No stream is open</strong>
          <p>A new stream appears here immediately.</p>
        </>
      }
    />
  )
}
