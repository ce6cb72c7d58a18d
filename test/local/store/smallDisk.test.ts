/**
 * A disk that is really full, exact to the page: at the log, at data files, commits, checkpoints
 * and merges. Acknowledged rows are in the table once when there is space again, failures are
 * typed, and no file is left behind.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Option } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { openLog } from "../../../src/local/delta/deltaLog.ts"
import { fileName } from "../../../src/local/delta/filePaths.ts"
import { StorageFailure } from "../../../src/local/log/storageErrors.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { type Flusher, localFlusher } from "../../../src/local/flush/flusher.ts"
import { hasSmallDisks, smallDisk } from "../../support/smallDisk.ts"
import { append, byHand, json, table } from "../../support/storedTables.ts"

const definition = table(
  "main.default.t(id BIGINT NOT NULL, side INT, word STRING) PARTITIONED BY (side)"
)
const format = { _tag: "Json" } as const
const rounds = 16

/** The reason of a failure, undefined for a success. */
const reasonOf = (exit: Exit.Exit<unknown, unknown>): StorageFailure["reason"] | undefined => {
  if (Exit.isSuccess(exit)) return undefined
  const failure = Option.getOrThrow(Exit.findErrorOption(exit))
  assert.instanceOf(failure, StorageFailure)
  return (failure as StorageFailure).reason
}

/** The operations that the full disk has interrupted, in all tests together. */
const struck = new Set<string>()

/** A flusher that records them. */
const noting = (): Flusher => {
  const inner = localFlusher()
  return {
    ...inner,
    flush: async (job) => {
      try {
        const outcome = await inner.flush(job)
        for (const [what] of outcome.warning?.matchAll(/compaction|checkpoint/g) ?? [])
          struck.add(what)
        return outcome
      } catch (error) {
        struck.add("flush")
        throw error
      }
    }
  }
}

/** Everything below a folder, by its path. */
const filesIn = async (folder: string): Promise<ReadonlyArray<string>> =>
  (await Fs.readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => Path.relative(folder, Path.join(entry.parentPath, entry.name)))

describe.runIf(hasSmallDisks)("a disk with so many free pages", () => {
  for (const freePages of [0, 1, 2, 3, 5, 8, 10, 12, 15]) {
    it.live(`(${freePages}) loses and doubles nothing that was acknowledged`, () =>
      Effect.gen(function* () {
        const disk = yield* smallDisk(4 * 1024 * 1024)
        const folder = Path.join(disk.folder, "data")
        const acknowledged: Array<number> = []
        const reasons = new Set<string>()
        let id = 0
        const open = makeDurableTableStore({
          ...byHand,
          folder,
          flusher: noting(),
          limits: { compactFiles: 4, lookAfterMillis: 0 }
        })
        const ids = yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* open
            const { location } = yield* store.create(definition)
            const write = Effect.gen(function* () {
              const written = yield* Effect.exit(store.openWriter(definition.name, format))
              if (Exit.isFailure(written)) return reasonOf(written)
              const next = ++id
              const exit = yield* Effect.exit(
                append(written.value, [json({ id: next, side: next % 2, word: "w".repeat(3000) })])
              )
              if (Exit.isSuccess(exit)) acknowledged.push(next)
              return reasonOf(exit)
            })
            const flush = Effect.map(Effect.exit(store.flush()), reasonOf)
            for (let round = 0; round < rounds; round++) {
              assert.isUndefined(yield* write)
              // The disk is full in every other round, so that each version is written with and
              // without space.
              if (round % 2 === 1) disk.fill(freePages)
              for (let attempt = 0; attempt < 4; attempt++) {
                for (const reason of [yield* write, yield* flush])
                  if (reason !== undefined) reasons.add(reason)
              }
              disk.clear()
              assert.isUndefined(yield* flush)
            }
            assert.isUndefined(yield* write)
            assert.isUndefined(yield* flush)
            assert.isUndefined(yield* flush)
            const { snapshot } = (yield* Effect.promise(() => openLog(location)))!
            const named = [...snapshot.files.values(), ...snapshot.tombstones.values()].map(
              ({ path }) => fileName(path)
            )
            const left = (yield* Effect.promise(() => filesIn(location))).filter(
              (file) =>
                file.includes(".tmp-") ||
                (/zerobus-.*\.parquet$/.test(file) && !named.includes(Path.basename(file)))
            )
            assert.deepStrictEqual(left, [], "nothing is left over")
            assert.isTrue(
              (yield* Effect.promise(() => filesIn(location))).some((file) =>
                file.endsWith("checkpoint.parquet")
              ),
              "checkpoints are written"
            )
            return (yield* store.rows(definition.name)).map((row) => Number(row["id"]))
          })
        )
        assert.sameMembers([...ids].sort(), [...acknowledged].sort())
        assert.deepStrictEqual(
          [...reasons].filter((reason) => reason !== "DiskFull"),
          []
        )
        if (freePages < 4) assert.deepStrictEqual([...reasons], ["DiskFull"])
        const again = yield* Effect.scoped(
          Effect.flatMap(open, (store) => store.rows(definition.name))
        )
        assert.sameMembers(
          again.map((row) => Number(row["id"])),
          acknowledged
        )
      })
    )
  }

  it("was full at commits, at checkpoints and at merges", () => {
    assert.sameMembers([...struck], ["flush", "checkpoint", "compaction"])
  })

  it.live(
    "(0) is one on which a server starts, refuses what it cannot write, and goes on when there " +
      "is room",
    () =>
      Effect.gen(function* () {
        const disk = yield* smallDisk(2 * 1024 * 1024)
        const folder = Path.join(disk.folder, "data")
        const open = makeDurableTableStore({ ...byHand, folder, worker: false })
        yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* open
            yield* store.create(definition)
            const writer = yield* store.openWriter(definition.name, format)
            yield* append(writer, [json({ id: 1 })])
            // The last flush fails when the store is closed.
            disk.fill(0)
          })
        )
        disk.fill(1)
        const store = yield* open
        assert.strictEqual(
          reasonOf(yield* Effect.exit(store.openWriter(definition.name, format))),
          "DiskFull"
        )
        disk.clear()
        yield* append(yield* store.openWriter(definition.name, format), [json({ id: 2 })])
        yield* store.flush()
        assert.sameMembers(
          (yield* store.rows(definition.name)).map((row) => Number(row["id"])),
          [1, 2]
        )
      })
  )
})
