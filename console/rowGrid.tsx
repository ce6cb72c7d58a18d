/**
 * A long list of rows with sortable columns and a filter. Only visible rows are rendered, so a
 * thousand tables cost as much as twenty. The list is one tab stop: arrow keys move, Enter opens.
 */
import type { ComponentChildren, TargetedKeyboardEvent } from "preact"
import { useEffect, useMemo, useRef, useState } from "preact/hooks"
import { count } from "./format.ts"

/** A column of the list. */
export interface GridColumn<Row> {
  readonly title: string
  readonly isNumber?: boolean
  /** In pixels. Columns without a width share the remaining space. */
  readonly width?: number
  readonly cell: (row: Row) => ComponentChildren
  readonly sortBy: (row: Row) => string | number
}

interface GridProps<Row> {
  readonly title: string
  readonly rows: ReadonlyArray<Row>
  readonly keyOf: (row: Row) => string
  /** The text that the filter searches. */
  readonly textOf: (row: Row) => string
  readonly columns: ReadonlyArray<GridColumn<Row>>
  /** A row on a narrow screen. */
  readonly compact: (row: Row) => ComponentChildren
  readonly isNarrow: boolean
  readonly onOpen?: (row: Row) => void
  readonly empty: ComponentChildren
  readonly name: string
}

/** Rows rendered above and below the visible ones. */
const beyond = 6

/** The list. */
export const RowGrid = <Row,>(props: GridProps<Row>) => {
  const { columns, compact, empty, isNarrow, keyOf, name, onOpen, rows, textOf, title } = props
  const [filter, setFilter] = useState("")
  const [sort, setSort] = useState({ column: 0, isDown: false })
  const [top, setTop] = useState(0)
  const [height, setHeight] = useState(400)
  const [active, setActive] = useState(0)
  const box = useRef<HTMLDivElement>(null)
  const rowHeight = isNarrow ? 58 : 38

  const shown = useMemo(() => {
    const wanted = filter.trim().toLowerCase()
    const found =
      wanted === "" ? [...rows] : rows.filter((row) => textOf(row).toLowerCase().includes(wanted))
    const { sortBy } = columns[sort.column]!
    const keyed = found.map((row) => ({ row, key: sortBy(row), name: keyOf(row) }))
    const sign = sort.isDown ? -1 : 1
    keyed.sort((one, other) => sign * compare(one.key, other.key) || compare(one.name, other.name))
    return keyed.map(({ row }) => row)
  }, [rows, filter, sort])

  useEffect(() => {
    if (box.current === null) return
    const observer = new ResizeObserver(([entry]) => setHeight(entry!.contentRect.height))
    observer.observe(box.current)
    return () => observer.disconnect()
  }, [rows.length === 0])

  const last = shown.length - 1
  const at = Math.max(0, Math.min(active, last))
  const from = Math.max(0, Math.floor(top / rowHeight) - beyond)
  const to = Math.min(shown.length, Math.ceil((top + height) / rowHeight) + beyond)
  const headHeight = isNarrow ? 0 : 34
  const tracks = columns
    .map(({ width }) => (width === undefined ? "minmax(0, 1fr)" : `${width}px`))
    .join(" ")

  const opens = onOpen === undefined ? "" : "opens"
  const move = (index: number) => {
    const next = Math.max(0, Math.min(index, last))
    setActive(next)
    const element = box.current
    if (element === null) return
    const start = next * rowHeight
    if (start < element.scrollTop) element.scrollTop = start
    const end = start + rowHeight + headHeight
    if (end > element.scrollTop + element.clientHeight)
      element.scrollTop = end - element.clientHeight
  }

  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    if (event.target !== event.currentTarget) return
    const page = Math.max(1, Math.floor(height / rowHeight) - 1)
    const steps: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: last
    }
    const next = steps[event.key]
    if (next !== undefined) move(next)
    else if (event.key === "Enter" && shown[at] !== undefined) onOpen?.(shown[at])
    else return
    event.preventDefault()
  }

  const idOf = (index: number) => `${name}-${index}`
  const number =
    shown.length === rows.length
      ? count(rows.length)
      : `${count(shown.length)} of ${count(rows.length)}`
  return (
    <section class={`panel grid-${name}`} aria-label={title}>
      <header class="panel-head">
        <h2>
          {title} <span class="badge">{number}</span>
        </h2>
        {rows.length > 0 && (
          <input
            class="filter"
            type="search"
            placeholder={`Filter ${name}`}
            aria-label={`Filter ${name}`}
            spellcheck={false}
            value={filter}
            onInput={(event) => {
              setFilter(event.currentTarget.value)
              setActive(0)
              if (box.current !== null) box.current.scrollTop = 0
            }}
          />
        )}
      </header>
      {rows.length === 0 ? (
        <div class="empty">{empty}</div>
      ) : (
        <div
          class="rows"
          ref={box}
          role="grid"
          tabIndex={0}
          aria-label={title}
          aria-rowcount={shown.length + 1}
          aria-activedescendant={shown.length > 0 ? idOf(at) : undefined}
          onScroll={(event) => setTop(event.currentTarget.scrollTop)}
          onKeyDown={onKeyDown}
        >
          {!isNarrow && (
            <div
              class="row head"
              role="row"
              aria-rowindex={1}
              style={{ gridTemplateColumns: tracks }}
            >
              {columns.map((column, index) => (
                <div
                  key={column.title}
                  role="columnheader"
                  class={column.isNumber ? "number" : ""}
                  aria-sort={
                    sort.column !== index ? "none" : sort.isDown ? "descending" : "ascending"
                  }
                >
                  <button
                    type="button"
                    onClick={() =>
                      setSort((before) => ({
                        column: index,
                        isDown: before.column === index ? !before.isDown : column.isNumber === true
                      }))
                    }
                  >
                    {column.title}
                    {sort.column === index && (
                      <span class="arrow" aria-hidden="true">
                        {sort.isDown ? "↓" : "↑"}
                      </span>
                    )}
                  </button>
                </div>
              ))}
            </div>
          )}
          <div class="sizer" style={{ height: `${shown.length * rowHeight}px` }}>
            {shown.slice(from, to).map((row, offset) => {
              const index = from + offset
              return (
                <div
                  key={keyOf(row)}
                  id={idOf(index)}
                  role="row"
                  aria-rowindex={index + 2}
                  class={`row body ${opens} ${index === at ? "active" : ""}`}
                  style={{
                    transform: `translateY(${index * rowHeight}px)`,
                    height: `${rowHeight}px`,
                    gridTemplateColumns: isNarrow ? "none" : tracks
                  }}
                  onClick={() => {
                    setActive(index)
                    onOpen?.(row)
                  }}
                >
                  {isNarrow ? (
                    <div role="gridcell" class="compact">
                      {compact(row)}
                    </div>
                  ) : (
                    columns.map((column) => (
                      <div
                        key={column.title}
                        role="gridcell"
                        class={column.isNumber ? "number" : ""}
                      >
                        {column.cell(row)}
                      </div>
                    ))
                  )}
                </div>
              )
            })}
          </div>
          {shown.length === 0 && <div class="empty small">Nothing matches “{filter}”.</div>}
        </div>
      )}
    </section>
  )
}

const compare = (one: string | number, other: string | number): number =>
  one < other ? -1 : one > other ? 1 : 0
