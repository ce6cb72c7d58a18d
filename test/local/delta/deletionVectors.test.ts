/**
 * Tables with deletion vectors that Spark wrote (`test/fixtures/foreignTables`), read by the store
 * and by `zerobus query`; the same vectors inside the log and with an absolute path; and damaged
 * vectors.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import { crc32 } from "node:zlib"
import { loadDuckdb, runQuery } from "../../../src/cli/deltaQuery.ts"
import {
  type Add,
  applyAction,
  type DeletionVector
} from "../../../src/local/delta/deltaActions.ts"
import { compactIfDue } from "../../../src/local/upkeep/compaction.ts"
import { openLog } from "../../../src/local/delta/deltaLog.ts"
import { readLiveTable } from "../../../src/local/delta/liveFiles.ts"
import { readRows } from "../../../src/local/delta/tableFiles.ts"
import { StorageFailure } from "../../../src/local/log/storageErrors.ts"
import { columnTree } from "../../../src/local/parquet/columnTree.ts"
import { otherWriter } from "../../support/otherWriter.ts"
import { table, temporaryFolder } from "../../support/storedTables.ts"

const fixtures = Path.join(import.meta.dirname, "../../fixtures/foreignTables/data/main/spark")
const deleted = table("main.spark.deleted(id INT)")
const prefixed = table("main.spark.prefixed(id INT, day STRING)")

/** A copy of a table of the fixtures. */
const copyOf = (name: string) =>
  Effect.gen(function* () {
    const location = Path.join(yield* temporaryFolder, name)
    yield* Effect.promise(() => Fs.cp(Path.join(fixtures, name), location, { recursive: true }))
    return location
  })

const rowsOf = (location: string, definition: typeof deleted) =>
  Effect.tryPromise({
    try: () => readRows({ definition, location, createdAt: 0, tableId: "t" }),
    catch: (error) => error as StorageFailure
  })

const ask = (location: string, { columns, name }: typeof deleted, sql: string) =>
  Effect.tryPromise({
    try: async () =>
      (
        await runQuery(
          (await loadDuckdb())!,
          [{ name, columns, live: (await readLiveTable(location))! }],
          sql
        )
      ).rows,
    catch: (error) => error as StorageFailure
  })

/** The entries of the table with their vectors. */
const entries = (location: string) =>
  Effect.map(otherWriter(location).log, ({ snapshot }) =>
    [...snapshot.files.values()].filter((add) => add.deletionVector !== undefined)
  )

/** Replaces the vector of an entry by a commit. */
const withVector = (location: string, { deletionVector, ...add }: Add, vector: DeletionVector) =>
  otherWriter(location).commit(
    { remove: { path: add.path, deletionVector, deletionTimestamp: 1, dataChange: true } },
    { add: { ...add, deletionVector: vector } }
  )

/** The rows of `deleted` that `make.py` did not delete. */
const kept = [
  ...Array.from({ length: 200_000 }, (_, id) => id).filter(
    (id) =>
      (id < 70_000 ? id % 2 === 1 : id >= 130_000) && ![150_000, 150_002, 199_999].includes(id)
  ),
  500_001
]
const sum = kept.reduce((total, id) => total + id, 0)
const totals = "SELECT count(*), sum(id), min(id), max(id) FROM main.spark.deleted"
const expected = [[String(kept.length), String(sum), "1", "500001"]]

const digits =
  "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

/** Z85, implemented from its specification. */
const z85 = (bytes: Buffer): string => {
  const padded = Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)])
  let text = ""
  for (let at = 0; at < padded.length; at += 4) {
    let value = padded.readUInt32BE(at)
    let group = ""
    for (let n = 0; n < 5; n++) {
      group = digits[value % 85]! + group
      value = Math.floor(value / 85)
    }
    text += group
  }
  return text
}

const vectorPath = (location: string) =>
  Effect.promise(async () => {
    const names = (await Fs.readdir(location)).filter((name) => name.startsWith("deletion_vector_"))
    const sizes = await Promise.all(
      names.map(async (name) => (await Fs.stat(Path.join(location, name))).size)
    )
    return Path.join(location, names[sizes.indexOf(Math.max(...sizes))]!)
  })

describe("deletion vectors of Spark", () => {
  it.live("in files: the store and queries give the rows that are left", () =>
    Effect.gen(function* () {
      const location = yield* copyOf("deleted")
      const rows = yield* rowsOf(location, deleted)
      assert.deepStrictEqual(
        rows.map((row) => row["id"]).sort((a, b) => Number(a) - Number(b)),
        kept
      )
      assert.deepStrictEqual(yield* ask(location, deleted, totals), expected)
      assert.strictEqual((yield* Effect.promise(() => readLiveTable(location)))!.rows, kept.length)
    })
  )

  it.live("in folders of their own", () =>
    Effect.gen(function* () {
      const location = yield* copyOf("prefixed")
      const found = (yield* rowsOf(location, prefixed)).map(({ day, id }) => `${id} ${day}`).sort()
      const days = (id: number) => (id === 1 || id === 8 ? "new" : id < 5 ? "a b" : "c")
      const all = Array.from({ length: 10 }, (_, id) => `${id} ${days(id)}`)
      assert.deepStrictEqual(found, all)
      const sql = "SELECT id || ' ' || day FROM main.spark.prefixed ORDER BY id"
      assert.deepStrictEqual((yield* ask(location, prefixed, sql)).flat(), all)
      assert.isTrue(
        (yield* entries(location)).every(
          ({ deletionVector }) => deletionVector!.pathOrInlineDv.length > 20
        )
      )
    })
  )

  it.live("in the log itself, and under an absolute path", () =>
    Effect.gen(function* () {
      const location = yield* copyOf("deleted")
      for (const add of yield* entries(location)) {
        const vector = add.deletionVector!
        const file = yield* Effect.promise(async () => {
          for (const name of await Fs.readdir(location)) {
            if (!name.startsWith("deletion_vector_")) continue
            const bytes = await Fs.readFile(Path.join(location, name))
            const size = vector.sizeInBytes
            if (bytes.length > size + 4 && bytes.readInt32BE(vector.offset!) === size) {
              return {
                path: Path.join(location, name),
                bytes: bytes.subarray(vector.offset! + 4).subarray(0, size)
              }
            }
          }
          throw new Error("no such vector")
        })
        const { offset, ...rest } = vector
        const large = rest.sizeInBytes > 1000
        yield* withVector(
          location,
          add,
          large
            ? {
                ...rest,
                offset: offset!,
                storageType: "p",
                pathOrInlineDv: pathToFileURL(file.path).href
              }
            : { ...rest, storageType: "i", pathOrInlineDv: z85(file.bytes) }
        )
      }
      assert.deepStrictEqual(
        (yield* entries(location)).map((add) => add.deletionVector!.storageType).sort(),
        ["i", "p"]
      )
      assert.lengthOf(yield* rowsOf(location, deleted), kept.length)
      assert.deepStrictEqual(yield* ask(location, deleted, totals), expected)
    })
  )

  it.live("keep their files out of merges", () =>
    Effect.gen(function* () {
      const location = yield* copyOf("prefixed")
      const log = (yield* Effect.promise(() => openLog(location)))!
      const withVectors = [...log.snapshot.files.values()].filter(
        (add) => add.deletionVector !== undefined
      )
      assert.isAbove(withVectors.length, 0)
      // Only the vectors exclude them from merges: they have names like our own files, so a merge
      // would try to read them and fail.
      for (const remove of log.snapshot.files.values()) applyAction(log.snapshot, { remove })
      for (const add of withVectors) {
        for (const name of ["a", "b"])
          applyAction(log.snapshot, { add: { ...add, path: `zerobus-${name}-${add.path}` } })
      }
      const tree = columnTree(table("a.b.c(id INT)").columns)
      const options = { fewest: 2, except: new Set<string>(), now: 0 }
      assert.strictEqual(yield* Effect.promise(() => compactIfDue(log, tree, options)), 0)
    })
  )
})

const damages: ReadonlyArray<
  readonly [
    what: string,
    damage: (file: Buffer) => Buffer | undefined,
    why: RegExp,
    vector?: Partial<DeletionVector>
  ]
> = [
  ["its file is gone", () => undefined, /ENOENT/],
  [
    "a bit of it is wrong",
    (file) => file.fill(file[5000]! ^ 1, 5000, 5001),
    /its checksum does not fit/
  ],
  ["its file is cut off", (file) => file.subarray(0, -1), /ends before the vector does/],
  ["its file is empty", () => Buffer.alloc(0), /ends before the vector does/],
  ["its file has another version", (file) => file.fill(2, 0, 1), /it has the version 2/],
  [
    "it is no bitmap, with a checksum that fits",
    (file) => {
      const size = file.readInt32BE(1)
      file.fill(0, 5, 5 + size)
      file.writeUInt32BE(crc32(file.subarray(5, 5 + size)), 5 + size)
      return file
    },
    /not an array of Roaring bitmaps/
  ],
  ["the log says another size", (file) => file, /another size/, { sizeInBytes: 16_440 }],
  [
    "the log says another number of rows",
    (file) => file,
    /it has 95003 rows, and the log says 7/,
    { cardinality: 7 }
  ],
  [
    "the log says a size that no vector has",
    (file) => file,
    /no vector of 200000 rows has/,
    { sizeInBytes: 2 ** 40 }
  ],
  [
    "the log says no size",
    (file) => file,
    /no vector of 200000 rows has undefined bytes/,
    { sizeInBytes: undefined! }
  ],
  ["the log says a place behind the file", (file) => file, /ends before/, { offset: 1_000_000 }],
  [
    "it has a way of storing that is unknown",
    (file) => file,
    /storage type "x" is unknown/,
    { storageType: "x" }
  ],
  [
    "its path is no path",
    (file) => file,
    /character that is not a Z85 digit/,
    { pathOrInlineDv: "~".repeat(20) }
  ],
  [
    "its path leads out",
    (file) => file,
    /a folder of vectors cannot have/,
    { pathOrInlineDv: `../..${"0".repeat(20)}` }
  ]
]

describe("a deletion vector is refused, with the names of both files, when", () => {
  for (const [what, damage, why, change] of damages) {
    it.live(what, () =>
      Effect.gen(function* () {
        const location = yield* copyOf("deleted")
        const path = yield* vectorPath(location)
        const [add] = (yield* entries(location)).filter(
          ({ deletionVector }) => deletionVector!.cardinality > 1
        )
        yield* Effect.promise(async () => {
          const file = damage(await Fs.readFile(path))
          await (file === undefined ? Fs.rm(path) : Fs.writeFile(path, file))
        })
        if (change !== undefined)
          yield* withVector(location, add!, { ...add!.deletionVector!, ...change })
        const ofQuery = yield* Effect.flip(ask(location, deleted, totals))
        for (const failure of [ofQuery, yield* Effect.flip(rowsOf(location, deleted))]) {
          assert.instanceOf(failure, StorageFailure)
          assert.strictEqual(failure.reason, "CorruptTable")
          assert.match(failure.message, why)
          assert.include(failure.message, add!.path)
          if (change === undefined) assert.include(failure.message, Path.basename(path))
        }
      })
    )
  }
})
