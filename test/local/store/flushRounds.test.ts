/** Flushes while records keep coming. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { type Flusher, localFlusher } from "../../../src/local/flush/flusher.ts"
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
      // With one row a batch there is always a batch that waits.
      const store = yield* makeDurableTableStore({ ...byHand, folder, flusher, limits: { maxBatchRows: 1 } })
      const definition = table("main.default.t(id BIGINT)")
      yield* store.create(definition)
      const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
      more = () => void writer.appendUnsafe([json({ id: flushes })])
      yield* append(writer, [json({ id: 0 })])
      yield* store.flush()
      assert.isBelow(flushes, enough)
      // What came meanwhile is not left behind.
      yield* store.flush()
      yield* store.flush()
      more = () => {}
      yield* store.flush()
      assert.lengthOf(yield* store.rows(definition.name), flushes)
    })
  )
})
