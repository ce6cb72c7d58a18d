/**
 * The table properties that this server follows: retention times, the checkpoint interval, and the
 * columns with statistics. Delta's protocol and Spark's documentation define them.
 *
 * A value that cannot be parsed is reported and ignored: a mistake in a property must not block
 * writing. If the value is a retention, nothing is deleted, because the intended time may be longer
 * than the default.
 */
import type { Metadata } from "./deltaActions.ts"

/** The columns of a data file that get statistics. */
export interface IndexedColumns {
  /** The number of leading columns; each field of a STRUCT counts. */
  readonly first: number
  /** These columns instead, as paths of names; a STRUCT includes all its fields. */
  readonly only?: ReadonlyArray<ReadonlyArray<string>> | undefined
}

/** The parsed properties of a table. Times are in milliseconds. */
export interface TableProperties {
  /**
   * How long data files stay after their removal from the table:
   * `delta.deletedFileRetentionDuration`, a week by default; infinity if it cannot be parsed.
   */
  readonly deletedFileRetention: number
  /**
   * How long commits stay: `delta.logRetentionDuration`, thirty days by default; infinity if it
   * cannot be parsed.
   */
  readonly logRetention: number
  /**
   * Whether older commits are deleted: `delta.enableExpiredLogCleanup`, true by default; false if
   * it cannot be parsed.
   */
  readonly expiredLogCleanup: boolean
  /**
   * The number of commits between checkpoints: `delta.checkpointInterval`; undefined leaves it to
   * the writer.
   */
  readonly checkpointInterval: number | undefined
  /**
   * How long transaction numbers of applications stay: `delta.setTransactionRetentionDuration`;
   * undefined for ever.
   */
  readonly transactionRetention: number | undefined
  /**
   * `delta.dataSkippingStatsColumns`, or the first `delta.dataSkippingNumIndexedCols`, 32 by
   * default.
   */
  readonly indexed: IndexedColumns
  /** A sentence for each value that cannot be parsed. */
  readonly problems: ReadonlyArray<string>
}

/** The columns with statistics when no property is set. */
export const defaultIndexed: IndexedColumns = { first: 32 }

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

const units: Readonly<Record<string, number>> = {
  week: 7 * day,
  day,
  hour,
  minute,
  second,
  millisecond: 1,
  microsecond: 0.001
}
const part = /^([+-]?)\s*(\d+(?:\.\d+)?)\s+([a-z]+?)s?(?:\s+|$)/

/**
 * Parses an interval in Spark's form, such as `interval 1 week` or `2 days 12 hours`, into
 * milliseconds; undefined for anything else. Months and years are invalid, as in Delta, because
 * they have no fixed length. Only seconds may have a fraction, and the sum must not be negative.
 */
export const intervalMillis = (text: string): number | undefined => {
  let rest = text
    .trim()
    .toLowerCase()
    .replace(/^interval\s+/, "")
  let total = 0
  do {
    const found = part.exec(rest)
    if (found === null) return undefined
    const [all, sign, number, name] = found as unknown as [string, string, string, string]
    if (!Object.hasOwn(units, name) || (number.includes(".") && name !== "second")) return undefined
    total += Number(number) * units[name]! * (sign === "-" ? -1 : 1)
    rest = rest.slice(all.length)
  } while (rest !== "")
  return total >= 0 && Number.isFinite(total) ? total : undefined
}

const truth = (text: string): boolean | undefined => {
  const lower = text.trim().toLowerCase()
  return lower === "true" || lower === "false" ? lower === "true" : undefined
}

const integer = (text: string, least: number): number | undefined => {
  const trimmed = text.trim()
  const value = /^[+-]?\d+$/.test(trimmed) ? Number(trimmed) : Number.NaN
  return Number.isSafeInteger(value) && value >= least ? value : undefined
}

const name = /^\s*(?:`((?:[^`]|``)+)`|([^`.,\s]+))\s*([.,]|$)/

/**
 * Parses column names separated by commas. Dots separate the fields of STRUCTs, and backticks quote
 * a name with special characters.
 */
const columnPaths = (text: string): ReadonlyArray<ReadonlyArray<string>> | undefined => {
  const paths: Array<Array<string>> = [[]]
  let rest = text
  for (;;) {
    const found = name.exec(rest)
    if (found === null) return undefined
    paths[paths.length - 1]!.push(found[1]?.replaceAll("``", "`") ?? found[2]!)
    rest = rest.slice(found[0].length)
    if (found[3] === "") return paths
    if (found[3] === ",") paths.push([])
  }
}

const shown = (text: string): string =>
  JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text)

const read = (configuration: Readonly<Record<string, string>>): TableProperties => {
  const problems: Array<string> = []
  const value = <A, B = undefined>(
    property: string,
    what: string,
    parse: (text: string) => A | undefined,
    unread?: B
  ): A | B | undefined => {
    const text: unknown = configuration[`delta.${property}`]
    if (text === undefined || text === null) return undefined
    const parsed = parse(String(text))
    if (parsed !== undefined) return parsed
    const result =
      unread === undefined ? "it is ignored" : "nothing is deleted until it is corrected"
    problems.push(
      `The table property delta.${property} is ${shown(String(text))}, not ${what}; ${result}.`
    )
    return unread
  }
  const interval = <B = undefined>(property: string, unread?: B): number | B | undefined =>
    value(property, "an interval such as interval 7 days", intervalMillis, unread)
  const first = value("dataSkippingNumIndexedCols", "a number of at least -1", (text) =>
    integer(text, -1)
  )
  return {
    deletedFileRetention: interval("deletedFileRetentionDuration", Infinity) ?? 7 * day,
    logRetention: interval("logRetentionDuration", Infinity) ?? 30 * day,
    expiredLogCleanup: value("enableExpiredLogCleanup", "true or false", truth, false) ?? true,
    checkpointInterval: value("checkpointInterval", "a number of at least 1", (text) =>
      integer(text, 1)
    ),
    transactionRetention: interval("setTransactionRetentionDuration"),
    indexed: {
      first: first === -1 ? Infinity : (first ?? defaultIndexed.first),
      only: value("dataSkippingStatsColumns", "a list of columns", columnPaths)
    },
    problems
  }
}

const known = new WeakMap<Metadata, TableProperties>()

/** The properties in a table's metadata. */
export const propertiesOf = (metadata: Metadata | undefined): TableProperties => {
  if (metadata === undefined) return read({})
  let properties = known.get(metadata)
  if (properties === undefined) known.set(metadata, (properties = read(metadata.configuration)))
  return properties
}
