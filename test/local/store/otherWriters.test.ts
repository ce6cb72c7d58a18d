/**
 * Another writer, simulated by hand-written commits, changes a table while the server runs. The
 * server follows compatible changes; otherwise it refuses the table and keeps its records.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option } from "effect"
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { type Metadata, type Protocol, versionName } from "../../../src/local/delta/deltaActions.ts"
import { logFolder, openLog } from "../../../src/local/delta/deltaLog.ts"
import { StorageFailure } from "../../../src/local/log/storageErrors.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import { field, otherWriter, withFields } from "../../support/otherWriter.ts"
import { type Flusher, localFlusher } from "../../../src/local/flush/flusher.ts"
import { append, byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const definition = table("main.default.t(id BIGINT, name STRING, place STRUCT<lat: DOUBLE>)")
const format = { _tag: "Json" } as const

const setup = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
  const { location } = yield* store.create(definition)
  return { location, store, ...otherWriter(location) }
})

const features = (...writerFeatures: ReadonlyArray<string>): { readonly protocol: Protocol } => ({
  protocol: { minReaderVersion: 1, minWriterVersion: 7, writerFeatures }
})

const refusal = (exit: Exit.Exit<unknown, unknown>): StorageFailure => {
  const failure = Option.getOrThrow(Exit.findErrorOption(exit))
  assert.instanceOf(failure, StorageFailure)
  assert.strictEqual((failure as StorageFailure).reason, "TableRefused")
  return failure as StorageFailure
}

describe("what another writer does is followed", () => {
  it.live("new nullable columns, also in a STRUCT and in front, while streams go on", () =>
    Effect.gen(function* () {
      const { commit, metadata, store } = yield* setup
      const old = yield* store.openWriter(definition.name, format)
      yield* append(old, [json({ id: 1, name: "a", place: { lat: 1 } })])
      yield* commit(
        withFields(yield* metadata, ([id, name, place]) => [
          field("first", "string"),
          { ...name, nullable: true },
          id,
          {
            ...place,
            type: { ...place.type, fields: [field("lon", "double"), ...place.type.fields] }
          }
        ])
      )
      // The open batch is from before the change, the stream goes on with the new columns.
      yield* store.flush()
      yield* append(old, [json({ id: 2, first: "x", place: { lon: 5 } })])
      const fresh = yield* store.openWriter(definition.name, format)
      yield* append(fresh, [json({ id: 3, first: "y" })])
      yield* store.flush()
      const rows = [...(yield* store.rows(definition.name))].sort(
        (a, b) => Number(a["id"]) - Number(b["id"])
      )
      assert.deepStrictEqual(rows, [
        { first: null, name: "a", id: 1n, place: { lon: null, lat: 1 } },
        { first: "x", name: null, id: 2n, place: { lon: 5, lat: null } },
        { first: "y", name: null, id: 3n, place: null }
      ])
      const record = Option.getOrThrow(yield* store.get(definition.name))
      assert.deepStrictEqual(
        record.definition.columns.map(({ name }) => name),
        ["first", "name", "id", "place"]
      )
    })
  )

  it.live("a change that comes between two flushes of sealed batches", () =>
    Effect.gen(function* () {
      const { commit, metadata, store } = yield* setup
      const writer = yield* store.openWriter(definition.name, format)
      for (let id = 0; id < 5; id++) {
        yield* append(writer, [json({ id })])
        yield* commit(
          withFields(yield* metadata, (fields) => [...fields, field(`more${id}`, "long")])
        )
        if (id % 2 === 0) yield* store.flush()
      }
      yield* store.flush()
      const rows = yield* store.rows(definition.name)
      assert.deepStrictEqual(rows.map((row) => Number(row["id"])).sort(), [0, 1, 2, 3, 4])
      assert.deepStrictEqual(Object.keys(rows[0]!).slice(-1), ["more4"])
    })
  )

  it.live("appends, deletes and properties without meaning for a writer", () =>
    Effect.gen(function* () {
      const { commit, location, metadata, store } = yield* setup
      const writer = yield* store.openWriter(definition.name, format)
      yield* append(writer, [json({ id: 1 })])
      yield* store.flush()
      const log = yield* Effect.promise(async () => (await openLog(location))!)
      const [ours] = log.snapshot.files.values()
      yield* commit({ remove: { path: ours!.path, deletionTimestamp: 1, dataChange: true } })
      const changed = yield* metadata
      yield* commit({
        metaData: { ...changed, configuration: { "delta.appendOnly": "true", "owner": "me" } }
      })
      yield* append(writer, [json({ id: 2 })])
      yield* store.flush()
      assert.deepStrictEqual(
        (yield* store.rows(definition.name)).map((row) => row["id"]),
        [2n]
      )
    })
  )

  it.live("features that are listed and not active", () =>
    Effect.gen(function* () {
      const { commit, store } = yield* setup
      const listed = [
        "checkConstraints",
        "generatedColumns",
        "identityColumns",
        "changeDataFeed",
        "columnMapping",
        "typeWidening",
        "deletionVectors",
        "inCommitTimestamp",
        "allowColumnDefaults",
        "domainMetadata",
        "clustering"
      ]
      yield* commit(features(...listed))
      const writer = yield* store.openWriter(definition.name, format)
      yield* append(writer, [json({ id: 1 })])
      yield* store.flush()
      for (const minWriterVersion of [3, 4, 5, 6]) {
        yield* commit({ protocol: { minReaderVersion: 1, minWriterVersion } })
        yield* append(writer, [json({ id: minWriterVersion })])
        yield* store.flush()
      }
      assert.lengthOf(yield* store.rows(definition.name), 5)
    })
  )
})

/** Changes after which the server cannot write the table, each with the text of the refusal. */
const refusals: ReadonlyArray<
  readonly [what: string, actions: (metadata: Metadata) => ReadonlyArray<object>, words: RegExp]
> = [
  [
    "a CHECK constraint",
    (metadata) => [
      features("checkConstraints"),
      { metaData: { ...metadata, configuration: { "delta.constraints.positive": "id > 0" } } }
    ],
    /CHECK constraint positive/
  ],
  ["row tracking", () => [features("rowTracking", "domainMetadata")], /row tracking/],
  [
    "a feature without a name here",
    () => [features("teleportation")],
    /the features teleportation/
  ],
  [
    "column mapping by name",
    (metadata) => [
      { protocol: { minReaderVersion: 2, minWriterVersion: 5 } },
      { metaData: { ...metadata, configuration: { "delta.columnMapping.mode": "name" } } }
    ],
    /maps its columns by name/
  ],
  [
    "a generated column",
    (metadata) => [
      features("generatedColumns"),
      withFields(metadata, (fields) => [
        ...fields,
        field("twice", "long", true, { "delta.generationExpression": "id * 2" })
      ])
    ],
    /column twice has a generation expression/
  ],
  [
    "a dropped column",
    (metadata) => [withFields(metadata, ([id]) => [id])],
    /column name was dropped or renamed/
  ],
  [
    "another case of a name",
    (metadata) => [
      withFields(metadata, ([id, _, ...rest]) => [id, field("Name", "string"), ...rest])
    ],
    /column name was dropped or renamed/
  ],
  [
    "another type",
    (metadata) => [withFields(metadata, ([_, ...rest]) => [field("id", "string"), ...rest])],
    /column id became string, it was bigint/
  ],
  [
    "a type that is none here",
    (metadata) => [
      withFields(metadata, (fields) => [...fields, field("span", "interval day to second")])
    ],
    /schema cannot be read/
  ],
  [
    "a new NOT NULL column",
    (metadata) => [withFields(metadata, (fields) => [...fields, field("must", "long", false)])],
    /new column must is NOT NULL/
  ],
  [
    "other partition columns",
    (metadata) => [{ metaData: { ...metadata, partitionColumns: ["name"] } }],
    /partition columns became \(name\)/
  ],
  [
    "another table in its folder",
    (metadata) => [{ metaData: { ...metadata, id: "other" } }],
    /another table/
  ]
]

describe("what the server cannot write is refused", () => {
  for (const [what, actions, words] of refusals) {
    it.live(`${what}: nothing is committed, records stay in the log, undoing it goes on`, () =>
      Effect.gen(function* () {
        const { commit, location, metadata, store } = yield* setup
        const before = yield* metadata
        const writer = yield* store.openWriter(definition.name, format)
        yield* append(writer, [json({ id: 1 })])
        yield* commit(...actions(before))
        const version = (yield* Effect.promise(async () => (await openLog(location))!)).snapshot
          .version
        assert.match(refusal(yield* Effect.exit(store.flush())).message, words)
        // A running stream ends without treating a record as bad.
        const appended = Option.getOrThrow(
          Exit.findErrorOption(yield* Effect.exit(append(writer, [json({ id: 2 })])))
        )
        assert.instanceOf(appended, StorageFailure)
        assert.match(
          refusal(yield* Effect.exit(store.openWriter(definition.name, format))).message,
          words
        )
        assert.strictEqual(
          (yield* Effect.promise(async () => (await openLog(location))!)).snapshot.version,
          version,
          "nothing was committed"
        )
        yield* commit(
          { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
          { metaData: before }
        )
        const again = yield* store.openWriter(definition.name, format)
        yield* append(again, [json({ id: 3 })])
        yield* store.flush()
        assert.sameMembers(
          (yield* store.rows(definition.name)).map((row) => Number(row["id"])),
          [1, 3]
        )
      })
    )
  }

  it.live("a table whose folder was removed and made anew by another writer", () =>
    Effect.gen(function* () {
      const { location, store } = yield* setup
      const writer = yield* store.openWriter(definition.name, format)
      yield* append(writer, [json({ id: 1 })])
      const first = Path.join(logFolder(location), `${versionName(0)}.json`)
      const text = yield* Effect.promise(() => Fs.readFile(first, "utf8"))
      yield* Effect.promise(() => Fs.rm(location, { recursive: true }))
      assert.match(
        refusal(yield* Effect.exit(store.openWriter(definition.name, format))).message,
        /default\/t is gone/
      )
      yield* Effect.promise(() => Fs.mkdir(logFolder(location), { recursive: true }))
      const other = text.replace(
        /"id":"[0-9a-f-]{36}"/,
        '"id":"11111111-1111-1111-1111-111111111111"'
      )
      yield* Effect.promise(() => Fs.writeFile(first, other))
      assert.match(
        refusal(yield* Effect.exit(store.openWriter(definition.name, format))).message,
        /another table/
      )
      const flushed = yield* Effect.exit(store.flush())
      assert.isTrue(Exit.isFailure(flushed))
      assert.strictEqual(yield* Effect.promise(() => Fs.readFile(first, "utf8")), other)
    })
  )

  it.live("at the start as well, and is served once the cause is gone, without a restart", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const location = yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
          return (yield* store.create(definition)).location
        })
      )
      const file = (version: number) =>
        Path.join(logFolder(location), `${versionName(version)}.json`)
      yield* Effect.promise(() => Fs.writeFile(file(1), JSON.stringify(features("rowTracking"))))
      const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
      assert.match(
        refusal(yield* Effect.exit(store.openWriter(definition.name, format))).message,
        /row tracking/
      )
      const plain = { protocol: { minReaderVersion: 1, minWriterVersion: 2 } }
      yield* Effect.promise(() => Fs.writeFile(file(2), JSON.stringify(plain)))
      const writer = yield* store.openWriter(definition.name, format)
      yield* append(writer, [json({ id: 1 })])
      yield* store.flush()
      assert.lengthOf(yield* store.rows(definition.name), 1)
    })
  )

  it.live("opens a table once for all streams that open it when its cause is gone", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const location = yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
          return (yield* store.create(definition)).location
        })
      )
      const file = (version: number) =>
        Path.join(logFolder(location), `${versionName(version)}.json`)
      yield* Effect.promise(() => Fs.writeFile(file(1), JSON.stringify(features("rowTracking"))))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
          const plain = { protocol: { minReaderVersion: 1, minWriterVersion: 2 } }
          yield* Effect.promise(() => Fs.writeFile(file(2), JSON.stringify(plain)))
          const writers = yield* Effect.all(
            [1, 2, 3, 4].map(() => store.openWriter(definition.name, format)),
            { concurrency: "unbounded" }
          )
          for (let id = 0; id < 20; id++) yield* append(writers[id % 4]!, [json({ id })])
        })
      )
      const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
      assert.sameMembers(
        (yield* store.rows(definition.name)).map((row) => Number(row["id"])),
        Array.from({ length: 20 }, (_, id) => id)
      )
    })
  )

  it.live("drops no table that another writer has put into the folder", () =>
    Effect.gen(function* () {
      const { commit, location, metadata, store } = yield* setup
      yield* commit({ metaData: { ...(yield* metadata), id: "theirs" } })
      refusal(yield* Effect.exit(store.drop(definition.name)))
      assert.isDefined(yield* Effect.promise(() => openLog(location)))
      yield* Effect.promise(() => Fs.rm(location, { recursive: true }))
      assert.isTrue(yield* store.drop(definition.name))
    })
  )
})

/** Runs `change.strike` once, right before the commit of a flush is linked. */
const racing = (change: { strike?: (() => void) | undefined }): Flusher => {
  const inner = localFlusher()
  return {
    ...inner,
    flush: (job) =>
      inner.flush(
        Object.defineProperty({ ...job }, "appId", {
          get: () => {
            // The last read happens while the actions of the commit are built.
            if (change.strike !== undefined && /commitActions/.test(new Error().stack ?? "")) {
              const { strike } = change
              change.strike = undefined
              strike()
            }
            return job.appId
          }
        })
      )
  }
}

describe("a change between the look and the commit", () => {
  const changes: ReadonlyArray<
    readonly [what: string, change: (metadata: Metadata) => object, words: RegExp]
  > = [
    [
      "a CHECK constraint",
      (metadata) => ({ ...metadata, configuration: { "delta.constraints.pos": "id > 0" } }),
      /CHECK constraint pos/
    ],
    [
      "other partition columns",
      (metadata) => ({ ...metadata, partitionColumns: ["name"] }),
      /partition columns/
    ],
    ["another table", (metadata) => ({ ...metadata, id: "other" }), /another table/]
  ]
  for (const [what, changed, words] of changes) {
    it.live(`is noticed: ${what}`, () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const change: { strike?: () => void } = {}
        const store = yield* makeDurableTableStore({ ...byHand, folder, flusher: racing(change) })
        const { location } = yield* store.create(definition)
        const log = logFolder(location)
        // CHECK constraints need writer version 3.
        const protocol = { minReaderVersion: 1, minWriterVersion: 3 }
        yield* Effect.promise(() =>
          Fs.writeFile(Path.join(log, `${versionName(1)}.json`), JSON.stringify({ protocol }))
        )
        const writer = yield* store.openWriter(definition.name, format)
        yield* append(writer, [json({ id: 1 })])
        const before = (yield* Effect.promise(async () => (await openLog(location))!)).snapshot
          .metadata!
        change.strike = () =>
          writeFileSync(
            Path.join(log, `${versionName(2)}.json`),
            JSON.stringify({ metaData: changed(before) })
          )
        assert.match(refusal(yield* Effect.exit(store.flush())).message, words)
        assert.deepStrictEqual(
          (yield* Effect.promise(() => Fs.readdir(log))).filter((name) =>
            name.startsWith(versionName(3))
          ),
          []
        )
        assert.match(
          refusal(yield* Effect.exit(store.openWriter(definition.name, format))).message,
          words
        )
      })
    )
  }

  it.live("is noticed: the folder removed and made anew with fewer versions", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const change: { strike?: () => void } = {}
      const store = yield* makeDurableTableStore({ ...byHand, folder, flusher: racing(change) })
      const { location } = yield* store.create(definition)
      const log = logFolder(location)
      const first = readFileSync(Path.join(log, `${versionName(0)}.json`), "utf8")
      const writer = yield* store.openWriter(definition.name, format)
      for (const id of [1, 2]) {
        yield* append(writer, [json({ id })])
        if (id === 1) yield* store.flush()
      }
      change.strike = () => {
        rmSync(location, { recursive: true })
        mkdirSync(log, { recursive: true })
        writeFileSync(
          Path.join(log, `${versionName(0)}.json`),
          first.replace(/"id":"[0-9a-f-]{36}"/, '"id":"theirs"')
        )
      }
      assert.match(refusal(yield* Effect.exit(store.flush())).message, /another table/)
      assert.deepStrictEqual(readdirSync(log), [`${versionName(0)}.json`])
    })
  )
})

describe("those who wait for a refused table are answered", () => {
  it.live("acknowledgements that wait for the commit, and writers that wait for room", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const store = yield* makeDurableTableStore({
        ...byHand,
        folder,
        worker: false,
        visibleOnceAcked: true,
        limits: { maxPendingRows: 1 }
      })
      const { location } = yield* store.create(definition)
      const writer = yield* store.openWriter(definition.name, format)
      const waiting = yield* Effect.forkChild(append(writer, [json({ id: 1 }), json({ id: 2 })]))
      const room = yield* Effect.forkChild(
        Effect.callback<void>((resume) => writer.onRoom(() => resume(Effect.void)))
      )
      yield* Effect.yieldNow
      const file = Path.join(logFolder(location), `${versionName(1)}.json`)
      yield* Effect.promise(() => Fs.writeFile(file, JSON.stringify(features("rowTracking"))))
      refusal(yield* Effect.exit(store.flush()))
      refusal(yield* Fiber.await(waiting))
      yield* Fiber.join(room)
      assert.isFalse(writer.pressure())
    })
  )
})
