/** The local server in a process of its own, to be killed and started again on the same ports. */
import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"

/** A server that serves. */
export interface RunningServer {
  readonly process: ChildProcess
  readonly serverEndpoint: string
  readonly workspaceUrl: string
  readonly clientId: string
  readonly clientSecret: string
}

const script = new URL("../faults/serverProcess.ts", import.meta.url).pathname

/** Starts a server; port 0 takes a free one. */
export const startServer = (
  folder: string,
  port: string,
  httpPort: string
): Promise<RunningServer> =>
  new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ["--conditions=effect-zerobus-source", script, folder, port, httpPort],
      {
        stdio: ["ignore", "pipe", "inherit"]
      }
    )
    child.once("exit", (code) =>
      reject(new Error(`the server ended with ${code} before it served`))
    )
    createInterface({ input: child.stdout! }).on("line", (line) => {
      if (line.startsWith("{")) resolve({ process: child, ...JSON.parse(line) })
    })
  })

/** Ends a server with SIGKILL. */
export const killServer = ({ process }: RunningServer): Promise<void> =>
  new Promise((resolve) => {
    process.removeAllListeners("exit")
    process.once("exit", () => resolve())
    process.kill("SIGKILL")
  })
