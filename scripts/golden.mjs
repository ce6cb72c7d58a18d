// Runs the golden programs as a user would: with the packed package in an empty project,
// type-checked under the strictest settings, unchanged, against `zerobus local`. Each program must
// print its expected output.
import { spawn } from "node:child_process"
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { checklist, emptyProject, manifest, pack, root, run } from "./packedProject.mjs"

const golden = join(root, "test", "golden")
const { check, end } = checklist()

const tables = [
  "main.default.air_quality(device_name STRING, temp INT, humidity BIGINT)",
  "main.default.air_quality_b(device_name STRING, temp INT, humidity BIGINT)",
  "main.default.air_quality_c(device_name STRING, temp INT, humidity BIGINT)",
  "main.default.readings(device_name STRING, temp INT, humidity BIGINT, measured_at TIMESTAMP, " +
    "tags ARRAY<STRING>, place STRUCT<lat: DOUBLE, lon: DOUBLE>, note STRING)",
  "main.default.blobs(payload BINARY)"
]

/** The programs, and the full output of each. */
const programs = [
  ["01-first-record.ts", /^durable at offset 0\n$/],
  ["02-typed-table.ts", /^10000 records durable, last offset 9999\n$/],
  [
    "03-errors.ts",
    /^InvalidTable, retryable false: check the table name: .*main\.default\.does_not_exist.*\n$/
  ],
  ["04-recreate.ts", /^all 1000 records durable\n$/],
  ["05-headers.ts", /^flushed\n$/],
  ["06-proto-bytes.ts", /^batch at offset 10000, \d+ refused\n$/],
  // The log of the first refusals comes before this line.
  ["08-dead-letters.ts", /(?:^|\n)990 durable, 10 refused\n$/],
  ["09-spool.ts", /^all durable, the spool is empty\n$/],
  ["10-lanes.ts", /^100000 records durable over 4 lanes\n$/],
  ["11-pool.ts", /^3000 records durable in 3 tables over 2 streams\n$/],
  ["12-persistent.ts", /^resumed at 500, 1000 records once\n$/],
  ["13-arrow.ts", /^10000 rows durable by Arrow Flight\n$/]
]

const readable = readdirSync(golden).filter((file) => file.endsWith(".ts"))
const listed = [...programs.map(([file]) => file), "07-local.test.ts"]
const unlisted = readable.filter((file) => !listed.includes(file))
check("every golden program is run", unlisted.length === 0 ? undefined : unlisted.join("\n"))

// The programs are also agreed on outside this repository. Where that copy exists, the two must be
// equal.
const agreed = join(root, "..", "shared", "golden")
if (existsSync(agreed)) {
  const differing = readdirSync(agreed).filter(
    (file) =>
      !existsSync(join(golden, file)) ||
      !readFileSync(join(agreed, file)).equals(readFileSync(join(golden, file)))
  )
  check(
    "the golden programs are the agreed ones",
    differing.length === 0 ? undefined : differing.join("\n")
  )
}

const { tarball } = pack()
const project = emptyProject(tarball, [
  "effect",
  "@effect/platform-node",
  "apache-arrow",
  "@effect/vitest",
  "vitest",
  "typescript",
  "@types/node"
])
const modules = join(project, "node_modules")
for (const file of readable) copyFileSync(join(golden, file), join(project, file))
writeFileSync(
  join(project, "tsconfig.json"),
  JSON.stringify({
    compilerOptions: {
      target: "ES2023",
      module: "NodeNext",
      moduleResolution: "NodeNext",
      types: ["node"],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noEmit: true,
      skipLibCheck: false
    },
    include: ["*.ts"]
  })
)
const typed = run(join(modules, ".bin", "tsc"), ["-p", "."], { cwd: project, mayFail: true })
check(
  "type-check, declarations of the package included",
  typed.failure ? typed.stdout + typed.stderr : undefined
)

/** Starts `zerobus local` and waits for the JSON line with its endpoints. */
const startServer = () =>
  new Promise((resolve, reject) => {
    mkdirSync(join(project, "data"))
    const server = spawn(
      process.execPath,
      [
        join(modules, manifest.name, "dist/cli/main.js"),
        "local",
        "--json",
        "--data-dir",
        join(project, "data"),
        "--port=0",
        "--http-port=0",
        ...tables.flatMap((table) => ["--table", table])
      ],
      { cwd: project, stdio: ["ignore", "pipe", "pipe"] }
    )
    let output = ""
    let errors = ""
    const timer = setTimeout(
      () =>
        reject(new Error(`zerobus local printed nothing within 30 seconds\n${output}${errors}`)),
      30_000
    )
    server.stderr.on("data", (data) => (errors += data))
    server.on("exit", (code) =>
      reject(new Error(`zerobus local ended with ${code}\n${output}${errors}`))
    )
    server.stdout.on("data", (data) => {
      output += data
      const line = output.split("\n").find((text) => text.startsWith("{") && text.endsWith("}"))
      if (line === undefined) return
      clearTimeout(timer)
      const said = JSON.parse(line)
      resolve({ server, settings: said.environment ?? said })
    })
  })

/**
 * A token for the air quality table, as a user with a separate identity provider would supply it.
 */
const mintToken = async (settings) => {
  const table = "main.default.air_quality"
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

try {
  const { server, settings } = await startServer()
  server.removeAllListeners("exit")
  const ended = new Promise((resolve) =>
    server.on("exit", (code, signal) => resolve(signal ?? code))
  )
  const environment = { ...process.env, ...settings, MY_TOKEN: await mintToken(settings) }
  for (const [file, expected] of programs) {
    const { failure, status, stderr, stdout } = run(process.execPath, [file], {
      cwd: project,
      env: environment,
      mayFail: true,
      timeout: 60_000
    })
    const asExpected = !failure && expected.test(stdout) && stderr === ""
    check(
      `${file} prints ${expected.source}`,
      asExpected ? undefined : `exit ${status}\n${stdout}${stderr}`
    )
  }
  server.kill("SIGTERM")
  const code = await Promise.race([
    ended,
    new Promise((resolve) => setTimeout(resolve, 15_000, "nothing within 15 seconds"))
  ])
  check(
    "zerobus local stops on SIGTERM",
    [0, 130, 143].includes(code) ? undefined : `ended with ${code}`
  )
  if (server.exitCode === null && server.signalCode === null) server.kill("SIGKILL")
} catch (error) {
  check("zerobus local serves the programs", error.message)
}

const suite = run(join(modules, ".bin", "vitest"), ["run", "07-local.test.ts"], {
  cwd: project,
  env: { ...process.env, NO_COLOR: "1" },
  mayFail: true
})
check(
  "07-local.test.ts: 1 test passes",
  !suite.failure && /Tests\s+1 passed/.test(suite.stdout) ? undefined : suite.stdout + suite.stderr
)

rmSync(project, { recursive: true, force: true })
end()
