/**
 * Log entries as text lines: time, level, message, fields in parentheses, and last the explaining
 * sentence.
 */
import * as Cause from "effect/Cause"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import { visible, visibleLines } from "./print.ts"

const isFields = (part: unknown): part is Record<string, unknown> =>
  typeof part === "object" && part !== null && !Array.isArray(part)

/** A value on one line, with control characters written as `\u{1b}`. */
const shown = (value: unknown): string =>
  isFields(value)
    ? Object.entries(value).map(named).join(" ")
    : visible(
        (typeof value === "string" ? value : (JSON.stringify(value) ?? String(value))).replace(
          /\s+/g,
          " "
        )
      )

const named = ([name, value]: readonly [string, unknown]): string => `${name} ${shown(value)}`

/** One line for each message. The stack trace of a defect follows on separate lines. */
export const logLine: Logger.Logger<unknown, string> = Logger.make(
  ({ cause, date, fiber, logLevel, message }) => {
    const parts = Array.isArray(message) ? message : [message]
    const fields: Record<string, unknown> = {}
    for (const part of parts) if (isFields(part)) Object.assign(fields, part)
    Object.assign(fields, fiber.getRef(References.CurrentLogAnnotations))
    const explains = ["message", "cause"].find((name) => typeof fields[name] === "string")
    const numbers = Object.entries(fields).filter(([name]) => name !== explains)
    return [
      `${date.toISOString()} ${logLevel.toUpperCase()} `,
      parts
        .filter((part) => !isFields(part))
        .map(shown)
        .join(" "),
      numbers.length === 0 ? "" : ` (${numbers.map(named).join(", ")})`,
      explains === undefined ? "" : `: ${shown(fields[explains])}`,
      cause.reasons.length === 0 ? "" : `\n${visibleLines(Cause.pretty(cause))}`
    ].join("")
  }
)
