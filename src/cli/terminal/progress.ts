/**
 * Counts of an ingest and their display: one rewritten line on a terminal, a line every few seconds
 * elsewhere, and the summary.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { visible } from "./print.ts"

/** Counts of an ingest, updated in place while it runs. */
export interface Counts {
  /** Bytes of the files, decompressed. */
  bytes: number
  /**
   * Bytes read of the stored (compressed) files, and their total size. The total is undefined when
   * unknown.
   */
  stored: number
  total: number | undefined
  /** Records skipped at the start. */
  skipped: number
  /** Records accepted by the stream. */
  accepted: number
  /** Records that are not valid for the table. */
  rejected: number
  /** Accepted records that the server refused. */
  refused: number
  /** Accepted records that the server has made durable. */
  durable: number
  /** Records sent again on a new connection. Each may be duplicated in the table. */
  resent: number
}

/**
 * A position in a file: the line of a record, and the number of records in all files up to there.
 */
export interface Place {
  /** What `line` counts. Default: lines. */
  readonly unit?: "row" | undefined
  /** The file, when there are several. */
  readonly file?: string | undefined
  readonly line: number
  readonly records: number
}

/** Fresh counts. */
export const noCounts = (): Counts => ({
  bytes: 0,
  stored: 0,
  total: undefined,
  skipped: 0,
  accepted: 0,
  rejected: 0,
  refused: 0,
  durable: 0,
  resent: 0
})

/** Records read from the files: skipped, accepted and rejected. */
export const recordsRead = (counts: Counts): number =>
  counts.skipped + counts.accepted + counts.rejected

/** A number with thousands separators. */
export const count = (value: number): string => value.toLocaleString("en-US")

/** A number with its noun: `1 record`, `2 records`. */
export const counted = (value: number, noun: string): string =>
  `${count(value)} ${noun}${value === 1 ? "" : "s"}`

const oneDecimal = { minimumFractionDigits: 1, maximumFractionDigits: 1 } as const

const megabytes = (bytes: number): string =>
  `${(bytes / 1_000_000).toLocaleString("en-US", oneDecimal)} MB`

const seconds = (millis: number): string => `${(millis / 1000).toFixed(millis < 10_000 ? 2 : 1)} s`

/** Records per second over a time in milliseconds. */
const rate = (records: number, millis: number): string =>
  `${count(Math.round((records / Math.max(millis, 1)) * 1000))} records/s`

/** The output of the progress display. */
export interface Output {
  readonly write: (text: string) => unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

/** Time between two updates, on a terminal and elsewhere. */
const terminalInterval = "100 millis"
const plainInterval = "5 seconds"

/**
 * Shows the counts in the form of `lineOf` until interrupted; `look` updates them before each line.
 * On a terminal the interrupt clears the line.
 */
export const showProgress = (
  counts: Counts,
  output: Output,
  look: Effect.Effect<void> = Effect.void,
  lineOf: (counts: Counts, speed: number, millis: number) => string = progressLine
): Effect.Effect<never> => {
  const terminal = output.isTTY === true
  return Effect.gen(function* () {
    const started = yield* Clock.currentTimeMillis
    let before = { durable: 0, at: started }
    let speed = 0
    while (true) {
      yield* Effect.sleep(terminal ? terminalInterval : plainInterval)
      yield* look
      const now = yield* Clock.currentTimeMillis
      const latest = ((counts.durable - before.durable) / Math.max(now - before.at, 1)) * 1000
      // On a terminal, with ten updates a second, the speed is a moving average over about one
      // second. Elsewhere it is the exact rate since the last line.
      speed = terminal && speed > 0 ? speed * 0.9 + latest * 0.1 : latest
      before = { durable: counts.durable, at: now }
      const line = lineOf(counts, speed, now - started)
      output.write(
        terminal ? `\r\u001b[K${line.slice(0, (output.columns ?? 80) - 1)}` : `${line}\n`
      )
    }
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        if (terminal) output.write("\r\u001b[K")
      })
    )
  )
}

/**
 * The counts on one line. `speed` is in durable records per second, `millis` is the time since the
 * start.
 */
export const progressLine = (counts: Counts, speed: number, millis: number): string => {
  const bad = counts.rejected + counts.refused
  return [
    ...shareDone(counts, millis),
    counted(counts.accepted, "record"),
    megabytes(counts.bytes),
    `${count(Math.round(speed))}/s`,
    `${count(counts.accepted - counts.durable - counts.refused)} in flight`,
    `${count(counts.durable)} durable`,
    ...(bad > 0 ? [`${count(bad)} rejected`] : []),
    ...(counts.resent > 0 ? [`${count(counts.resent)} sent again`] : [])
  ].join("  ")
}

/** The percentage done and the estimated time left. Empty when the total is unknown. */
export const shareDone = ({ stored, total }: Counts, millis: number): ReadonlyArray<string> => {
  if (total === undefined || total === 0) return []
  const share = Math.min(stored / total, 1)
  const percent = `${Math.floor(share * 100)} %`
  if (share === 0 || share === 1 || millis < 2000) return [percent]
  return [percent, `${duration((millis * (1 - share)) / share)} left`]
}

/** A duration in seconds, minutes or hours, depending on its length. */
const duration = (millis: number): string => {
  const whole = Math.ceil(millis / 1000)
  if (whole < 100) return `${whole} s`
  return whole < 6000 ? `${Math.ceil(whole / 60)} min` : `${(whole / 3600).toFixed(1)} h`
}

/** How an ingest ended. */
export interface Outcome {
  readonly table: string
  readonly millis: number
  readonly counts: Counts
  /** The last record before which every record is durable or rejected. */
  readonly durableTo: Place | undefined
  /** Why it stopped before the end of the file. */
  readonly stopped: "error" | "interrupted" | undefined
  readonly rejectsFile: string | undefined
  /** The folder of the spool that keeps records which are not durable. */
  readonly spool?: string | undefined
  /** Whether the ingest follows a file and has saved its position. */
  readonly following?: boolean | undefined
}

/** The summary as text. */
export const summary = (outcome: Outcome): string => {
  const { counts, durableTo, following, millis, rejectsFile, spool, stopped, table } = outcome
  const lost = counts.accepted - counts.durable - counts.refused
  const bad = counts.rejected + counts.refused
  const lines = [
    `${counted(counts.durable, "record")} durable in ${table} (${megabytes(counts.bytes)} read ` +
      `in ${seconds(millis)}, ${rate(counts.durable, millis)}).`
  ]
  if (counts.skipped > 0) lines.push(`${counted(counts.skipped, "record")} at the start skipped.`)
  if (bad > 0) {
    const server = counts.refused > 0 ? ` (${count(counts.refused)} by the server)` : ""
    lines.push(
      `${counted(bad, "record")} ` +
        `rejected${server}${rejectsFile === undefined ? "" : `, see ${rejectsFile}`}.`
    )
  }
  if (counts.resent > 0) {
    lines.push(
      `${counted(counts.resent, "record")} sent again after a lost connection, which may be in ` +
        `the table twice.`
    )
  }
  if (stopped === undefined && counts.skipped > 0 && counts.skipped === recordsRead(counts)) {
    lines.push("The file ends there, so there was nothing to ingest.")
  }
  if (lost > 0) lines.push(`${counted(lost, "record")} queued and not known to be durable.`)
  if (spool !== undefined) {
    if (stopped === undefined && lost === 0) return lines.join("\n")
    lines.push(`Records that are not durable are kept in ${spool}; zerobus spool drain sends it.`)
    if (stopped !== undefined) {
      lines.push(
        following === true
          ? "To continue, repeat the same command."
          : "To continue, repeat the same command with --resume."
      )
    }
  } else if (following === true) {
    lines.push("The next start with this --state continues after the durable records.")
  } else if (stopped !== undefined || lost > 0) {
    lines.push(
      durableTo === undefined
        ? counts.skipped === 0
          ? "No record of the file is durable. To continue, ingest it from its start."
          : `No record after the skipped ones is durable. To continue from there: --skip ` +
            `${counts.skipped}`
        : `Done up to record ${count(durableTo.records)} of the ` +
            `${durableTo.file === undefined ? "file" : "files"} ` +
            `(${durableTo.unit ?? "line"} ${count(durableTo.line)}` +
            `${durableTo.file === undefined ? "" : ` of ${durableTo.file}`}). To continue from ` +
            `there: --skip ${durableTo.records}`
    )
  }
  return lines.map(visible).join("\n")
}

/** The summary for programs: one JSON object. */
export const summaryJson = ({ counts, durableTo, millis, stopped, table }: Outcome): string =>
  JSON.stringify({
    table,
    records: recordsRead(counts),
    accepted: counts.accepted,
    durable: counts.durable,
    rejected: counts.rejected + counts.refused,
    refusedByServer: counts.refused,
    sentAgain: counts.resent,
    skipped: counts.skipped,
    bytes: counts.bytes,
    millis,
    ...(durableTo?.file === undefined ? {} : { durableFile: durableTo.file }),
    durableLine: durableTo?.line ?? null,
    durableRecords: durableTo?.records ?? counts.skipped,
    complete: stopped === undefined && counts.durable + counts.refused === counts.accepted
  })
