/**
 * A Python program in a separate process: one JSON object per input line, one per output line, in
 * order.
 */
import { spawn } from "node:child_process"
import * as Path from "node:path"
import * as Readline from "node:readline"
import { fileURLToPath } from "node:url"

/** A running program. */
export interface PythonProcess<Greeting, Answer> {
  /** The line that it printed when it was ready. */
  readonly greeting: Greeting
  /**
   * Returns the answer to a request. Requests run one after another. Rejects when the program has
   * ended.
   */
  readonly ask: (request: object) => Promise<Answer>
  readonly stop: () => Promise<void>
}

/**
 * The Python with delta-rs and the other readers: that of `npm run test:delta`, or the one that it
 * created.
 */
export const deltaPython =
  process.env["DELTA_PYTHON"] ??
  Path.resolve(process.env["ZEROBUS_TEST_CACHE"] || ".cache", "delta/bin/python")

/** Starts a program of this folder and waits for its first line. */
export const startPython = async <Greeting, Answer>(
  python: string,
  script: string,
  args: ReadonlyArray<string> = []
): Promise<PythonProcess<Greeting, Answer>> => {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const child = spawn(python, [path, ...args], { stdio: ["pipe", "pipe", "pipe"] })
  let errors = ""
  child.stderr
    .setEncoding("utf8")
    .on("data", (text: string) => (errors = (errors + text).slice(-4000)))
  const ended = new Promise<never>((_, reject) => {
    child.once("error", (error) =>
      reject(new Error(`${python} cannot run, which npm run test:delta provides`, { cause: error }))
    )
    child.once("exit", (code) => reject(new Error(`${script} ended with code ${code}: ${errors}`)))
  })
  ended.catch(() => {})
  const lines = Readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<unknown> => {
    const line = await Promise.race([lines.next(), ended])
    return line.done === true ? ended : JSON.parse(line.value)
  }
  const greeting = (await next()) as Greeting
  let last: Promise<unknown> = Promise.resolve()
  return {
    greeting,
    ask: (request) => {
      const answer = last.then(() => {
        child.stdin.write(`${JSON.stringify(request)}\n`)
        return next() as Promise<Answer>
      })
      last = answer.catch(() => {})
      return answer
    },
    stop: async () => {
      // Also ends child processes of the program, even during a request.
      child.kill("SIGKILL")
      await ended.catch(() => {})
    }
  }
}
