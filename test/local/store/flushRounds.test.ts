/** Flushes while records keep arriving. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { type Flusher, localFlusher } from "../../../src/local/flush/flusher.ts"
import { otherWriter } from "../../support/otherWriter.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

describe("a flush", () => {
  it.live("ends with what was there when it was requested, however much comes meanwhile", () =>
    Effect.gen(function* () {
      const enough = 30
      let flushes = 0
      let more = (): void => {}
      const inner = localFlusher()
      const flusher: Flusher = {
        ...inner,
        flush: async (job) => {
          if (++flushes < enough) more()
          return inner.flush(job)
        }
      }
      const folder = yield* temporaryFolder
      // With one row per batch, a batch is always waiting.
      const store = yield* makeDurableTableStore({
        ...byHand,
        folder,
        flusher,
        limits: { maxBatchRows: 1 }
      })
      const definition = table("main.default.t(id BIGINT)")
      yield* store.create(definition)
      const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
      more = () => void writer.appendUnsafe([json({ id: flushes })])
      yield* append(writer, [json({ id: 0 })])
      yield* store.flush()
      assert.isBelow(flushes, enough)
      // Rows that arrived in the meantime are committed too.
      yield* store.flush()
      yield* store.flush()
      more = () => {}
      yield* store.flush()
      assert.lengthOf(yield* store.rows(definition.name), flushes)
    })
  )

  it.live("that is requested after a change was undone does not fail for the change", () =>
    Effect.gen(function* () {
      const refused = yield* Deferred.make<void>()
      const told = yield* Deferred.make<void>()
      const inner = localFlusher()
      let first = true
      const flusher: Flusher = {
        ...inner,
        // The first refusal is delayed.
        flush: (job) =>
          inner.flush(job).catch(async (error: unknown) => {
            if (first) {
              first = false
              Deferred.doneUnsafe(refused, Exit.void)
              await Effect.runPromise(Deferred.await(told))
            }
            throw error
          })
      }
      const folder = yield* temporaryFolder
      const store = yield* makeDurableTableStore({ ...byHand, folder, flusher })
      const definition = table("main.default.t(id BIGINT)")
      const { location } = yield* store.create(definition)
      const { commit, metadata } = otherWriter(location)
      const before = yield* metadata
      const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
      yield* append(writer, [json({ id: 1 })])
      yield* commit(
        { protocol: { minReaderVersion: 1, minWriterVersion: 3 } },
        { metaData: { ...before, configuration: { "delta.constraints.positive": "id > 0" } } }
      )
      const during = yield* Effect.forkChild(store.flush(definition.name), {
        startImmediately: true
      })
      yield* Deferred.await(refused)
      yield* commit({ metaData: before })
      const after = yield* Effect.forkChild(store.flush(definition.name), {
        startImmediately: true
      })
      Deferred.doneUnsafe(told, Exit.void)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(during)))
      yield* Fiber.join(after)
      assert.lengthOf(yield* store.rows(definition.name), 1)
    })
  )
})
