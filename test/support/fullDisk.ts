/**
 * A separate process whose file size limit simulates a full disk. The parent lowers and raises the
 * limit with prlimit.
 *
 *     node fullDisk.ts FOLDER [kill]
 *
 * It prints `failed REASON` when the log cannot grow, continues after a line on stdin, and prints
 * `rows N acked M`. With `kill` it prints `acked M` once the rows are committed, and kills itself.
 */
import { Effect } from "effect"
import { writeSync } from "node:fs"
import { makeDurableTableStore } from "../../src/local/store/durableTableStore.ts"
import { append, json, table } from "./storedTables.ts"

const definition = table("main.default.full(id BIGINT NOT NULL, word STRING)")

const program = Effect.gen(function* () {
  const store = yield* makeDurableTableStore({
    folder: process.argv[2]!,
    flushIntervalMillis: 3_600_000
  })
  yield* store.create(definition)
  const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
  let acked = 0
  const message = (records = 10) =>
    Array.from({ length: records }, (_, n) => json({ id: acked + n, word: "w".repeat(1000) }))
  for (;;) {
    const outcome = yield* Effect.result(append(writer, message()))
    if (outcome._tag === "Failure") {
      writeSync(
        1,
        `failed ${"reason" in outcome.failure ? outcome.failure.reason : outcome.failure._tag}\n`
      )
      break
    }
    acked += 10
  }
  // The disk is still full, also for the log's next file: the append fails again and does not
  // damage existing data.
  const again = yield* Effect.result(append(writer, message(300)))
  writeSync(1, `again ${again._tag}\n`)
  yield* Effect.promise(() => new Promise((resolve) => process.stdin.once("data", resolve)))
  process.stdin.unref()
  yield* append(writer, message())
  acked += 10
  yield* store.flush()
  if (process.argv[3] === "kill") {
    writeSync(1, `acked ${acked}\n`)
    process.kill(process.pid, "SIGKILL")
  }
  const rows = yield* store.rows(definition.name)
  writeSync(1, `rows ${new Set(rows.map((row) => row["id"])).size} ${rows.length} acked ${acked}\n`)
})

await Effect.runPromise(Effect.scoped(program))
process.exit(0)
