/**
 * How far an ingest has come, and what it shows of that: one line that is rewritten on a terminal, a plain line now and then elsewhere, and the summary.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** How far an ingest has come. Changed in place while it runs. */
export interface Counts {
  /** Bytes of the file, decompressed. */
  bytes: number
  /** Records of the file that were passed over at its start. */
  skipped: number
  /** Records that the stream took. */
  accepted: number
  /** Records that are no valid records of the table. */
  rejected: number
  /** Accepted records that the server has made durable. */
  durable: number
}

/** A place in the file: the line of a record, and how many records of the file end there. */
export interface Place {
  readonly line: number
  readonly records: number
}

/** Fresh counts. */
export const noCounts = (): Counts => ({ bytes: 0, skipped: 0, accepted: 0, rejected: 0, durable: 0 })

/** Records of the file, accepted and rejected. */
export const recordsRead = (counts: Counts): number => counts.skipped + counts.accepted + counts.rejected

/** A number with thousands separators. */
export const count = (value: number): string => value.toLocaleString("en-US")

/** One and many: `1 record`, `2 records`. */
export const counted = (value: number, noun: string): string => `${count(value)} ${noun}${value === 1 ? "" : "s"}`

const megabytes = (bytes: number): string =>
  `${(bytes / 1_000_000).toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 })} MB`

const seconds = (millis: number): string => `${(millis / 1000).toFixed(millis < 10_000 ? 2 : 1)} s`

/** Records per second over a time in milliseconds. */
const rate = (records: number, millis: number): string =>
  `${count(Math.round((records / Math.max(millis, 1)) * 1000))} records/s`

/** Where the lines go. */
export interface Output {
  readonly write: (text: string) => unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

/** Time between two looks, on a terminal and elsewhere. */
const terminalInterval = "100 millis"
const plainInterval = "5 seconds"

/** Shows the counts until it is interrupted, which clears the line on a terminal. */
export const showProgress = (counts: Counts, output: Output): Effect.Effect<never> => {
  const terminal = output.isTTY === true
  return Effect.gen(function* () {
    const started = yield* Clock.currentTimeMillis
    let before = { durable: 0, at: started }
    let speed = 0
    while (true) {
      yield* Effect.sleep(terminal ? terminalInterval : plainInterval)
      const now = yield* Clock.currentTimeMillis
      const latest = ((counts.durable - before.durable) / Math.max(now - before.at, 1)) * 1000
      // A moving average over about a second: readable at ten looks a second, exact at one in five.
      speed = terminal && speed > 0 ? speed * 0.9 + latest * 0.1 : latest
      before = { durable: counts.durable, at: now }
      const line = progressLine(counts, speed)
      output.write(terminal ? `\r\u001b[K${line.slice(0, (output.columns ?? 80) - 1)}` : `${line}\n`)
    }
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        if (terminal) output.write("\r\u001b[K")
      })
    )
  )
}

/** The counts on one line; `speed` in durable records per second. */
export const progressLine = (counts: Counts, speed: number): string =>
  [
    counted(counts.accepted, "record"),
    megabytes(counts.bytes),
    `${count(Math.round(speed))}/s`,
    `${count(counts.accepted - counts.durable)} in flight`,
    `${count(counts.durable)} durable`,
    ...(counts.rejected > 0 ? [`${count(counts.rejected)} rejected`] : [])
  ].join("  ")

/** How an ingest ended. */
export interface Outcome {
  readonly table: string
  readonly millis: number
  readonly counts: Counts
  /** The last durable record that is followed by no other that is not. */
  readonly durableTo: Place | undefined
  /** Why it did not come to the end of the file. */
  readonly stopped: "error" | "interrupted" | undefined
  readonly rejectsFile: string | undefined
}

/** The summary in sentences. */
export const summary = (outcome: Outcome): string => {
  const { counts, durableTo, millis, rejectsFile, stopped, table } = outcome
  const lost = counts.accepted - counts.durable
  const lines = [
    `${counted(counts.durable, "record")} durable in ${table} (${megabytes(counts.bytes)} read in ${seconds(millis)}, ${rate(counts.durable, millis)}).`
  ]
  if (counts.skipped > 0) lines.push(`${counted(counts.skipped, "record")} at the start passed over.`)
  if (counts.rejected > 0) {
    lines.push(
      `${counted(counts.rejected, "record")} rejected${rejectsFile === undefined ? "" : `, see ${rejectsFile}`}.`
    )
  }
  if (stopped === undefined && counts.skipped > 0 && counts.skipped === recordsRead(counts)) {
    lines.push("The file ends there, so there was nothing to ingest.")
  }
  if (lost > 0) lines.push(`${counted(lost, "record")} queued and not known to be durable.`)
  if (stopped !== undefined || lost > 0) {
    lines.push(
      durableTo === undefined
        ? counts.skipped === 0
          ? "Nothing of the file is durable. To go on, ingest it from its start."
          : `Nothing behind the records passed over is durable. To go on from there: --skip ${counts.skipped}`
        : `Done up to record ${count(durableTo.records)} of the file (line ${count(durableTo.line)}). To go on from there: --skip ${durableTo.records}`
    )
  }
  return lines.join("\n")
}

/** The summary for programs: one JSON object. */
export const summaryJson = ({ counts, durableTo, millis, stopped, table }: Outcome): string =>
  JSON.stringify({
    table,
    records: recordsRead(counts),
    accepted: counts.accepted,
    durable: counts.durable,
    rejected: counts.rejected,
    skipped: counts.skipped,
    bytes: counts.bytes,
    millis,
    durableLine: durableTo?.line ?? null,
    durableRecords: durableTo?.records ?? counts.skipped,
    complete: stopped === undefined && counts.durable === counts.accepted
  })
