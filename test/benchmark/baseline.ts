/**
 * The stored ratios and the comparison with them. Ratios vary less between machines than rates; a
 * tolerance allows for the rest.
 */
import { readFileSync, writeFileSync } from "node:fs"
import type { ThroughputResult } from "./throughput.ts"

const file = new URL("./baseline.json", import.meta.url)

/** A ratio counts as a regression when it is worse than the stored one by more than this share. */
export const TOLERANCE = 0.2

interface Ratios {
  readonly native?: number
  readonly raw?: number
  /** Processor time per record; less is better. */
  readonly cpu?: number
  readonly rawCpu?: number
}

const kinds = [
  { key: "native", text: "rate / native", better: "more" },
  { key: "raw", text: "rate / grpc-js", better: "more" },
  { key: "cpu", text: "CPU / native", better: "less" },
  { key: "rawCpu", text: "CPU / grpc-js", better: "less" }
] as const

interface Baseline {
  readonly date: string
  readonly machine: string
  readonly ratios: Readonly<Record<string, Ratios>>
}

const ratiosOf = ({ ratios }: ThroughputResult): Ratios =>
  Object.fromEntries(
    kinds.flatMap(({ key }) => {
      const spread = ratios[key]
      return spread === undefined ? [] : [[key, Number(spread.median.toFixed(3))]]
    })
  )

const readBaseline = (): Baseline | undefined => {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Baseline
  } catch {
    return undefined
  }
}

/** Stores the medians of this run. Cases that did not run keep their values. */
export const saveBaseline = (run: {
  readonly date: string
  readonly machine: string
  readonly throughput: ReadonlyArray<ThroughputResult>
}): void => {
  const ratios = Object.fromEntries(run.throughput.map((result) => [result.id, ratiosOf(result)]))
  const baseline: Baseline = {
    date: run.date,
    machine: run.machine,
    ratios: { ...readBaseline()?.ratios, ...ratios }
  }
  writeFileSync(file, `${JSON.stringify(baseline, undefined, 2)}\n`)
}

/** Compares with the stored ratios. Returns a line per ratio, and the number of regressions. */
export const compareWithBaseline = (
  throughput: ReadonlyArray<ThroughputResult>
): { readonly lines: ReadonlyArray<string>; readonly regressions: number } => {
  const baseline = readBaseline()
  if (baseline === undefined)
    return { lines: ["There is no baseline yet: npm run bench -- --save"], regressions: 1 }
  const lines: Array<string> = [`Against the baseline of ${baseline.date} (${baseline.machine}):`]
  let regressions = 0
  for (const result of throughput) {
    const now = ratiosOf(result)
    const stored = baseline.ratios[result.id]
    for (const { better, key, text } of kinds) {
      const [before, after] = [stored?.[key], now[key]]
      if (before === undefined || after === undefined) continue
      const worse =
        better === "more" ? after < before * (1 - TOLERANCE) : after > before / (1 - TOLERANCE)
      if (worse) regressions++
      lines.push(
        `${worse ? "REGRESSION" : "ok        "} ${result.id}, ${text}: ${after.toFixed(2)}, was ` +
          `${before.toFixed(2)}`
      )
    }
  }
  return { lines, regressions }
}
