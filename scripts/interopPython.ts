/**
 * Drives the local server on disk with the official Python SDK, fetched from PyPI into .cache: 100,000 records per format and mode, one
 * run with a lost connection, one with a rotation, and two with the token of an identity provider in place of a secret. Ends with 1 when
 * a record is missing. Not part of the required suites, because it needs Python and PyPI.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Data, Effect, FileSystem, Redacted } from "effect"
import { Column, Table } from "effect-zerobus"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { testIssuer } from "../test/support/jwt.ts"

class PythonFailed extends Data.TaggedError("PythonFailed")<{ readonly message: string }> {}

const root = fileURLToPath(new URL("..", import.meta.url))
const version = "1.10.0"
const venv = `${root}.cache/python-sdk/${version}`
const total = 100_000

const run = (command: string, args: ReadonlyArray<string>): Effect.Effect<string, PythonFailed> =>
  Effect.callback((resume) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] })
    const out: Array<Buffer> = []
    const err: Array<Buffer> = []
    child.stdout.on("data", (chunk) => out.push(chunk))
    child.stderr.on("data", (chunk) => err.push(chunk))
    child.on("error", (error) => resume(Effect.fail(new PythonFailed({ message: error.message }))))
    child.on("close", (code) =>
      resume(
        code === 0
          ? Effect.succeed(Buffer.concat(out).toString())
          : Effect.fail(new PythonFailed({ message: Buffer.concat(err).toString().slice(-2000) }))
      )
    )
    return Effect.sync(() => child.kill())
  })

const prepare = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  if (yield* files.exists(`${venv}/bin/python`)) return
  yield* Console.log("Fetching the Python SDK from PyPI ...")
  yield* run("python3", ["-m", "venv", venv])
  yield* run(`${venv}/bin/pip`, ["install", "-q", `databricks-zerobus-ingest-sdk==${version}`])
})

interface Options {
  readonly fault?: Faults.Fault
  /** In place of the server's own; `secret` may be `@` and the path of a subject token. */
  readonly clientId?: string
  readonly secret?: string
}

const issuer = "https://idp.example.com"
const subject = "system:serviceaccount:apps:writer"
const idp = testIssuer("EdDSA")

const scenario = Effect.fnUntraced(function* (
  name: string,
  format: "json" | "proto",
  mode: "single" | "batch",
  { fault, ...given }: Options = {}
) {
  const local = yield* ZerobusLocal
  const table = Table.make(`main.default.${name}`, { id: Column.BigInt, item: Column.String })
  yield* local.createTable(table)
  if (fault !== undefined) yield* local.inject(table, fault)
  const answer = yield* run(`${venv}/bin/python`, [
    `${root}test/support/pythonSdk.py`,
    local.serverEndpoint,
    local.workspaceUrl,
    given.clientId ?? local.clientId,
    given.secret ?? Redacted.value(local.clientSecret),
    table.tableName,
    format,
    mode,
    String(total),
    Buffer.from(table.descriptor!).toString("base64")
  ])
  // The SDK logs to the same output, so the answer is its last line.
  const { last, subject_tokens: subjectTokens } = JSON.parse(answer.trimEnd().split("\n").at(-1)!) as {
    readonly last: number
    readonly subject_tokens: number
  }
  const audit = yield* local.audit(table)
  const ids = new Set((yield* local.records(table)).map((row) => Number(row["id"])))
  let missing = 0
  for (let n = 0; n < total; n++) if (!ids.has(n)) missing++
  yield* Console.log(
    `${name}: last offset ${last}, ${ids.size} records in the table, ${missing} missing, ${audit.duplicates} duplicates, ` +
      `${audit.connections} connections, ${subjectTokens} subject tokens`
  )
  if (given.secret !== undefined && subjectTokens < 1) {
    return yield* new PythonFailed({ message: `${name} exchanged no token` })
  }
  if (missing > 0 || audit.ackedButMissing > 0) return yield* new PythonFailed({ message: `${name} lost records` })
})

const program = Effect.gen(function* () {
  yield* prepare
  const files = yield* FileSystem.FileSystem
  const dataDir = yield* files.makeTempDirectoryScoped({ prefix: "zerobus-python-" })
  yield* Effect.gen(function* () {
    for (const format of ["json", "proto"] as const) {
      for (const mode of ["single", "batch"] as const) yield* scenario(`${format}_${mode}`, format, mode)
    }
    yield* scenario("lost_connection", "json", "single", { fault: Faults.disconnect({ afterRecords: 30_000 }) })
    yield* scenario("rotation", "json", "batch", {
      fault: Faults.closeSignal({ afterRecords: 30_000, duration: "2 seconds" })
    })
    const token = `${dataDir}/.subject-token`
    const exp = Math.floor(Date.now() / 1000) + 3600
    yield* files.writeFileString(token, idp.sign({ iss: issuer, sub: subject, exp }))
    yield* scenario("federated_account", "json", "batch", { clientId: "", secret: `@${token}` })
    yield* scenario("federated_workload", "proto", "single", { secret: `@${token}` })
  }).pipe(
    Effect.provide(
      ZerobusLocal.layerServer({
        dataDir,
        auditBytes: 512 * 1024 * 1024,
        trustedIssuers: [{ issuer, keys: idp.pem }],
        subjects: [subject]
      })
    )
  )
})

program.pipe(Effect.scoped, Effect.provide(NodeServices.layer), NodeRuntime.runMain)
