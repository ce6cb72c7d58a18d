/**
 * The results of `zerobus doctor`, as text and as JSON.
 */

import { visible } from "../terminal/print.ts"

/** The result of one check. */
export interface CheckResult {
  readonly name: string
  /** `skipped` when an earlier check failed, or the check was not requested. */
  readonly result: "ok" | "failed" | "skipped"
  readonly millis: number
  /** The finding, or why the check was skipped. */
  readonly detail: string
  /** What to do, in full sentences. Only for a failed check. */
  readonly advice: string | undefined
  /** Whether a failed check may succeed later. */
  readonly isRetryable: boolean
}

const marks = { ok: "ok", failed: "FAILED", skipped: "-" } as const

/**
 * The results as text lines. Consecutive checks that were skipped for the same reason share a line.
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
