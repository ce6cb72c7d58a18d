/**
 * A separate process that opens a store and appends numbered records until it is killed. It prints
 * the acknowledged ids.
 *
 *     node storeProcess.ts FOLDER FIRST_ID FLUSH_MILLIS [CALL before|after N]
 *
 * It prints a line `ack N` for each acknowledged record id.
 *
 * With a file system call (`link`, `rename`, `rm`) the process kills itself right before or after
 * the N-th such call.
 */
import { Effect, Option } from "effect"
import FsNow from "node:fs"
import Fs from "node:fs/promises"
import { syncBuiltinESMExports } from "node:module"
import { makeDurableTableStore } from "../../src/local/store/durableTableStore.ts"
import { RecordRejected } from "../../src/local/log/storageErrors.ts"
import { json, table } from "./storedTables.ts"
import { print } from "./printed.ts"

const [folder = "", first = "0", flushMillis = "40", call, when, nth] = process.argv.slice(2)
const aimed = call === "link" || call === "rename" || call === "rm"

if (aimed) {
  const calls = Fs as unknown as Record<
    string,
    (...args: ReadonlyArray<unknown>) => Promise<unknown>
  >
  const original = calls[call]!
  let left = Number(nth)
  calls[call] = async (...args) => {
    const now = --left === 0
    if (now && when === "before") process.kill(process.pid, "SIGKILL")
    const result = await original(...args)
    if (now) process.kill(process.pid, "SIGKILL")
    return result
  }
  const now = FsNow as unknown as Record<string, (...args: ReadonlyArray<unknown>) => unknown>
  const originalNow = now[`${call}Sync`]!
  now[`${call}Sync`] = (...args) => {
    const isAimed = --left === 0
    if (isAimed && when === "before") process.kill(process.pid, "SIGKILL")
    const result = originalNow(...args)
    if (isAimed) process.kill(process.pid, "SIGKILL")
    return result
  }
  syncBuiltinESMExports()
}
const definition = table("main.default.killed(id BIGINT NOT NULL, word STRING, tags ARRAY<STRING>)")

const program = Effect.gen(function* () {
  const store = yield* makeDurableTableStore({
    folder,
    flushIntervalMillis: Number(flushMillis),
    worker: !aimed,
    limits: { maxBatchRows: 500, compactFiles: 8, lookAfterMillis: 0 }
  })
  if (Option.isNone(yield* store.get(definition.name))) yield* store.create(definition)
  const writers = yield* Effect.forEach([1, 2, 3, 4], () =>
    store.openWriter(definition.name, { _tag: "Json" })
  )
  print("open\n")
  let id = Number(first)
  return yield* Effect.callback<never>(() => {
    const produce = (index: number): void => {
      const writer = writers[index]!
      const ids = Array.from({ length: 1 + index * 5 }, () => id++)
      const ticket = writer.appendUnsafe(
        ids.map((each) => json({ id: each, word: `w${each}`, tags: ["a", "b"] }))
      )
      if (ticket instanceof RecordRejected) throw new Error(ticket.message)
      writer.onDurable(ticket, (failure) => {
        if (failure !== undefined) throw failure
        print(ids.map((each) => `ack ${each}\n`).join(""))
        if (writer.pressure()) writer.onRoom(() => produce(index))
        else setImmediate(() => produce(index))
      })
    }
    for (const index of writers.keys()) produce(index)
  })
})

await Effect.runPromise(Effect.scoped(program))
