/**
 * The id of a table names its log. A table that another program put into the data folder may have
 * the id of another table, like a copied folder, or an id that is not a valid folder name.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Option, Scope } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { otherWriter } from "../../support/otherWriter.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const definition = table("main.default.t(id BIGINT)")
const format = { _tag: "Json" } as const
const onDisk = <A>(work: () => Promise<A>) => Effect.promise(work)

const start = (folder: string) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const store = yield* makeDurableTableStore({ ...byHand, worker: false, folder }).pipe(
      Effect.provideService(Scope.Scope, scope)
    )
    return { store, stop: Scope.close(scope, Exit.void) }
  })

const ids = (rows: ReadonlyArray<Record<string, unknown>>) =>
  rows.map((row) => Number(row["id"])).sort((a, b) => a - b)

describe("a copy of a table's folder is refused, and the table goes on", () => {
  it.live("when it is registered", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { stop, store } = yield* start(folder)
      const { location } = yield* store.create(definition)
      const writer = yield* store.openWriter(definition.name, format)
      yield* append(writer, [json({ id: 1 })])
      yield* store.flush()
      yield* append(writer, [json({ id: 2 })])
      const copy = Path.join(Path.dirname(location), "copy")
      yield* onDisk(() => Fs.cp(location, copy, { recursive: true }))
      const refused = Option.getOrThrow(
        Exit.findErrorOption(yield* Effect.exit(store.register(copy)))
      )
      assert.match(
        refused.message,
        /main\.default\.copy is refused, because it has the id of main\.default\.t/
      )
      yield* append(writer, [json({ id: 3 })])
      yield* store.flush()
      assert.deepStrictEqual(ids(yield* store.rows(definition.name)), [1, 2, 3])
      assert.deepStrictEqual(
        (yield* store.unserved).map(({ name }) => name),
        ["main.default.copy"]
      )
      yield* stop
    })
  )

  it.live(
    "at the start, also when its name comes first, and the log's rows go into the table",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const killed = yield* temporaryFolder
        const { stop, store } = yield* start(folder)
        yield* store.create(definition)
        const writer = yield* store.openWriter(definition.name, format)
        yield* append(writer, [json({ id: 1 })])
        yield* onDisk(async () => {
          await Fs.cp(folder, killed, { recursive: true })
          await Fs.rm(Path.join(killed, ".lock"), { force: true })
          await Fs.cp(Path.join(killed, "main/default/t"), Path.join(killed, "main/default/a"), {
            recursive: true
          })
        })
        yield* stop
        const again = yield* start(killed)
        assert.deepStrictEqual(
          (yield* again.store.listAll).map((record) => record.definition.name),
          [definition.name]
        )
        assert.deepStrictEqual(ids(yield* again.store.rows(definition.name)), [1])
        assert.deepStrictEqual(
          (yield* again.store.unserved).map(({ name }) => name),
          ["main.default.a"]
        )
        yield* again.stop
      })
  )
})

describe("an id that is not a valid folder name is refused, and no other log is touched", () => {
  for (const id of ["", ".", "..", "../../elsewhere", "a/b", "a\\b", "\u0000"]) {
    it.live(JSON.stringify(id), () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const first = yield* start(folder)
        const { location } = yield* first.store.create(definition)
        yield* first.stop
        const { commit, metadata } = otherWriter(location)
        yield* commit({ metaData: { ...(yield* metadata), id } })
        const { stop, store } = yield* start(folder)
        const opened = Option.getOrThrow(
          Exit.findErrorOption(yield* Effect.exit(store.openWriter(definition.name, format)))
        )
        assert.match(opened.message, /is refused, because its id/)
        assert.deepStrictEqual((yield* onDisk(() => Fs.readdir(folder))).sort(), [".lock", "main"])
        yield* stop
      })
    )
  }
})
