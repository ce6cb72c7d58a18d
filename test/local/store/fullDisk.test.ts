/**
 * A disk that is full while rows are committed: clients are refused, and acknowledged rows are
 * committed later.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Option } from "effect"
import { StorageFailure } from "../../../src/local/log/storageErrors.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { type Flusher, localFlusher } from "../../../src/local/flush/flusher.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const definition = table("main.default.t(id BIGINT NOT NULL)")
const format = { _tag: "Json" } as const

/** A flusher whose disk can be filled. */
const disk = () => {
  const inner = localFlusher()
  const state = { code: undefined as string | undefined, tries: 0 }
  const flusher: Flusher = {
    ...inner,
    flush: async (job) => {
      state.tries++
      if (state.code !== undefined)
        throw Object.assign(new Error("refused by the disk"), { code: state.code })
      return inner.flush(job)
    }
  }
  return { flusher, state }
}

const reasonOf = (exit: Exit.Exit<unknown, unknown>) => {
  const failure = Option.getOrThrow(Exit.findErrorOption(exit))
  assert.instanceOf(failure, StorageFailure)
  return (failure as StorageFailure).reason
}

const idsOf = (rows: ReadonlyArray<Record<string, unknown>>) =>
  rows.map((row) => Number(row["id"])).sort((a, b) => a - b)

describe("a table whose rows cannot be written", () => {
  for (const [code, reason] of [
    ["ENOSPC", "DiskFull"],
    ["EROFS", "NotWritable"],
    ["ENAMETOOLONG", "NotWritable"],
    ["EIO", "Io"]
  ] as const) {
    it.live(`(${code}) takes no more until they can, and then has each of them once`, () =>
      Effect.gen(function* () {
        const { flusher, state } = disk()
        const store = yield* makeDurableTableStore({
          ...byHand,
          folder: yield* temporaryFolder,
          flusher
        })
        yield* store.create(definition)
        const writer = yield* store.openWriter(definition.name, format)
        yield* append(writer, [json({ id: 0 })])
        state.code = code
        assert.strictEqual(reasonOf(yield* Effect.exit(store.flush())), reason)
        assert.strictEqual(reasonOf(yield* Effect.exit(append(writer, [json({ id: 1 })]))), reason)
        assert.strictEqual(
          reasonOf(yield* Effect.exit(store.openWriter(definition.name, format))),
          reason
        )
        assert.isFalse(writer.pressure())
        assert.strictEqual(reasonOf(yield* Effect.exit(store.flush())), reason)
        state.code = undefined
        yield* store.flush()
        yield* append(writer, [json({ id: 2 })])
        yield* append(yield* store.openWriter(definition.name, format), [json({ id: 3 })])
        yield* store.flush()
        assert.deepStrictEqual(idsOf(yield* store.rows(definition.name)), [0, 2, 3])
      })
    )
  }

  it.live("after a restart is opened when there is room again, without another restart", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const full = disk()
      full.state.code = "ENOSPC"
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* makeDurableTableStore({ ...byHand, folder, flusher: full.flusher })
          yield* store.create(definition)
          yield* append(yield* store.openWriter(definition.name, format), [json({ id: 0 })])
        })
      )
      const { flusher, state } = disk()
      state.code = "ENOSPC"
      const store = yield* makeDurableTableStore({ ...byHand, folder, flusher })
      assert.strictEqual(
        reasonOf(yield* Effect.exit(store.openWriter(definition.name, format))),
        "DiskFull"
      )
      state.code = undefined
      yield* append(yield* store.openWriter(definition.name, format), [json({ id: 1 })])
      yield* store.flush()
      assert.deepStrictEqual(idsOf(yield* store.rows(definition.name)), [0, 1])
    })
  )
})
