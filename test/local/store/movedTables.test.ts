/**
 * The folder of a served table is moved away, and something else takes its name. Nothing is written
 * there.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Logger, Option } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { makeTable } from "../../../src/local/delta/newTable.ts"
import { StorageFailure, TableExists } from "../../../src/local/log/storageErrors.ts"
import {
  type DurableOptions,
  makeDurableTableStore
} from "../../../src/local/store/durableTableStore.ts"
import { discard, logsOf, salvage } from "../../../src/local/store/salvage.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const definition = table("main.default.t(id BIGINT)")
const { name } = definition
const format = { _tag: "Json" } as const
const open = (options: DurableOptions) =>
  makeDurableTableStore({ ...byHand, worker: false, ...options })

/** What replaces a folder: how to create it, and how messages name it. */
const kinds = [
  ["a link", (path: string, moved: string) => Fs.symlink(moved, path)],
  ["a pipe", async (path: string) => void execFileSync("mkfifo", [path])],
  ["a file", (path: string) => Fs.writeFile(path, "")],
  ["gone", async () => {}]
] as const

const refusal = (exit: Exit.Exit<unknown, unknown>): string => {
  const failure = Option.getOrThrow(Exit.findErrorOption(exit))
  assert.instanceOf(failure, StorageFailure)
  assert.strictEqual(
    (failure as StorageFailure).reason,
    "TableRefused",
    (failure as StorageFailure).message
  )
  return (failure as StorageFailure).message
}

const namesBelow = (folder: string) =>
  Effect.promise(async () => (await Fs.readdir(folder, { recursive: true })).sort())

describe.runIf(process.platform !== "win32")("a table that is served, in whose place is", () => {
  for (const [kind, put] of kinds) {
    for (const worker of kind === "a link" ? [false, true] : [false]) {
      it.live(
        `${kind}, gets nothing more and says so, and loses nothing ` +
          `(${worker ? "worker" : "one thread"})`,
        () =>
          Effect.gen(function* () {
            for (const at of [["_delta_log"], [], [".."], ["..", ".."]]) {
              const [folder, elsewhere] = [yield* temporaryFolder, yield* temporaryFolder]
              const moved = Path.join(elsewhere, "moved")
              yield* Effect.scoped(
                Effect.gen(function* () {
                  const store = yield* open({ folder, worker })
                  const { location } = yield* store.create(definition)
                  const writer = yield* store.openWriter(name, format)
                  yield* append(writer, [json({ id: 1 })])
                  yield* store.flush()
                  yield* append(writer, [json({ id: 2 })])
                  const path = Path.join(location, ...at)
                  yield* Effect.promise(async () => {
                    await Fs.rename(path, moved)
                    await put(path, moved)
                  })
                  const before = yield* namesBelow(moved)
                  const says = kind === "gone" ? "is gone" : `${path} is ${kind}`
                  for (const exit of [
                    yield* Effect.exit(store.flush()),
                    yield* Effect.exit(store.openWriter(name, format)),
                    yield* Effect.exit(append(writer, [json({ id: 3 })]))
                  ]) {
                    assert.include(refusal(exit), says)
                    assert.include(refusal(exit), `zerobus table salvage ${name}`)
                  }
                  const created = yield* Effect.flip(store.create(definition))
                  assert.instanceOf(created, TableExists)
                  assert.include(created.message, says)
                  const { problem } = Option.getOrThrow(yield* store.get(name))
                  assert.include(problem, says)
                  assert.deepStrictEqual(yield* namesBelow(moved), before)
                  yield* Effect.promise(async () => {
                    await Fs.rm(path, { force: true })
                    await Fs.rename(moved, path)
                  })
                  yield* append(yield* store.openWriter(name, format), [json({ id: 4 })])
                  yield* store.flush()
                  const ids = (yield* store.rows(name)).map((row) => Number(row["id"]))
                  assert.deepStrictEqual(ids.sort(), [1, 2, 4])
                })
              )
            }
          }),
        60_000
      )
    }
  }
})

describe.runIf(process.platform !== "win32")(
  "a link or a pipe that is found at the start in the place of a table",
  () => {
    for (const [kind, put] of kinds.slice(0, 2)) {
      it.live(`${kind}: is listed with its log, and the table is served once it is back`, () =>
        Effect.gen(function* () {
          const [folder, elsewhere] = [yield* temporaryFolder, yield* temporaryFolder]
          const moved = Path.join(elsewhere, "moved")
          const path = Path.join(folder, "main", "default", "t")
          const failing = {
            open: () => Promise.reject(new Error("not now")),
            prepare: () => Promise.reject(new Error("not now")),
            look: () => Promise.reject(new Error("not now")),
            flush: () => Promise.reject(new Error("not now")),
            forget: async () => {},
            close: async () => {}
          }
          yield* Effect.scoped(
            Effect.gen(function* () {
              const store = yield* open({ folder, flusher: failing })
              yield* store.create(definition)
              yield* append(yield* store.openWriter(name, format), [json({ id: 1 })])
            })
          )
          yield* Effect.promise(async () => {
            await Fs.rename(path, moved)
            await put(path, moved)
          })
          const lines: Array<string> = []
          const logger = Logger.make(({ message }) => lines.push(String(message)))
          yield* Effect.gen(function* () {
            const store = yield* open({ folder })
            const listed = yield* store.unserved
            assert.lengthOf(listed, 1)
            assert.strictEqual(listed[0]!.name, name)
            assert.include(listed[0]!.problem, `${path} is ${kind}`)
            assert.include(listed[0]!.problem, `zerobus table salvage ${name}`)
            assert.lengthOf(
              lines.filter((line) => line.includes(path)),
              1
            )
            assert.include(
              (yield* Effect.flip(store.create(definition))).message,
              `${path} is ${kind}`
            )
            assert.include(refusal(yield* Effect.exit(store.register(path))), `${path} is ${kind}`)
            yield* Effect.promise(async () => {
              await Fs.rm(path)
              await Fs.rename(moved, path)
            })
            yield* store.openWriter(name, format)
            assert.deepStrictEqual(yield* store.rows(name), [{ id: 1n }])
          }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
        })
      )
    }
  }
)

describe.runIf(process.platform !== "win32")("a link, put where a table is to be created,", () => {
  it.live("is named, also where it leads to a table", () =>
    Effect.gen(function* () {
      const [folder, elsewhere] = [yield* temporaryFolder, yield* temporaryFolder]
      const store = yield* open({ folder })
      const { location } = yield* store.create(definition)
      const other = table("main.default.other(id BIGINT)")
      const path = Path.join(folder, "main", "default", "other")
      for (const target of [elsewhere, location, Path.join(elsewhere, "nowhere")]) {
        yield* Effect.promise(() => Fs.symlink(target, path))
        assert.include((yield* Effect.flip(store.create(other))).message, `${path} is a link`)
        yield* Effect.promise(() => Fs.unlink(path))
      }
      assert.deepStrictEqual(yield* namesBelow(elsewhere), [])
      yield* store.create(other)
    })
  )
})

it.live("a table that cannot be served when it was made leaves nothing behind", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    yield* Effect.promise(() => Fs.mkdir(Path.join(folder, "main")))
    const record = {
      definition,
      createdAt: 0,
      tableId: "id",
      location: Path.join(folder, "main", "default", "t")
    }
    const failed = yield* Effect.promise(() =>
      makeTable(folder, record, "owner", () => Promise.reject(new Error("not now"))).catch(
        (error) => error
      )
    )
    assert.strictEqual(failed.message, "not now")
    assert.deepStrictEqual(yield* namesBelow(folder), ["main"])
  })
)

it.live(
  "a table whose folder was deleted is given up by taking its records out, dropping it and " +
    "creating it anew",
  () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const store = yield* open({ folder })
      const { location } = yield* store.create(definition)
      yield* append(yield* store.openWriter(name, format), [json({ id: 1 })])
      yield* Effect.promise(() => Fs.rm(location, { recursive: true }))
      const message = refusal(yield* Effect.exit(store.openWriter(name, format)))
      assert.match(
        message,
        /is gone\. .*table drop main\.default\.t --yes\. .*salvage main\.default\.t .*--discard/
      )
      assert.match(
        (yield* Effect.flip(store.drop(name))).message,
        /holds acknowledged records that are not in the table \(1\)/
      )
      const [log] = yield* Effect.promise(() => logsOf(folder, name))
      const lines: Array<string> = []
      const { segments } = yield* Effect.promise(() =>
        salvage(folder, log!, async (line) => {
          lines.push(line)
        })
      )
      assert.deepStrictEqual(lines, ['{"id":1}\n'])
      assert.isFalse(
        yield* Effect.promise(() => discard(folder, log!, segments)),
        "the server has the folder"
      )
      assert.isTrue(yield* store.drop(name))
      assert.deepStrictEqual(yield* store.unserved, [])
      yield* store.create(definition)
      yield* append(yield* store.openWriter(name, format), [json({ id: 2 })])
      yield* store.flush()
      assert.deepStrictEqual(yield* store.rows(name), [{ id: 2n }])
    })
)
