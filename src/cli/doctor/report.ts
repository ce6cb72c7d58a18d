/**
 * What `zerobus doctor` found, as text and as JSON.
 */

import { visible } from "../terminal/print.ts"

/** What one check came to. */
export interface CheckResult {
  readonly name: string
  /** `skipped` when an earlier check leaves nothing to look at, or nothing was asked for. */
  readonly result: "ok" | "failed" | "skipped"
  readonly millis: number
  /** What was found, or why there was nothing to look at. */
  readonly detail: string
  /** What to do about it, in whole sentences; only of a check that failed. */
  readonly advice: string | undefined
  /** Whether a check that failed may succeed later. */
  readonly isRetryable: boolean
}

const marks = { ok: "ok", failed: "FAILED", skipped: "-" } as const

/**
 * The results as lines for people; checks in a row that were skipped for one reason share a line.
 */
export const reportText = (results: ReadonlyArray<CheckResult>): string => {
  const width = Math.max(...results.map(({ name }) => name.length))
  const lines: Array<string> = []
  let skipped: Array<string> = []
  for (const [index, { advice, detail, millis, name, result }] of results.entries()) {
    if (result === "skipped") {
      skipped.push(name)
      const next = results[index + 1]
      if (next?.result === "skipped" && next.detail === detail) continue
      lines.push(`${marks[result].padEnd(6)}  ${skipped.join(", ")}: ${detail}`)
      skipped = []
      continue
    }
    const time = `${Math.round(millis)} ms`
    lines.push(`${marks[result].padEnd(6)}  ${name.padEnd(width)}  ${time.padStart(8)}  ${detail}`)
    if (advice !== undefined) lines.push(`        ${advice}`)
  }
  const failed = results.filter(({ result }) => result === "failed").length
  return [
    ...lines.map(visible),
    "",
    failed === 0 ? "No check failed." : `${failed} of ${results.length} checks failed.`
  ].join("\n")
}

/** The results as one JSON object. */
export const reportJson = (results: ReadonlyArray<CheckResult>): string =>
  JSON.stringify({
    ok: results.every(({ result }) => result !== "failed"),
    checks: results.map(({ advice, detail, millis, name, result }) => ({
      name,
      result,
      millis: Math.round(millis),
      detail,
      ...(advice === undefined ? {} : { advice })
    }))
  })
