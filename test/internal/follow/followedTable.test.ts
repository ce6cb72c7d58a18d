/**
 * Streams that follow the columns of their table, with a local server that changes it during the
 * run.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer } from "effect"
import {
  type CatalogTable,
  Column,
  Spool,
  Table,
  TableProperties,
  UnityCatalog,
  type UnityCatalogShape,
  Zerobus
} from "effect-zerobus"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import { parseColumns } from "../../../src/internal/columns/columnType.ts"
import { FollowedTable } from "../../../src/internal/follow/followedTable.ts"
import { rereadOf, type TableForm, withReread } from "../../../src/internal/tableForm.ts"
import { schemaMismatch } from "../../../src/local/stream/serverStatus.ts"

const name = "main.default.events"
const reopen = { onSchemaChange: "reopen", recoveryBackoff: 5 } as const

/** Adds columns to the table, as another program would. */
const addColumns = (sql: string) =>
  Effect.gen(function* () {
    const columns = parseColumns(sql)
    if (columns._tag === "Failure") return assert.fail(columns.failure)
    yield* UnityCatalog.use((catalog) => catalog.addColumns(name, columns.success))
  })

const withCatalog = (cache?: { readonly timeToLive: "1 hour" }) =>
  Layer.unwrap(
    Effect.map(ZerobusLocal, ({ clientId, clientSecret, workspaceUrl }) =>
      UnityCatalog.layer({
        workspaceUrl,
        clientId,
        clientSecret,
        proxy: false,
        ...(cache === undefined ? {} : { cache })
      })
    )
  )

const onServer = <A, E>(
  program: Effect.Effect<A, E, ZerobusLocal | Zerobus | UnityCatalog>,
  cache?: { readonly timeToLive: "1 hour" }
) =>
  Effect.andThen(
    ZerobusLocal.use((local) => local.createTable(`${name}(id BIGINT, place STRUCT<lat: DOUBLE>)`)),
    Effect.provide(program, withCatalog(cache))
  ).pipe(Effect.scoped, Effect.provide(ZerobusLocal.layerMemory))

const rows = ZerobusLocal.use((local) => local.records({ tableName: name }))
const sessions = ZerobusLocal.use((local) =>
  Effect.map(local.audit({ tableName: name }), ({ connections }) => connections)
)

describe('onSchemaChange: "reopen"', () => {
  for (const recordType of ["json", "proto"] as const) {
    it.live(
      `follows columns that are added under a running ${recordType} stream, in order, also from ` +
        `a cache`,
      () =>
        onServer(
          Effect.gen(function* () {
            const zerobus = yield* Zerobus
            const table = yield* Table.fromCatalog(name, { recordType })
            const old = yield* Table.fromCatalog(name, { recordType })
            yield* zerobus.withStream(table, reopen, (stream) =>
              Effect.gen(function* () {
                for (let id = 0; id < 100; id++) yield* stream.ingestRecord({ id: BigInt(id) })
                yield* addColumns("note STRING, place.alt INT")
                yield* stream.ingestRecord({ id: 100n, note: "new" })
                yield* stream.ingestRecords([{ id: 101n, place: { lat: 1, alt: 7 } }, { id: 102n }])
                yield* stream.ingestRecord({ id: 103n })
                yield* stream.flush
              })
            )
            // Another stream to a table that was read earlier is not affected.
            yield* zerobus.withStream(old, (stream) =>
              Effect.map(Effect.flip(stream.ingestRecord({ id: 1n, note: "x" })), ({ _tag }) =>
                assert.strictEqual(_tag, "InvalidArgument")
              )
            )
            const stored = yield* rows
            assert.deepStrictEqual(
              stored.map(({ id }) => Number(id)),
              Array.from({ length: 104 }, (_, id) => id)
            )
            assert.deepStrictEqual(
              [stored[99]!["note"] ?? null, stored[100]!["note"]],
              [null, "new"]
            )
            assert.deepStrictEqual(stored[101]!["place"], { lat: 1, alt: 7 })
            // One more session for the new columns, and one of the other stream.
            assert.strictEqual(yield* sessions, 3)
          }),
          { timeToLive: "1 hour" }
        )
    )
  }

  for (const lanes of [3, "auto"] as const) {
    it.live(`opens all sessions of ${lanes} lanes with the added columns before they get one`, () =>
      onServer(
        Effect.gen(function* () {
          const zerobus = yield* Zerobus
          const local = yield* ZerobusLocal
          const table = yield* Table.fromCatalog(name, { recordType: "proto" })
          yield* zerobus.withStream(
            table,
            { ...reopen, lanes, ...(lanes === 3 ? { laneKey: ({ id }) => Number(id) % 7 } : {}) },
            (stream) =>
              Effect.gen(function* () {
                const before = yield* local.httpRequests("catalog")
                for (let id = 0; id < 300; id++) yield* stream.ingestRecord({ id: BigInt(id) })
                yield* addColumns("note STRING")
                const read = yield* local.httpRequests("catalog")
                yield* Effect.forEach(
                  Array.from({ length: 300 }, (_, index) => index + 300),
                  (id) => stream.ingestRecord({ id: BigInt(id), note: `n${id}` }),
                  { concurrency: 50, discard: true }
                )
                assert.isAbove(read, before)
                assert.strictEqual((yield* local.httpRequests("catalog")) - read, 1)
                yield* stream.flush
              })
          )
          const stored = yield* rows
          assert.deepStrictEqual(
            stored.map(({ id }) => Number(id)).sort((a, b) => a - b),
            Array.from({ length: 600 }, (_, id) => id)
          )
          for (const { id, note = null } of stored)
            assert.strictEqual(note, Number(id) < 300 ? null : `n${String(id)}`)
          if (lanes === 3) assert.strictEqual(yield* sessions, 6)
        })
      )
    )
  }

  it.live("reads the table once for many records, and refuses what it still does not have", () =>
    onServer(
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        const zerobus = yield* Zerobus
        const table = yield* Table.fromCatalog(name)
        yield* zerobus.withStream(table, reopen, (stream) =>
          Effect.gen(function* () {
            const before = yield* local.httpRequests("catalog")
            const wrong = Array.from({ length: 20 }, (_, id) =>
              Effect.flip(stream.ingestRecord({ id: BigInt(id), nope: 1 }))
            )
            for (const { _tag } of yield* Effect.all(wrong, { concurrency: "unbounded" })) {
              assert.strictEqual(_tag, "InvalidArgument")
            }
            assert.strictEqual((yield* local.httpRequests("catalog")) - before, 1)
            yield* stream.ingestRecord({ id: 1n })
          })
        )
        assert.strictEqual(yield* sessions, 1)
        assert.lengthOf(yield* rows, 1)
      })
    )
  )

  it.live("refuses the record and goes on when the catalog cannot be read", () =>
    onServer(
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        const zerobus = yield* Zerobus
        const table = yield* Table.fromCatalog(name)
        yield* zerobus.withStream(table, reopen, (stream) =>
          Effect.gen(function* () {
            yield* local.injectHttp(Faults.httpStatus("catalog", 503))
            const refused = yield* Effect.flip(stream.ingestRecord({ id: 0n, note: "x" }))
            assert.strictEqual(refused._tag, "InvalidArgument")
            yield* stream.ingestRecord({ id: 1n })
            yield* stream.flush
          })
        )
        assert.deepStrictEqual(
          (yield* rows).map(({ id }) => Number(id)),
          [1]
        )
      })
    )
  )

  it.live(
    "answers a mismatch with one session per offset, before the search for a refused record",
    () =>
      onServer(
        Effect.gen(function* () {
          const local = yield* ZerobusLocal
          const zerobus = yield* Zerobus
          const table = TableProperties.json(name)
          const { code: _, ...mismatch } = schemaMismatch("the table changed", [
            "FIELD_NOT_IN_TABLE"
          ])
          const refusal = { ...mismatch, status: "INVALID_ARGUMENT" } as const
          const send = (options: object, count: number) =>
            zerobus.withStream(table, { ...reopen, ...options }, (stream) =>
              Effect.gen(function* () {
                for (let id = 0; id < count; id++) yield* stream.ingestRecord({ id })
                yield* stream.flush
              })
            )
          // One refusal when the session opens, and one of a record: each leads to one more
          // session.
          yield* local.inject({ tableName: name }, Faults.reject({ ...refusal, times: 1 }))
          yield* local.inject(
            { tableName: name },
            Faults.fail({ ...refusal, nth: 3, connection: 2 })
          )
          yield* send({ batching: "off" }, 10)
          assert.sameMembers(
            [...new Set((yield* rows).map(({ id }) => Number(id)))],
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
          )
          assert.strictEqual(yield* sessions, 3)
          // Refused again: the same result as without the option.
          yield* local.inject({ tableName: name }, Faults.reject({ ...refusal, times: 2 }))
          assert.strictEqual((yield* Effect.flip(send({}, 1)))._tag, "SchemaMismatch")
          yield* local.inject({ tableName: name }, Faults.reject({ ...refusal, times: 1 }))
          assert.strictEqual(
            (yield* Effect.flip(send({ onSchemaChange: "fail" }, 1)))._tag,
            "SchemaMismatch"
          )
        })
      )
  )
})

describe("a table from the catalog", () => {
  const column = (name: string, tag: "BigInt" | "Int" | "String", nullable = true) => ({
    name,
    type: { _tag: tag },
    nullable
  })
  it.effect(
    "is read again without the cache, and has a new form for columns that old records fit",
    () =>
      Effect.gen(function* () {
        let columns = [column("id", "BigInt", false), column("temp", "Int")]
        const asked: Array<boolean | undefined> = []
        const answer = (options?: { readonly fresh?: boolean | undefined }) =>
          Effect.sync(() => {
            asked.push(options?.fresh)
            return { definition: { name, columns } } as unknown as CatalogTable
          })
        const catalog = {
          getTable: (_: string, options?: object) => answer(options)
        } as unknown as UnityCatalogShape
        const table = yield* Effect.provideService(Table.fromCatalog(name), UnityCatalog, catalog)
        const reread = rereadOf(table)!
        assert.isUndefined(yield* reread)
        columns = [...columns, column("note", "String")]
        const next = yield* reread
        assert.isAbove(next!.descriptor!.length, table.descriptor!.length)
        // Later reads are compared with the new form.
        assert.isUndefined(yield* rereadOf(next!)!)
        const [id, temp, note] = columns as [
          (typeof columns)[0],
          (typeof columns)[0],
          (typeof columns)[0]
        ]
        for (const changed of [
          [id, note],
          [id, column("temp", "String"), note],
          [id, temp, note, column("must", "Int", false)]
        ]) {
          columns = changed
          assert.isUndefined(yield* reread)
        }
        assert.deepStrictEqual(asked, [undefined, true, true, true, true, true, true])
        assert.isUndefined(rereadOf(TableProperties.json(name)))
      })
  )
})

describe("the form of a table that lanes share", () => {
  const formOf = (descriptor: number): TableForm<unknown> => ({
    codec: { write: () => undefined, read: (payload) => payload },
    descriptor: Uint8Array.of(descriptor)
  })
  const follows = () => {
    const table = withReread(
      { ...TableProperties.json(name), ...formOf(1) },
      Effect.sync(() => formOf(2))
    )
    return new FollowedTable<unknown>(table, 1_000, () => 0)
  }
  const shown = ({ table }: FollowedTable<unknown>) => table.descriptor![0]

  it.effect("changes once all sessions have ended, and none opens before", () =>
    Effect.gen(function* () {
      const followed = follows()
      yield* followed.begin(Effect.never)
      yield* followed.begin(Effect.never)
      const record = yield* Effect.forkChild(followed.follow(Effect.never))
      yield* followed.requested.await
      assert.isTrue(followed.endUnsafe())
      const next = yield* Effect.forkChild(followed.begin(Effect.never))
      const closing = yield* Effect.forkChild(followed.begin(Effect.yieldNow))
      yield* Fiber.join(closing)
      assert.deepStrictEqual([shown(followed), next.pollUnsafe()], [1, undefined])
      assert.isTrue(followed.endUnsafe())
      yield* Fiber.join(next)
      assert.deepStrictEqual([shown(followed), yield* Fiber.join(record)], [2, true])
      assert.isFalse(followed.requested.isDone)
      assert.isFalse(followed.endUnsafe())
    })
  )

  it.effect("changes for a lane whose session was refused, which ends those of the others", () =>
    Effect.gen(function* () {
      const followed = follows()
      const [one, other] = [{ nextOffset: 0 }, { nextOffset: 0 }].map((zone) => ({
        ...zone,
        oldestUnsafe: () => undefined
      }))
      yield* followed.begin(Effect.never)
      assert.deepStrictEqual(
        [one!, one!, other!].map((zone) => followed.answersUnsafe(zone)),
        [true, false, true]
      )
      yield* followed.reread
      assert.isTrue(followed.requested.isDone)
      assert.strictEqual(shown(followed), 1)
      followed.endUnsafe()
      assert.strictEqual(shown(followed), 2)
    })
  )
})

describe("the option onSchemaChange", () => {
  it.live("is refused where the form of a table cannot change", () =>
    onServer(
      Effect.gen(function* () {
        const zerobus = yield* Zerobus
        const table = Table.make(name, { id: Column.BigInt })
        const files = yield* FileSystem.FileSystem
        const folder = yield* files.makeTempDirectoryScoped({ prefix: "zerobus-follow-" })
        const withSpool = zerobus.createStream(table, {
          ...reopen,
          spool: Spool.directory(`${folder}/spool`)
        })
        for (const opened of [
          withSpool,
          zerobus.createStream(table, { ...reopen, recovery: false }),
          zerobus.createPersistentStream(table, reopen)
        ]) {
          const refused = yield* Effect.flip(opened)
          assert.deepStrictEqual(
            [refused._tag, "path" in refused ? refused.path : undefined],
            ["InvalidArgument", ["onSchemaChange"]]
          )
          if (opened === withSpool) assert.match(refused.message, /spool.*open the stream again/)
        }
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
    )
  )
})
