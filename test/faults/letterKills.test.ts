/**
 * A process killed while it writes a dead letter: a written letter is complete, and a letter that
 * was not written is written by the next run.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { Spool } from "effect-zerobus"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { numberIn, startRefusingServer } from "./refusingServer.ts"

const script = new URL("./letterProcess.ts", import.meta.url).pathname

/** Runs the program and returns how it ended. */
const run = (args: ReadonlyArray<string>) =>
  Effect.callback<string>((resume) => {
    const child = spawn(process.execPath, ["--conditions=effect-zerobus-source", script, ...args], {
      stdio: ["ignore", "ignore", "inherit"]
    })
    child.on("exit", (code, signal) => resume(Effect.succeed(signal ?? String(code))))
  })

/** The numbers of the records in the file; a torn line does not parse. */
const lettersIn = (file: string): ReadonlyArray<number> =>
  existsSync(file)
    ? readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => numberIn(Buffer.from(JSON.parse(line).payloadBase64, "base64")))
    : []

for (const [when, first, second] of [
  ["after", [4], [4, 4, 7]],
  ["before", [], [4, 7]]
] as const) {
  it.live(
    `a process killed ${when} a letter is written has ${first.length} letters, and its next run ` +
      `loses nothing`,
    () =>
      Effect.gen(function* () {
        const server = yield* Effect.acquireRelease(
          Effect.promise(startRefusingServer),
          ({ close }) => Effect.sync(close)
        )
        const folder = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "letter-kills-"))),
          (path) => Effect.sync(() => rmSync(path, { recursive: true }))
        )
        const name = "main.refusals.letters"
        const table = server.table(name, {
          ackAfter: 0,
          refuses: "in order",
          unacknowledged: "durable"
        })
        const file = join(folder, "letters.ndjson")
        assert.strictEqual(yield* run([String(server.port), name, file, when]), "SIGKILL")
        assert.deepStrictEqual(lettersIn(file), first)
        // The records before this one are durable, and none after it.
        assert.strictEqual(table.durable, 4)
        assert.strictEqual(yield* run([String(server.port), name, file, "never"]), "0")
        assert.deepStrictEqual(lettersIn(file), second)
        assert.deepStrictEqual([table.durable, table.skipped, table.violations], [8, [4, 7], []])
      }).pipe(Effect.scoped),
    60_000
  )
}

it.live(
  "with a spool the record of a letter that was written before the kill is sent again, and its " +
    "letter written again",
  () =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(
        Effect.promise(startRefusingServer),
        ({ close }) => Effect.sync(close)
      )
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "letter-kills-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const name = "main.refusals.spooled"
      const table = server.table(name, {
        ackAfter: 0,
        refuses: "in order",
        unacknowledged: "durable"
      })
      const [file, spool] = [join(folder, "letters.ndjson"), join(folder, "spool")]
      const args = [String(server.port), name, file]
      assert.strictEqual(yield* run([...args, "after", spool, "10"]), "SIGKILL")
      // The kill is between the letter and the log, which does not yet mark the record as settled.
      assert.deepStrictEqual(lettersIn(file), [4])
      const { firstOffset, nextOffset } = yield* Spool.inspect(spool)
      assert.isAtMost(firstOffset, 4)
      // The next run ingests the records that are not in the spool.
      assert.strictEqual(yield* run([...args, "never", spool, "0"]), "0")
      const kept = Array.from({ length: nextOffset }, (_, number) => number)
      const refused = kept.filter((number) => number === 4 || number === 7)
      assert.deepStrictEqual(lettersIn(file), [4, ...refused])
      assert.deepStrictEqual(table.skipped, refused)
      assert.deepStrictEqual(table.violations, [])
      assert.strictEqual((yield* Spool.inspect(spool)).waitingRecords, 0)
    }).pipe(Effect.scoped),
  60_000
)
