/**
 * Measures how long the local server's store takes to open after a kill, with a number of
 * acknowledged rows that are only in the log. `npm run bench:recovery -- --rows 1000000`
 *
 * A separate process fills the log, with flushes disabled, and is killed. Then the store is opened
 * here and everything in it is committed. The rows are those of `row.ts`, as protobuf.
 */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { makeDurableTableStore } from "../../src/local/store/durableTableStore.ts"
import { RecordRejected } from "../../src/local/log/storageErrors.ts"
import { encodedRow, Rows } from "./row.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: "string", default: "1000000" } }
})
const rows = Number(values.rows)
const MESSAGE = 500

/** Fills the log of a folder and waits to be killed. */
const fill = (folder: string) =>
  Effect.gen(function* () {
    const store = yield* makeDurableTableStore({
      folder,
      flushIntervalMillis: 3_600_000,
      limits: {
        maxBatchRows: rows * 2,
        maxBatchBytes: 2 ** 40,
        maxPendingRows: rows * 2,
        maxPendingBytes: 2 ** 40
      }
    })
    yield* store.create(Rows.definition)
    const writer = yield* store.openWriter(Rows.tableName, {
      _tag: "Proto",
      descriptor: Rows.descriptor!
    })
    for (let first = 0; first < rows; first += MESSAGE) {
      const message = Array.from({ length: Math.min(MESSAGE, rows - first) }, (_, n) =>
        encodedRow(first + n)
      )
      yield* Effect.callback<void>((resume) => {
        const ticket = writer.appendUnsafe(message)
        if (ticket instanceof RecordRejected) throw new Error(ticket.message)
        writer.onDurable(ticket, (failure) =>
          resume(failure === undefined ? Effect.void : Effect.die(failure))
        )
      })
    }
    console.log("filled")
    return yield* Effect.never
  }).pipe(Effect.scoped)

const measure = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "zerobus-recovery-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  yield* Effect.callback<void>((resume) => {
    const script = process.argv[1]!
    const child = spawn(
      process.execPath,
      ["--conditions=effect-zerobus-source", script, "fill", folder, "--rows", String(rows)],
      { stdio: ["ignore", "pipe", "inherit"] }
    )
    child.stdout.once("data", () => child.kill("SIGKILL"))
    child.once("exit", (_, signal) =>
      resume(
        signal === "SIGKILL" ? Effect.void : Effect.die(new Error("the log could not be filled"))
      )
    )
  })
  const before = performance.now()
  const store = yield* makeDurableTableStore({ folder })
  yield* store.flush()
  const seconds = (performance.now() - before) / 1000
  const { bytes, files, rows: found } = yield* store.stats(Rows.tableName)
  console.log(
    `${found.toLocaleString("en-US")} rows from the log into ${files} files of ` +
      `${(bytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(2)} s, ` +
      `load ${loadavg()[0]!.toFixed(1)}`
  )
  console.log(found === rows ? "1 passed, 0 failed" : "0 passed, 1 failed")
  return found === rows
}).pipe(Effect.scoped)

if (positionals[0] === "fill") await Effect.runPromise(fill(positionals[1]!))
else process.exitCode = (await Effect.runPromise(measure)) ? 0 : 1
