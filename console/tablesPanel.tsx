/**
 * All tables with their numbers.
 */
import { useMemo } from "preact/hooks"
import type { TableRow } from "../src/local/console/consoleMessages.ts"
import { CopyButton } from "./copy.tsx"
import { ago, brief, bytes, count, rate } from "./format.ts"
import { type GridColumn, RowGrid } from "./rowGrid.tsx"
import type { Rated, ServerState } from "./state.ts"

type Row = Rated<TableRow>

interface PanelProps {
  readonly state: ServerState
  readonly version: number
  readonly isNarrow: boolean
  readonly onOpen: (table: string) => void
}

const command = "zerobus table create 'main.default.t(id BIGINT, name STRING)'"

const Flags = ({ row }: { readonly row: Row }) => (
  <>
    {row.problem !== null && (
      <span class="flag bad" title={row.problem}>
        not written
      </span>
    )}
    {row.held > 0 && <span class="flag warn">stalled</span>}
    {row.held === 0 && row.faults > 0 && <span class="flag warn">fault waits</span>}
  </>
)

/** A table name. When space is short, its last part stays visible. */
export const TableName = ({ name }: { readonly name: string }) => {
  const cut = name.lastIndexOf(".") + 1
  return (
    <span class="name" title={name}>
      <span class="path">{name.slice(0, cut)}</span>
      <span>{name.slice(cut)}</span>
    </span>
  )
}

/** The list of tables. */
export const TablesPanel = ({ isNarrow, onOpen, state, version }: PanelProps) => {
  const isOnDisk = state.server?.storage === "disk"
  const rows = useMemo(() => [...state.tables.values()], [version])
  const written = (row: Row) =>
    row.writtenAt === null ? "–" : ago(state.serverTime(Date.now()) - row.writtenAt)
  const rateOf = (row: Row) => state.rateOf(row)
  const columns: ReadonlyArray<GridColumn<Row>> = [
    {
      title: "Table",
      sortBy: (row) => row.name.toLowerCase(),
      cell: (row) => (
        <>
          <TableName name={row.name} />
          <Flags row={row} />
        </>
      )
    },
    {
      title: "Columns",
      isNumber: true,
      width: 84,
      sortBy: (row) => row.columns,
      cell: (row) => count(row.columns)
    },
    {
      title: "Rows",
      isNumber: true,
      width: 84,
      sortBy: (row) => row.rows,
      cell: (row) => brief(row.rows)
    },
    ...(isOnDisk
      ? [
          {
            title: "Files",
            isNumber: true,
            width: 64,
            sortBy: (row: Row) => row.files,
            cell: (row: Row) => count(row.files)
          },
          {
            title: "Size",
            isNumber: true,
            width: 82,
            sortBy: (row: Row) => row.bytes,
            cell: (row: Row) => bytes(row.bytes)
          },
          {
            title: "Version",
            isNumber: true,
            width: 80,
            sortBy: (row: Row) => row.version,
            cell: (row: Row) => count(row.version)
          }
        ]
      : []),
    {
      title: isOnDisk ? "Last commit" : "Last record",
      isNumber: true,
      width: 110,
      sortBy: (row) => row.writtenAt ?? 0,
      cell: written
    },
    {
      title: "Records/s",
      isNumber: true,
      width: 96,
      sortBy: rateOf,
      cell: (row) => <span class={rateOf(row) > 0 ? "lively" : "muted"}>{rate(rateOf(row))}</span>
    }
  ]
  return (
    <RowGrid
      name="tables"
      title="Tables"
      rows={rows}
      keyOf={(row) => row.name.toLowerCase()}
      textOf={(row) => row.name}
      columns={columns}
      isNarrow={isNarrow}
      onOpen={(row) => onOpen(row.name)}
      compact={(row) => (
        <>
          <div>
            <TableName name={row.name} />
            <Flags row={row} />
            <b class={rateOf(row) > 0 ? "lively" : "muted"}>{rate(rateOf(row))}/s</b>
          </div>
          <small>
            {brief(row.rows)} rows · {count(row.columns)} columns
            {isOnDisk ? ` · ${count(row.files)} files · v${row.version}` : ""} · {written(row)}
          </small>
        </>
      )}
      empty={
        <>
          <strong>No tables yet</strong>
          <p>Create one, in another terminal with the variables below:</p>
          <pre>{command}</pre>
          <CopyButton text={() => command} />
        </>
      }
    />
  )
}
