/**
 * Recent events, newest first.
 */
import { useState } from "preact/hooks"
import type { ConsoleEvent } from "../src/local/console/consoleMessages.ts"
import { timeOfDay } from "./format.ts"
import { TableName } from "./tablesPanel.tsx"

/** Events shown before "Show more" is clicked. */
const first = 30

/** The list of events. */
export const Activity = ({ events }: { readonly events: ReadonlyArray<ConsoleEvent> }) => {
  const [onlyProblems, setOnlyProblems] = useState(false)
  const [isWhole, setWhole] = useState(false)
  const chosen = onlyProblems
    ? events.filter(({ tone }) => tone === "warn" || tone === "bad")
    : events
  const shown = isWhole ? chosen : chosen.slice(0, first)
  return (
    <section class="panel activity" aria-label="Activity">
      <header class="panel-head">
        <h2>Activity</h2>
        <label class="check">
          <input
            type="checkbox"
            checked={onlyProblems}
            onChange={(event) => setOnlyProblems(event.currentTarget.checked)}
          />
          Problems only
        </label>
      </header>
      {shown.length === 0 ? (
        <div class="empty">
          <strong>{onlyProblems ? "No problems" : "Nothing yet"}</strong>
          <p>
            Streams that open, rotate and close, records and tokens that are refused, and faults are
            listed here.
          </p>
        </div>
      ) : (
        <ol class="events" tabIndex={0} aria-label="Events, newest first">
          {shown.map((event) => (
            <li key={event.n} class={event.tone}>
              <time dateTime={new Date(event.at).toISOString()}>{timeOfDay(event.at)}</time>
              <div>
                <strong>{event.title}</strong>{" "}
                {event.table !== "" && <TableName name={event.table} />}
                {event.detail !== "" && <p>{event.detail}</p>}
              </div>
            </li>
          ))}
          {chosen.length > shown.length && (
            <li class="more">
              <button type="button" class="button quiet" onClick={() => setWhole(true)}>
                Show {chosen.length - shown.length} more
              </button>
            </li>
          )}
        </ol>
      )}
    </section>
  )
}
