/**
 * Runs the official Python SDK, fetched from PyPI into .cache, against the local server on disk:
 * 100,000 records per format and mode, one run with a lost connection, one with a rotation, and two
 * with the token of an identity provider instead of a secret. Exits with 1 when a record is
 * missing. Not part of the required suites, because it needs Python and PyPI.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, FileSystem, Redacted } from "effect"
import { Column, Table } from "effect-zerobus"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import { testIssuer } from "../test/support/jwt.ts"
import { preparePython, PythonFailed, runPython } from "./pythonSdk.ts"

const total = 100_000

interface Options {
  readonly fault?: Faults.Fault
  /** Replaces the server's own client id. `secret` may be `@` and the path of a subject token. */
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
  const answer = yield* runPython("pythonSdk.py", [
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
  // The SDK logs to the same output, so the result is the last line.
  const { last, subject_tokens: subjectTokens } = JSON.parse(
    answer.trimEnd().split("\n").at(-1)!
  ) as {
    readonly last: number
    readonly subject_tokens: number
  }
  const audit = yield* local.audit(table)
  const ids = new Set((yield* local.records(table)).map((row) => Number(row["id"])))
  let missing = 0
  for (let n = 0; n < total; n++) if (!ids.has(n)) missing++
  yield* Console.log(
    `${name}: last offset ${last}, ${ids.size} records in the table, ${missing} missing, ` +
      `${audit.duplicates} duplicates, ` +
      `${audit.connections} connections, ${subjectTokens} subject tokens`
  )
  if (given.secret !== undefined && subjectTokens < 1) {
    return yield* new PythonFailed({ message: `${name} exchanged no token` })
  }
  if (missing > 0 || audit.ackedButMissing > 0)
    return yield* new PythonFailed({ message: `${name} lost records` })
})

const program = Effect.gen(function* () {
  yield* preparePython
  const files = yield* FileSystem.FileSystem
  const dataDir = yield* files.makeTempDirectoryScoped({ prefix: "zerobus-python-" })
  yield* Effect.gen(function* () {
    for (const format of ["json", "proto"] as const) {
      for (const mode of ["single", "batch"] as const)
        yield* scenario(`${format}_${mode}`, format, mode)
    }
    yield* scenario("lost_connection", "json", "single", {
      fault: Faults.disconnect({ afterRecords: 30_000 })
    })
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
