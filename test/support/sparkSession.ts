/**
 * Spark with Delta Lake in a process of its own, which answers SQL. `npm run test:spark` provides Python and the jars
 * in `SPARK_PYTHON` and `SPARK_JARS`; a suite starts one session, because a start takes many seconds.
 */
import { spawn } from "node:child_process"
import * as Readline from "node:readline"
import { fileURLToPath } from "node:url"

/** Whether the tests can run: false where Java, Python or the jars are missing. */
export const hasSpark = (process.env["SPARK_PYTHON"] ?? "") !== ""

/** Whether the long form was requested. */
export const longForm = process.env["SPARK_FULL"] === "1"

/** A row as `sparkDriver.py` prints it. */
export type SparkRow = Readonly<Record<string, unknown>>

type Answer = { readonly rows: ReadonlyArray<SparkRow> } | { readonly error: string } | { readonly version: string }

/** A running session. Statements run one after another. */
export interface SparkSession {
  readonly version: string
  /** The rows of a statement; rejects with what Spark says. */
  readonly sql: (text: string) => Promise<ReadonlyArray<SparkRow>>
  readonly stop: () => Promise<void>
}

/** Starts a session. */
export const startSpark = async (): Promise<SparkSession> => {
  const script = fileURLToPath(new URL("sparkDriver.py", import.meta.url))
  const child = spawn(process.env["SPARK_PYTHON"]!, [script], { stdio: ["pipe", "pipe", "pipe"] })
  let errors = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors = (errors + text).slice(-4000)))
  const ended = new Promise<never>((_, reject) =>
    child.once("exit", (code) => reject(new Error(`Spark ended with code ${code}: ${errors}`)))
  )
  ended.catch(() => {})
  const lines = Readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<Answer> => {
    const line = await Promise.race([lines.next(), ended])
    return line.done === true ? ended : (JSON.parse(line.value) as Answer)
  }
  const first = await next()
  let last: Promise<unknown> = Promise.resolve()
  return {
    version: "version" in first ? first.version : "",
    sql: (text) => {
      const rows = last.then(async () => {
        child.stdin.write(`${JSON.stringify({ sql: text })}\n`)
        const answer = await next()
        if ("rows" in answer) return answer.rows
        throw new Error(`${"error" in answer ? answer.error : ""}\nin ${text}`)
      })
      last = rows.catch(() => {})
      return rows
    },
    stop: async () => {
      // The JVM ends with the process that started it, also in the middle of a statement.
      child.kill("SIGKILL")
      await ended.catch(() => {})
    }
  }
}
