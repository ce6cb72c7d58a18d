/**
 * The stored ratios and the check against them. Ratios move less between machines than rates do; what is left is allowed for by a
 * tolerance.
 */
import { readFileSync, writeFileSync } from "node:fs"
import type { ThroughputResult } from "./throughput.ts"

const file = new URL("./baseline.json", import.meta.url)

/** A ratio may fall by this share of the stored one before it counts as a regression. */
export const TOLERANCE = 0.2

interface Ratios {
  readonly native?: number
  readonly raw?: number
}

interface Baseline {
  readonly date: string
  readonly machine: string
  readonly ratios: Readonly<Record<string, Ratios>>
}

const ratiosOf = ({ ratios }: ThroughputResult): Ratios => ({
  ...(ratios.native === undefined ? {} : { native: Number(ratios.native.median.toFixed(3)) }),
  ...(ratios.raw === undefined ? {} : { raw: Number(ratios.raw.median.toFixed(3)) })
})

const readBaseline = (): Baseline | undefined => {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Baseline
  } catch {
    return undefined
  }
}

/** Stores the medians of this run; cases that did not run keep what they had. */
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

/** Compares with the stored ratios: a line per ratio, and how many fell too far. */
export const compareWithBaseline = (
  throughput: ReadonlyArray<ThroughputResult>
): { readonly lines: ReadonlyArray<string>; readonly regressions: number } => {
  const baseline = readBaseline()
  if (baseline === undefined) return { lines: ["There is no baseline yet: npm run bench -- --save"], regressions: 1 }
  const lines: Array<string> = [`Against the baseline of ${baseline.date} (${baseline.machine}):`]
  let regressions = 0
  for (const result of throughput) {
    const now = ratiosOf(result)
    const stored = baseline.ratios[result.id]
    for (const kind of ["native", "raw"] as const) {
      const [before, after] = [stored?.[kind], now[kind]]
      if (before === undefined || after === undefined) continue
      const fell = after < before * (1 - TOLERANCE)
      if (fell) regressions++
      lines.push(
        `${fell ? "REGRESSION" : "ok        "} ${result.id}, rate / ${kind}: ${after.toFixed(2)}, was ${before.toFixed(2)}`
      )
    }
  }
  return { lines, regressions }
}
