/**
 * A process with a store that is killed: `storeProcess.ts` appends records, and this side reads the
 * acknowledgements.
 */
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const script = fileURLToPath(new URL("storeProcess.ts", import.meta.url))

/**
 * Runs the process, kills it after a number of acknowledgements or at a chosen call, and returns
 * the acknowledged ids.
 */
export const killAfter = (
  folder: string,
  first: number,
  acknowledgements: number,
  aim: ReadonlyArray<string>
) =>
  new Promise<ReadonlyArray<number>>((resolve, reject) => {
    const child = spawn(process.execPath, [script, folder, String(first), "30", ...aim], {
      stdio: ["ignore", "pipe", "pipe"]
    })
    let text = ""
    let errors = ""
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()))
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString()
      if (text.length > acknowledgements * 9) child.kill("SIGKILL")
    })
    child.on("exit", (_code, signal) => {
      if (signal !== "SIGKILL") return reject(new Error(`the process ended by itself: ${errors}`))
      resolve(
        text
          .split("\n")
          .slice(0, -1)
          .flatMap((line) => (line.startsWith("ack ") ? [Number(line.slice(4))] : []))
      )
    })
  })
