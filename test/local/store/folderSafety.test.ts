/**
 * The content of a data folder: who can read it, and links and special files put there by others.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Logger, Option, Redacted, Scope } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { folderIdentity } from "../../../src/local/auth/serverIdentity.ts"
import { folderCertificates } from "../../../src/local/endpoints/certificates.ts"
import { StorageFailure } from "../../../src/local/log/storageErrors.ts"
import {
  type DurableOptions,
  makeDurableTableStore
} from "../../../src/local/store/durableTableStore.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const definition = table("main.default.t(id BIGINT NOT NULL, day STRING) PARTITIONED BY (day)")
const format = { _tag: "Json" } as const
const open = (options: DurableOptions) =>
  makeDurableTableStore({ ...byHand, worker: false, ...options })

/**
 * Everything below a folder, including the folder, as `mode kind`, except the paths that `skip`
 * selects.
 */
const modesBelow = (folder: string, skip: (path: string) => boolean = () => false) =>
  Effect.promise(async () => {
    const entries = await Fs.readdir(folder, { recursive: true, withFileTypes: true })
    const paths = [folder, ...entries.map((entry) => Path.join(entry.parentPath, entry.name))]
    const found = new Set<string>()
    for (const path of paths.filter((path) => !skip(path))) {
      const stat = await Fs.lstat(path)
      found.add(`${(stat.mode & 0o7777).toString(8)} ${stat.isDirectory() ? "folder" : "file"}`)
    }
    return [...found].sort()
  })

/**
 * Creates a table, appends, flushes often enough for a checkpoint and a merge, and creates the
 * server's own files.
 */
const useFolder = (options: DurableOptions) =>
  Effect.gen(function* () {
    const store = yield* open({ ...options, limits: { compactFiles: 4 } })
    yield* store.create(definition)
    const writer = yield* store.openWriter(definition.name, format)
    for (let id = 0; id < 12; id++) {
      yield* append(writer, [json({ id, day: "one" })])
      yield* store.flush()
    }
    yield* append(writer, [json({ id: 12, day: "one" })])
    yield* folderIdentity(options.folder)
    yield* folderCertificates(options.folder, ["localhost"], Date.now())
  })

/** Runs with a umask, which applies to the whole process. */
const withUmask = <A, E, R>(umask: number, effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => process.umask(umask)),
    () => effect,
    (before) => Effect.sync(() => process.umask(before))
  )

describe.runIf(process.platform !== "win32")("a data folder", () => {
  for (const umask of [0o000, 0o077]) {
    it.live(
      `is for its owner only at a umask of ${umask.toString(8)}, unless its files are shared`,
      () =>
        withUmask(
          umask,
          Effect.gen(function* () {
            const folder = Path.join(yield* temporaryFolder, "data")
            yield* Effect.scoped(
              Effect.gen(function* () {
                yield* useFolder({ folder })
                assert.isAbove(
                  (yield* Effect.promise(() => Fs.readdir(Path.join(folder, ".wal")))).length,
                  0
                )
                assert.deepStrictEqual(yield* modesBelow(folder), ["600 file", "700 folder"])
              })
            )
            const shared = Path.join(yield* temporaryFolder, "data")
            yield* Effect.scoped(
              Effect.gen(function* () {
                yield* useFolder({ folder: shared, readers: "everyone" })
                const hidden = (path: string) => Path.relative(shared, path).startsWith(".")
                assert.deepStrictEqual(yield* modesBelow(shared, hidden), [
                  "644 file",
                  "755 folder"
                ])
                for (const name of [".wal", ".tls"]) {
                  assert.deepStrictEqual(yield* modesBelow(Path.join(shared, name)), [
                    "600 file",
                    "700 folder"
                  ])
                }
                const identity = yield* Effect.promise(() =>
                  Fs.stat(Path.join(shared, ".server-identity.json"))
                )
                assert.strictEqual(identity.mode & 0o777, 0o600)
              })
            )
          })
        )
    )
  }

  it.live("that is made new is ignored by Git, and one that exists is left as it is", () =>
    Effect.gen(function* () {
      const above = yield* temporaryFolder
      yield* Effect.sync(() => execFileSync("git", ["init", "--quiet", above]))
      const folder = Path.join(above, "data")
      yield* Effect.scoped(useFolder({ folder }))
      const status = () =>
        execFileSync("git", ["-C", above, "status", "--porcelain"], { encoding: "utf8" })
      assert.strictEqual(yield* Effect.sync(status), "")
      yield* Effect.promise(() => Fs.rm(Path.join(folder, ".gitignore")))
      yield* Effect.scoped(open({ folder }))
      assert.strictEqual(yield* Effect.sync(status), "?? data/\n")
    })
  )

  it.live("that others can enter keeps its mode, and one warning says so", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.promise(() => Fs.chmod(folder, 0o755))
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => lines.push(String(message)))
      const use = (options: DurableOptions) =>
        Effect.scoped(open(options)).pipe(Effect.provide(Logger.layer([logger])))
      yield* use({ folder })
      assert.lengthOf(lines, 1)
      assert.include(lines[0], `${folder} (mode 755)`)
      assert.strictEqual((yield* Effect.promise(() => Fs.stat(folder))).mode & 0o777, 0o755)
      yield* use({ folder, readers: "everyone" })
      yield* Effect.promise(() => Fs.chmod(folder, 0o700))
      yield* use({ folder })
      assert.lengthOf(lines, 1)
    })
  )
})

const fifo = (path: string) => Effect.sync(() => execFileSync("mkfifo", [path]))
const refusedWith = (exit: Exit.Exit<unknown, unknown>, path: string, reason = "NotWritable") => {
  const failure = Option.getOrThrow(Exit.findErrorOption(exit))
  assert.instanceOf(failure, StorageFailure)
  assert.include((failure as StorageFailure).message, path)
  assert.strictEqual((failure as StorageFailure).reason, reason)
}

describe.runIf(process.platform !== "win32")("links and special files in a data folder", () => {
  it.live("that have a name of the server's own refuse the start with their path", () =>
    Effect.gen(function* () {
      for (const name of [".lock", ".wal"]) {
        const [folder, elsewhere] = [yield* temporaryFolder, yield* temporaryFolder]
        const path = Path.join(folder, name)
        const target = Path.join(elsewhere, "target")
        yield* Effect.promise(() => Fs.symlink(target, path))
        refusedWith(yield* Effect.exit(Effect.scoped(open({ folder }))), path)
        yield* Effect.promise(() => Fs.unlink(path))
        yield* fifo(path)
        refusedWith(yield* Effect.exit(Effect.scoped(open({ folder }))), path)
        assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(elsewhere)), [])
      }
    })
  )

  it.live("never get a secret, and none is read through them", () =>
    Effect.gen(function* () {
      const [folder, elsewhere] = [yield* temporaryFolder, yield* temporaryFolder]
      const target = Path.join(elsewhere, "secret")
      const own = Path.join(folder, ".server-identity.json")
      yield* Effect.promise(() => Fs.symlink(target, `${own}.new`))
      const made = yield* folderIdentity(folder)
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(elsewhere)), [])
      assert.strictEqual(
        Redacted.value((yield* folderIdentity(folder)).clientSecret),
        Redacted.value(made.clientSecret)
      )
      yield* Effect.promise(async () => {
        await Fs.rename(own, target)
        await Fs.symlink(target, own)
        await Fs.symlink(elsewhere, Path.join(folder, ".tls"))
      })
      refusedWith(yield* Effect.exit(folderIdentity(folder)), own)
      refusedWith(
        yield* Effect.exit(folderCertificates(folder, ["localhost"], Date.now())),
        Path.join(folder, ".tls")
      )
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(elsewhere)), ["secret"])
    })
  )

  it.live(
    "in the place of a catalog, a schema or a table take no table in, and are named at the start",
    () =>
      Effect.gen(function* () {
        for (const [at, name] of [
          [["main"], "main"],
          [["main", "default"], "default"],
          [["main", "default", "t"], "t"]
        ] as const) {
          const [folder, elsewhere] = [yield* temporaryFolder, yield* temporaryFolder]
          const path = Path.join(folder, ...at)
          yield* Effect.promise(async () => {
            await Fs.mkdir(Path.dirname(path), { recursive: true, mode: 0o700 })
            await Fs.symlink(elsewhere, path)
          })
          const lines: Array<string> = []
          const logger = Logger.make(({ message }) => lines.push(String(message)))
          yield* Effect.scoped(
            Effect.gen(function* () {
              const store = yield* open({ folder })
              const exit = yield* Effect.exit(store.create(definition))
              if (name === "t")
                assert.include(
                  Option.getOrThrow(Exit.findErrorOption(exit)).message,
                  `${path} is a link`
                )
              else refusedWith(exit, path, "TableRefused")
            })
          ).pipe(Effect.provide(Logger.layer([logger])))
          assert.deepStrictEqual(
            lines.filter((line) => line.includes(path)).length,
            1,
            `${name}: ${lines.join("; ")}`
          )
          assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(elsewhere)), [])
        }
      })
  )

  it.live("inside a table refuse that table with their path, and the others work", () =>
    Effect.gen(function* () {
      const other = table("main.default.other(id BIGINT)")
      const version = "_delta_log/00000000000000000000.json"
      for (const inside of ["_delta_log", version, "segment"]) {
        for (const special of ["link", "pipe"]) {
          const folder = yield* temporaryFolder
          const scope = yield* Scope.make()
          const { location, tableId } = yield* Effect.gen(function* () {
            const store = yield* open({
              folder,
              flusher: {
                open: () => new Promise(() => {}),
                prepare: () => new Promise(() => {}),
                look: () => new Promise(() => {}),
                flush: () => Promise.reject(new Error("not now")),
                forget: async () => {},
                close: async () => {}
              }
            })
            yield* store.create(other)
            const record = yield* store.create(definition)
            yield* append(yield* store.openWriter(definition.name, format), [
              json({ id: 1, day: "one" })
            ])
            return record
          }).pipe(Scope.provide(scope))
          yield* Scope.close(scope, Exit.void)
          const wal = Path.join(folder, ".wal", tableId)
          const [segment] = yield* Effect.promise(() => Fs.readdir(wal))
          const path = inside === "segment" ? Path.join(wal, segment!) : Path.join(location, inside)
          const moved = Path.join(folder, ".moved")
          yield* Effect.promise(() => Fs.rename(path, moved))
          if (special === "link") yield* Effect.promise(() => Fs.symlink(moved, path))
          else yield* fifo(path)
          yield* Effect.scoped(
            Effect.gen(function* () {
              const store = yield* open({ folder })
              refusedWith(
                yield* Effect.exit(store.openWriter(definition.name, format)),
                path,
                "TableRefused"
              )
              yield* append(yield* store.openWriter(other.name, format), [json({ id: 1 })])
              yield* store.flush(other.name)
              // It works again once the file is back, and nothing is lost.
              yield* Effect.promise(async () => {
                await Fs.unlink(path)
                await Fs.rename(moved, path)
              })
            })
          )
          const store = yield* open({ folder })
          assert.lengthOf(yield* store.rows(definition.name), 1)
        }
      }
    })
  )
})
