/**
 * A dialog for one table: last rows, columns, SQL that reads it, and faults to script.
 */
import { useEffect, useRef, useState } from "preact/hooks"
import type { FaultName, TableRow, TableView } from "../src/local/console/consoleMessages.ts"
import { fetchTable, scriptFault } from "./connection.ts"
import { CopyButton } from "./copy.tsx"
import { brief, bytes, count } from "./format.ts"

interface DialogProps {
  readonly name: string
  /** The table's numbers. Undefined when the table no longer exists. */
  readonly row: TableRow | undefined
  readonly storage: "disk" | "memory"
  readonly onClose: () => void
}

const tabs = ["Last rows", "Columns", "SQL", "Faults"] as const

/** The dialog. */
export const TableDialog = ({ name, onClose, row, storage }: DialogProps) => {
  const dialog = useRef<HTMLDialogElement>(null)
  const [tab, setTab] = useState<(typeof tabs)[number]>("Last rows")
  const [view, setView] = useState<TableView>()
  const [problem, setProblem] = useState<string>()
  const [isLoading, setLoading] = useState(false)

  const load = () => {
    setLoading(true)
    fetchTable(name)
      .then(
        (found) => {
          setView(found)
          setProblem(undefined)
        },
        (error: Error) => setProblem(error.message)
      )
      .finally(() => setLoading(false))
  }
  useEffect(() => {
    dialog.current?.showModal()
    load()
  }, [])

  /** Arrow keys move between tabs. */
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0
    if (step === 0) return
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length]!
    setTab(next)
    dialog.current?.querySelector<HTMLElement>(`#tab-${tabs.indexOf(next)}`)?.focus()
  }

  return (
    <dialog
      ref={dialog}
      class="table-dialog"
      aria-labelledby="dialog-title"
      onClose={onClose}
      onClick={(event) => {
        if (event.target === event.currentTarget) event.currentTarget.close()
      }}
    >
      <div class="sheet">
        <header>
          <h2 id="dialog-title" title={name}>
            {name}
          </h2>
          <CopyButton label="Copy name" text={() => name} />
          <button
            type="button"
            class="button quiet close"
            aria-label="Close"
            onClick={() => dialog.current?.close()}
          >
            ✕
          </button>
        </header>
        {row !== undefined && (
          <p class="sums">
            {count(row.rows)} rows
            {storage === "disk" &&
              ` · ${count(row.files)} files · ${bytes(row.bytes)} · version ${count(row.version)}`}
            {view?.comment !== null && view?.comment !== undefined && ` · ${view.comment}`}
          </p>
        )}
        {view?.problem !== null && view?.problem !== undefined && (
          <p class="problem">{view.problem}</p>
        )}
        <div class="tabs" role="tablist" onKeyDown={onKeyDown}>
          {tabs.map((each, index) => (
            <button
              key={each}
              type="button"
              role="tab"
              id={`tab-${index}`}
              aria-selected={each === tab}
              aria-controls="tab-content"
              tabIndex={each === tab ? 0 : -1}
              onClick={() => setTab(each)}
            >
              {each}
              {each === "Faults" && row !== undefined && row.faults + row.held > 0 && (
                <i class="dot" />
              )}
            </button>
          ))}
        </div>
        <div
          class="tab-content"
          role="tabpanel"
          id="tab-content"
          aria-labelledby={`tab-${tabs.indexOf(tab)}`}
        >
          {problem !== undefined ? (
            <p class="problem">{problem}</p>
          ) : tab === "Faults" ? (
            <Faults name={name} row={row} />
          ) : view === undefined ? (
            <p class="empty small">Reading the table</p>
          ) : tab === "Last rows" ? (
            <Rows view={view} isLoading={isLoading} onAgain={load} />
          ) : tab === "Columns" ? (
            <Columns view={view} />
          ) : (
            <Sql view={view} storage={storage} />
          )}
        </div>
      </div>
    </dialog>
  )
}

const isNumeric = (type: string): boolean =>
  /^(?:TINYINT|SMALLINT|INT|BIGINT|FLOAT|DOUBLE|DECIMAL)\b/i.test(type)

const Rows = ({
  isLoading,
  onAgain,
  view
}: {
  readonly view: TableView
  readonly isLoading: boolean
  readonly onAgain: () => void
}) => {
  const { columns, columnsLeftOut, rows, rowsProblem } = view
  if (rowsProblem !== null) return <p class="problem">{rowsProblem}</p>
  if (rows.length === 0) {
    return (
      <div class="empty">
        <strong>No rows yet</strong>
        <p>Rows show here once they are committed, about a second after their acknowledgement.</p>
      </div>
    )
  }
  const shown = columns.slice(0, columns.length - columnsLeftOut)
  return (
    <>
      <div class="values" tabIndex={0} role="region" aria-label="Last rows">
        <table>
          <thead>
            <tr>
              {shown.map(({ name, type }) => (
                <th
                  key={name}
                  scope="col"
                  class={isNumeric(type) ? "number" : ""}
                  title={`${name} ${type}`}
                >
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, index) => (
              <tr key={index}>
                {row.map((value, column) => (
                  <td
                    key={column}
                    class={isNumeric(shown[column]!.type) ? "number" : ""}
                    title={value ?? "NULL"}
                  >
                    {value === null ? <span class="null">NULL</span> : value}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="note">
        <span>
          The last {count(rows.length)} rows, newest first. Long values are cut.
          {columnsLeftOut > 0 && ` ${count(columnsLeftOut)} further columns are left out.`}
        </span>
        <button type="button" class="button quiet" disabled={isLoading} onClick={onAgain}>
          Read again
        </button>
      </p>
    </>
  )
}

const Columns = ({ view }: { readonly view: TableView }) => (
  <div class="values" tabIndex={0} role="region" aria-label="Columns">
    <table class="schema">
      <thead>
        <tr>
          <th scope="col">Column</th>
          <th scope="col">Type</th>
          <th scope="col">May be NULL</th>
        </tr>
      </thead>
      <tbody>
        {view.columns.map(({ name, nullable, partition, type }) => (
          <tr key={name}>
            <td title={name}>
              {name}
              {partition && <span class="flag">partition</span>}
            </td>
            <td class="type" title={type}>
              <span>{type}</span>
            </td>
            <td>{nullable ? "yes" : "no"}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
)

const Code = ({ text, title }: { readonly title: string; readonly text: string }) => (
  <figure class="code">
    <figcaption>
      {title}
      <CopyButton text={() => text} />
    </figcaption>
    <pre tabIndex={0}>{text}</pre>
  </figure>
)

const Sql = ({
  storage,
  view
}: {
  readonly view: TableView
  readonly storage: "disk" | "memory"
}) =>
  storage === "memory" ? (
    <>
      <Code title="SQL" text={view.sql} />
      <p class="note">
        Tables in memory have no files that SQL could read. Start the server without --memory for
        that.
      </p>
    </>
  ) : (
    <>
      <Code title="SQL" text={view.sql} />
      <Code title="In a terminal" text={`zerobus query '${view.sql.replaceAll("\n", " ")}'`} />
      {view.location !== null && (
        <Code
          title="Python"
          text={
            "from deltalake import DeltaTable\n" +
            `DeltaTable(${JSON.stringify(view.location)}).to_pandas()`
          }
        />
      )}
    </>
  )

const faults: ReadonlyArray<readonly [fault: FaultName, title: string, text: string]> = [
  [
    "disconnect",
    "Disconnect",
    "The next message breaks its connection. The client reconnects and sends it again."
  ],
  ["stall", "Stall", "Acknowledgements stop until you clear the faults. Records stay durable."],
  [
    "refuse",
    "Refuse",
    "The next message is refused once. The client looks for a bad record, finds none and continues."
  ],
  [
    "expireToken",
    "Expire token",
    "The next message ends its stream as if the token had expired. The client requests a new one."
  ]
]

const Faults = ({ name, row }: { readonly name: string; readonly row: TableRow | undefined }) => {
  const [said, setSaid] = useState("")
  const script = (fault: FaultName, title: string) => {
    setSaid("")
    scriptFault(name, fault).then(
      () => setSaid(fault === "clear" ? "Cleared." : `${title}: scripted.`),
      (error: Error) => setSaid(error.message)
    )
  }
  const waiting = row?.faults ?? 0
  const held = row?.held ?? 0
  return (
    <div class="faults">
      <p>
        Each button scripts one fault for this table, as <code>Faults</code> does in tests. It
        triggers at the client's next message.
      </p>
      <ul>
        {faults.map(([fault, title, text]) => (
          <li key={fault}>
            <button type="button" class="button" onClick={() => script(fault, title)}>
              {title}
            </button>
            <span>{text}</span>
          </li>
        ))}
      </ul>
      <p class="state">
        <button
          type="button"
          class="button"
          disabled={waiting + held === 0}
          onClick={() => script("clear", "")}
        >
          Clear faults
        </button>
        <span>
          {waiting + held === 0
            ? "No fault waits."
            : [
                waiting > 0
                  ? `${brief(waiting)} ${waiting === 1 ? "fault waits" : "faults wait"}`
                  : [],
                held > 0 ? `${brief(held)} acknowledgement${held === 1 ? " is" : "s are"} held` : []
              ]
                .flat()
                .join(", ") + "."}
        </span>
        <span role="status" class="muted">
          {said}
        </span>
      </p>
    </div>
  )
}
