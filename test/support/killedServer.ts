/** The local server in a separate process, which can be killed and restarted on the same ports. */
import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"

/** A running server. */
export interface RunningServer {
  readonly process: ChildProcess
  readonly serverEndpoint: string
  readonly workspaceUrl: string
  readonly clientId: string
  readonly clientSecret: string
}

const script = new URL("../faults/serverProcess.ts", import.meta.url).pathname

/** Starts a server. Port 0 selects a free port. */
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
