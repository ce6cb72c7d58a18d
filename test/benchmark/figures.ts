/** Medians, percentiles and the formatting of figures. */

/** The median with the smallest and the largest value of the rounds. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** The value below which this share of the values lies; `NaN` if there are none. */
export const percentile = (values: ReadonlyArray<number>, share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export const spreadOf = (values: ReadonlyArray<number>): Spread => ({
  median: percentile(values, 0.5),
  min: Math.min(...values),
  max: Math.max(...values)
})

/** Two to three significant digits, without an exponent. */
export const digits = (value: number): string => {
  if (!Number.isFinite(value)) return "-"
  const size = Math.abs(value)
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 || size === 0 ? 2 : 4)
}

export const spreadText = ({ max, median, min }: Spread, scale = 1): string =>
  `${digits(median * scale)} (${digits(min * scale)} to ${digits(max * scale)})`

/** A Markdown table with aligned columns. */
export const table = (
  head: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): string => {
  const widths = head.map((title, n) =>
    Math.max(title.length, ...rows.map((row) => row[n]?.length ?? 0))
  )
  const line = (cells: ReadonlyArray<string>) =>
    `| ${widths.map((width, n) => (cells[n] ?? "").padEnd(width)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n")
}
