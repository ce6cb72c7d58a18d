/** The store follows the properties that another writer sets on a table. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import type { Add } from "../../../src/local/delta/deltaActions.ts"
import { logFolder } from "../../../src/local/delta/deltaLog.ts"
import { checkpointsIn } from "../../../src/local/delta/replay.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { type Flusher, localFlusher } from "../../../src/local/flush/flusher.ts"
import { otherWriter } from "../../support/otherWriter.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const definition = table("main.default.t(a INT, b INT, c INT)")

/** A table with these properties, and flushes of two rows each, with their warnings. */
const setup = (configuration: Record<string, string>) =>
  Effect.gen(function* () {
    const warnings: Array<string> = []
    const inner = localFlusher()
    const flusher: Flusher = {
      ...inner,
      flush: async (job) => {
        const outcome = await inner.flush(job)
        if (outcome.warning !== undefined) warnings.push(outcome.warning)
        return outcome
      }
    }
    const limits = { compactFiles: 4, lookAfterMillis: 0 }
    const store = yield* makeDurableTableStore({
      ...byHand,
      folder: yield* temporaryFolder,
      flusher,
      limits
    })
    const { location } = yield* store.create(definition)
    const other = otherWriter(location)
    const set = (properties: Record<string, string>) =>
      Effect.flatMap(other.metadata, (metadata) =>
        other.commit({ metaData: { ...metadata, configuration: properties } })
      )
    yield* set(configuration)
    const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
    const flush = Effect.gen(function* () {
      yield* append(writer, [json({ a: 1, b: 2, c: 3 }), json({ a: 4, b: 5, c: 6 })])
      yield* store.flush()
    })
    const checkpoints = Effect.promise(async () =>
      checkpointsIn(await Fs.readdir(logFolder(location)))
    )
    return { ...other, set, flush, warnings, checkpoints, rows: store.rows(definition.name) }
  })

const bounded = (add: Add): ReadonlyArray<string> => Object.keys(JSON.parse(add.stats!).minValues)

it.live("writes statistics of the selected columns, also for merged files", () =>
  Effect.gen(function* () {
    const made = yield* setup({ "delta.dataSkippingNumIndexedCols": "2" })
    yield* made.flush
    const columnsOfLast = Effect.map(made.log, ({ snapshot }) =>
      bounded([...snapshot.files.values()].at(-1)!)
    )
    assert.deepStrictEqual(yield* columnsOfLast, ["a", "b"])
    yield* made.set({
      "delta.dataSkippingNumIndexedCols": "2",
      "delta.dataSkippingStatsColumns": "C"
    })
    yield* made.flush
    assert.deepStrictEqual(yield* columnsOfLast, ["c"])
    yield* made.set({ "delta.dataSkippingNumIndexedCols": "0" })
    for (let n = 0; n < 4; n++) yield* made.flush
    const { snapshot } = yield* made.log
    assert.isAbove(snapshot.tombstones.size, 0, "files were merged")
    assert.deepStrictEqual(yield* columnsOfLast, [])
  })
)

it.live("writes checkpoints at the configured interval", () =>
  Effect.gen(function* () {
    const made = yield* setup({ "delta.checkpointInterval": "2" })
    for (let n = 0; n < 3; n++) yield* made.flush
    assert.deepStrictEqual(
      (yield* made.checkpoints).map(({ version }) => version),
      [4, 2]
    )
  })
)

it.live("merges files of a table that is append-only, since that changes no data", () =>
  Effect.gen(function* () {
    const made = yield* setup({ "delta.appendOnly": "true" })
    for (let n = 0; n < 6; n++) yield* made.flush
    const { snapshot } = yield* made.log
    assert.isAbove(snapshot.tombstones.size, 0)
    for (const { dataChange } of snapshot.tombstones.values()) assert.isFalse(dataChange)
    assert.lengthOf(yield* made.rows, 12)
  })
)

it.live("leaves expired numbers of other applications out of checkpoints", () =>
  Effect.gen(function* () {
    const made = yield* setup({
      "delta.checkpointInterval": "1",
      "delta.setTransactionRetentionDuration": "interval 0 seconds"
    })
    const now = Date.now()
    yield* made.commit(
      { txn: { appId: "expired", version: 1, lastUpdated: 1 } },
      { txn: { appId: "later", version: 2, lastUpdated: now + 3_600_000 } },
      { txn: { appId: "timeless", version: 3 } }
    )
    yield* made.flush
    yield* made.flush
    const { snapshot } = yield* made.log
    const [own, ...others] = [...snapshot.transactions.keys()].sort()
    assert.match(own!, /^effect-zerobus-/)
    assert.deepStrictEqual(others, ["later", "timeless"])
  })
)

it.live("continues with a property that cannot be parsed, and warns about it", () =>
  Effect.gen(function* () {
    const made = yield* setup({
      "delta.logRetentionDuration": "a month",
      "delta.checkpointInterval": "often"
    })
    yield* made.flush
    assert.lengthOf(yield* made.rows, 2)
    assert.lengthOf(made.warnings, 1)
    assert.include(
      made.warnings[0],
      'The table property delta.logRetentionDuration is "a month", not an interval'
    )
    assert.include(
      made.warnings[0],
      'delta.checkpointInterval is "often", not a number of at least 1'
    )
    yield* made.set({})
    yield* made.flush
    assert.lengthOf(made.warnings, 1)
  })
)
