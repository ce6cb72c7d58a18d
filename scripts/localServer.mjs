// The packed command `zerobus local` as a process, and the environment of its clients. Shared by
// the scripts that run programs against the installed package.
import { spawn } from "node:child_process"
import { mkdirSync, openSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { manifest } from "./packedProject.mjs"

/**
 * Starts `zerobus local` of a project's installed package and waits for the line of JSON that names
 * its endpoints. `command` starts a JavaScript file: the runtime and its arguments.
 */
export const startServer = (project, tables, { command = [process.execPath] } = {}) =>
  new Promise((resolve, reject) => {
    const dataDir = join(project, "data")
    mkdirSync(dataDir, { recursive: true })
    // The log goes to a file: programs that run synchronously would leave a pipe unread.
    const log = join(project, "server.log")
    const errors = () => readFileSync(log, "utf8")
    const [program, ...args] = command
    const server = spawn(
      program,
      [
        ...args,
        join(project, "node_modules", manifest.name, "dist/cli/main.js"),
        "local",
        "--json",
        "--data-dir",
        dataDir,
        "--port=0",
        "--http-port=0",
        ...tables.flatMap((table) => ["--table", table])
      ],
      { cwd: project, stdio: ["ignore", "pipe", openSync(log, "w")] }
    )
    let output = ""
    const timer = setTimeout(() => {
      server.kill("SIGKILL")
      reject(new Error(`zerobus local printed nothing within 30 seconds\n${output}${errors()}`))
    }, 30_000)
    const ended = new Promise((resolve) =>
      server.on("exit", (code, signal) => resolve(signal ?? code))
    )
    server.on("error", (error) => reject(error))
    server.on("exit", (code) =>
      reject(new Error(`zerobus local ended with ${code}\n${output}${errors()}`))
    )
    server.stdout.on("data", (data) => {
      output += data
      const line = output.split("\n").find((text) => text.startsWith("{") && text.endsWith("}"))
      if (line === undefined) return
      clearTimeout(timer)
      const printed = JSON.parse(line)
      resolve({ settings: printed.environment ?? printed, stop: () => stop(server, ended) })
    })
  })

/** Ends a server by SIGTERM; gives its exit code or the signal, or says that it did not end. */
const stop = async (server, ended) => {
  server.kill("SIGTERM")
  const limit = new Promise((resolve) =>
    setTimeout(resolve, 15_000, "nothing within 15 seconds").unref()
  )
  const code = await Promise.race([ended, limit])
  if (server.exitCode === null && server.signalCode === null) server.kill("SIGKILL")
  return code
}

/** A token for one table, as a program with an identity provider of its own brings it. */
export const mintToken = async (settings, table) => {
  const [catalog, schema] = table.split(".")
  const privilege = (object_type, object_full_path, privileges) => ({
    type: "unity_catalog_privileges",
    privileges,
    object_type,
    object_full_path
  })
  const workspace = new URL(settings.ZEROBUS_SERVER_ENDPOINT).hostname.split(".")[0]
  const credentials = `${settings.DATABRICKS_CLIENT_ID}:${settings.DATABRICKS_CLIENT_SECRET}`
  const response = await fetch(new URL("/oidc/v1/token", settings.DATABRICKS_WORKSPACE_URL), {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` },
    body: new URLSearchParams({
      grant_type: "client_credentials",
      scope: "all-apis",
      resource: `api://databricks/workspaces/${workspace}/zerobusDirectWriteApi`,
      authorization_details: JSON.stringify([
        privilege("CATALOG", catalog, ["USE CATALOG"]),
        privilege("SCHEMA", `${catalog}.${schema}`, ["USE SCHEMA"]),
        { ...privilege("TABLE", table, ["SELECT", "MODIFY"]), operations: ["zerobuswrite"] }
      ])
    })
  })
  const answer = await response.json()
  if (!response.ok)
    throw new Error(`the token endpoint answered ${response.status}: ${JSON.stringify(answer)}`)
  return answer.access_token
}
