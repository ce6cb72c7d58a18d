/**
 * Only plain files are opened, and folders are made only under free names.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { makeFoldersIn, writeSynced } from "../../../src/internal/log/durableFile.ts"
import {
  isFolder,
  NotAFile,
  NotAFolder,
  openPlain,
  readPlain
} from "../../../src/internal/log/plainFile.ts"
import { temporaryFolder } from "../../support/storedTables.ts"

const rejection = (run: () => Promise<unknown>) =>
  Effect.promise(() =>
    run().then(
      () => undefined,
      (error: unknown) => error
    )
  )

describe.runIf(process.platform !== "win32")("a name", () => {
  it.live(
    "of a link or a pipe is refused with its path when it is opened as a file, in every way",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const target = Path.join(folder, "target")
        const [link, dangling, pipe, inner] = ["link", "dangling", "pipe", "inner"].map((name) =>
          Path.join(folder, name)
        )
        yield* Effect.promise(async () => {
          await Fs.writeFile(target, "kept")
          await Fs.symlink(target, link!)
          await Fs.symlink(Path.join(folder, "nothing"), dangling!)
          execFileSync("mkfifo", [pipe!])
          await Fs.mkdir(inner!)
        })
        for (const path of [link!, dangling!, pipe!, inner!]) {
          for (const how of ["read", "replace"] as const) {
            const error = yield* rejection(() => openPlain(path, how))
            assert.instanceOf(error, NotAFile, `${path} ${how}`)
            assert.include((error as NotAFile).message, path)
          }
          assert.include(yield* rejection(() => writeSynced(path, "new")), { code: "EEXIST" })
        }
        assert.strictEqual(String(yield* Effect.promise(() => readPlain(target))), "kept")
        assert.deepStrictEqual(
          (yield* Effect.promise(() => Fs.readdir(folder))).includes("nothing"),
          false
        )
      })
  )

  it.live("of a link or a file is refused with its path when folders are made below it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const elsewhere = yield* temporaryFolder
      const [link, file] = ["link", "file"].map((name) => Path.join(folder, name))
      yield* Effect.promise(async () => {
        await Fs.symlink(elsewhere, link!)
        await Fs.writeFile(file!, "")
      })
      for (const path of [link!, file!]) {
        const error = yield* rejection(() => makeFoldersIn(folder, [Path.basename(path), "below"]))
        assert.instanceOf(error, NotAFolder)
        assert.include((error as NotAFolder).message, path)
        assert.instanceOf(yield* rejection(() => isFolder(path)), NotAFolder)
      }
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(elsewhere)), [])
    })
  )
})
