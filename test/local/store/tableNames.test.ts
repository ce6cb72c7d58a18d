/**
 * Names of tables and partitions that a file system interprets differently, or does not support.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Logger, Option, Result } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import {
  InvalidDefinition,
  StorageFailure,
  TableExists
} from "../../../src/local/log/storageErrors.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { makeMemoryTableStore } from "../../../src/local/store/memoryTableStore.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const format = { _tag: "Json" } as const
const open = (folder: string) => makeDurableTableStore({ ...byHand, folder, worker: false })

describe("tables whose names differ in case only", () => {
  it.live("created at once: one wins, the others are told, and there is one folder", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const names = ["Race", "race", "RACE", "rAcE"].map((name) => `main.default.${name}`)
      const created = yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(folder)
          const results = yield* Effect.forEach(
            names,
            (name) => Effect.result(store.create(table(`${name}(id BIGINT)`))),
            { concurrency: "unbounded" }
          )
          for (const failed of results.filter(Result.isFailure))
            assert.instanceOf(failed.failure, TableExists)
          const [won] = results
            .filter(Result.isSuccess)
            .map(({ success }) => success.definition.name)
          for (const name of names)
            yield* append(yield* store.openWriter(name, format), [json({ id: 1 })])
          return won!
        })
      )
      assert.deepStrictEqual(
        yield* Effect.promise(() => Fs.readdir(Path.join(folder, "main", "default"))),
        [created.split(".")[2]!]
      )
      assert.lengthOf(yield* (yield* open(folder)).rows(names[3]!), 4)
    })
  )

  it.live(
    "in a folder that has both: the first is served, and the other is named with its path",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const schema = Path.join(folder, "main", "default")
        yield* Effect.scoped(
          Effect.flatMap(open(folder), (store) =>
            store.create(table("main.default.twin(id BIGINT)"))
          )
        )
        yield* Effect.promise(() =>
          Fs.cp(Path.join(schema, "twin"), Path.join(schema, "TWIN"), { recursive: true })
        )
        const lines: Array<string> = []
        const logger = Logger.make(({ message }) => lines.push(String(message)))
        const store = yield* open(folder).pipe(Effect.provide(Logger.layer([logger])))
        assert.include(lines.join(), `${Path.join(schema, "twin")} is not served`)
        assert.deepStrictEqual(
          (yield* store.listAll).map(({ definition }) => definition.name),
          ["main.default.TWIN"]
        )
        // Another program created a table of that name while the server ran.
        yield* Effect.promise(() =>
          Fs.cp(Path.join(schema, "twin"), Path.join(schema, "other"), { recursive: true })
        )
        assert.instanceOf(
          yield* Effect.flip(store.create(table("main.default.OTHER(id BIGINT)"))),
          TableExists
        )
      })
  )
})

it.live("names of devices are refused on every system, in every part and case", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    for (const store of [yield* open(folder), yield* makeMemoryTableStore]) {
      for (const name of ["con", "NUL", "prn", "aux", "com1", "LPT9"]) {
        for (const full of [`${name}.default.t`, `main.${name}.t`, `main.default.${name}`]) {
          const refused = yield* Effect.flip(store.create(table(`${full}(id BIGINT)`)))
          assert.instanceOf(refused, InvalidDefinition)
          assert.include(refused.message, `"${name}"`)
        }
      }
      yield* store.create(table("main.default.console(con BIGINT)"))
    }
    assert.deepStrictEqual(
      yield* Effect.promise(() => Fs.readdir(Path.join(folder, "main", "default"))),
      ["console"]
    )
  })
)

/** A folder whose path has this many bytes. */
const folderOfLength = (inside: string, bytes: number) =>
  Effect.promise(async () => {
    let path = inside
    while (bytes - path.length > 1)
      path = Path.join(path, "d".repeat(Math.min(200, bytes - path.length - 1)))
    await Fs.mkdir(path, { recursive: true })
    return path
  })

const text =
  "main.default.parts(id BIGINT NOT NULL, word STRING, other STRING) PARTITIONED BY (word, other)"

describe.runIf(process.platform === "linux")("a path that is too long for the system", () => {
  it.live("refuses a table when it is made, not when its rows are written", () =>
    Effect.gen(function* () {
      const folder = yield* folderOfLength(yield* temporaryFolder, 4095 - 110)
      const store = yield* open(folder)
      const failure = Option.getOrThrow(
        Exit.findErrorOption(yield* Effect.exit(store.create(table(text))))
      )
      assert.instanceOf(failure, StorageFailure)
      assert.include((failure as StorageFailure).message, "ENAMETOOLONG")
      assert.include((failure as StorageFailure).message, "shorter")
    })
  )

  it.live("gets a partition a name that fits, and its rows read back", () =>
    Effect.gen(function* () {
      const folder = yield* folderOfLength(yield* temporaryFolder, 4095 - 240)
      const values = [
        "short",
        "é".repeat(40),
        "w".repeat(120),
        "語".repeat(70),
        "x".repeat(5000),
        "a/b",
        ""
      ]
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(folder)
          yield* store.create(table(text))
          const writer = yield* store.openWriter("main.default.parts", format)
          yield* append(
            writer,
            values.map((word, id) => json({ id, word, other: word }))
          )
          yield* store.flush()
        })
      )
      const rows = yield* (yield* open(folder)).rows("main.default.parts")
      assert.deepStrictEqual(
        rows
          .map((row) => [Number(row["id"]), row["word"]])
          .sort((a, b) => (a[0] as number) - (b[0] as number)),
        values.map((word, id) => [id, word === "" ? null : word])
      )
      const made = yield* Effect.promise(() =>
        Fs.readdir(Path.join(folder, "main", "default", "parts"))
      )
      assert.include(made, "word=short")
      assert.isAbove(made.filter((name) => name.startsWith("partition-")).length, 3)
    })
  )
})
