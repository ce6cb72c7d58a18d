/**
 * Spark with Delta Lake in a separate process that executes SQL. `npm run test:spark` provides
 * Python and the jars in `SPARK_PYTHON` and `SPARK_JARS`. The files of a suite share one session,
 * because a start takes many seconds, and the first statements take longer than later ones.
 */
import { startPython } from "./pythonProcess.ts"

/** Whether the tests can run: false when Java, Python or the jars are missing. */
export const hasSpark = (process.env["SPARK_PYTHON"] ?? "") !== ""

/** Whether the long form was requested. */
export const longForm = process.env["SPARK_FULL"] === "1"

/** A row as `sparkDriver.py` prints it. */
export type SparkRow = Readonly<Record<string, unknown>>

type Answer = { readonly rows: ReadonlyArray<SparkRow> } | { readonly error: string }

/** A running session. Statements run one after another. */
export interface SparkSession {
  readonly version: string
  /** Returns the rows of a statement. Rejects with Spark's error. */
  readonly sql: (text: string) => Promise<ReadonlyArray<SparkRow>>
  readonly stop: () => Promise<void>
}

/**
 * Starts a session of Spark with Delta Lake. With another Python, starts that installation's Spark
 * without Delta Lake.
 */
export const startSpark = async (python = process.env["SPARK_PYTHON"]!): Promise<SparkSession> => {
  const jars = python === process.env["SPARK_PYTHON"] ? process.env["SPARK_JARS"]! : ""
  const driver = await startPython<{ readonly version: string }, Answer>(python, "sparkDriver.py", [
    jars
  ])
  return {
    version: driver.greeting.version,
    sql: async (text) => {
      const answer = await driver.ask({ sql: text })
      if ("rows" in answer) return answer.rows
      throw new Error(`${answer.error}\nin ${text}`)
    },
    stop: driver.stop
  }
}

let running: Promise<SparkSession> | undefined

/**
 * The session shared by all files of this process. It ends with the process, which closes its
 * standard input.
 */
export const sharedSpark = (): Promise<SparkSession> => (running ??= startSpark())
