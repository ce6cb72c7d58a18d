/**
 * The warning for programs that open a stream per record.
 */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import { makeStreamChurn } from "../../../src/internal/userCode/streamChurn.ts"
import * as A from "../../support/acceptance.ts"
import { reporting, type Reports } from "../../support/reports.ts"

const text =
  "100 streams to one table within a minute: keep a stream open and ingest many records over it"

/** The tables that caused a warning so far, in order. */
const warned = (reports: Reports): ReadonlyArray<unknown> =>
  reports.linesOf(text).map(({ details, level }) => {
    assert.strictEqual(level, "Warn")
    return (details as { readonly table: string }).table
  })

const times = <E>(count: number, effect: Effect.Effect<unknown, E>): Effect.Effect<void, E> =>
  Effect.forEach(Array.from({ length: count }), () => effect, { discard: true })

const environment = (variables: Readonly<Record<string, string>>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: variables }))

/** A new counter that reads nothing from the environment, and what it logs. */
const counting = (
  program: (note: (table: string) => Effect.Effect<void>, reports: Reports) => Effect.Effect<void>
) =>
  reporting((reports) => Effect.flatMap(makeStreamChurn, (note) => program(note, reports))).pipe(
    environment({})
  )

describe("streams opened one after another", () => {
  it.effect("are worth a warning from the hundredth within a minute on, and just one", () =>
    counting((note, reports) =>
      Effect.gen(function* () {
        yield* times(99, note("a.b.c"))
        assert.deepStrictEqual(warned(reports), [])
        yield* note("a.b.c")
        assert.deepStrictEqual(warned(reports), ["a.b.c"])
        yield* times(500, note("a.b.c"))
        assert.deepStrictEqual(warned(reports), ["a.b.c"])
        assert.strictEqual(reports.lines.length, 1)
      })
    )
  )

  it.effect(
    "count until the last millisecond of the minute that began with the first, and not after it",
    () =>
      counting((note, reports) =>
        Effect.gen(function* () {
          yield* TestClock.adjust("10 seconds")
          yield* note("late.b.c")
          yield* note("early.b.c")
          yield* TestClock.adjust(59_999)
          yield* times(98, note("early.b.c"))
          assert.deepStrictEqual(warned(reports), [])
          yield* note("early.b.c")
          assert.deepStrictEqual(warned(reports), ["early.b.c"])
          yield* TestClock.adjust(1)
          yield* times(99, note("late.b.c"))
          assert.deepStrictEqual(warned(reports), ["early.b.c"])
          // The first of these started the new minute.
          yield* note("late.b.c")
          assert.deepStrictEqual(warned(reports), ["early.b.c", "late.b.c"])
        })
      )
  )

  it.effect("are warned about again in the next minute, once", () =>
    counting((note, reports) =>
      Effect.gen(function* () {
        for (let minute = 1; minute <= 3; minute++) {
          yield* times(250, note("a.b.c"))
          assert.strictEqual(warned(reports).length, minute)
          yield* TestClock.adjust("1 minute")
        }
      })
    )
  )

  it.effect("never warn below that pace, however many they become", () =>
    counting((note, reports) =>
      Effect.gen(function* () {
        for (let minute = 0; minute < 20; minute++) {
          yield* times(99, note("a.b.c"))
          yield* TestClock.adjust("1 minute")
        }
        assert.deepStrictEqual(warned(reports), [])
      })
    )
  )

  it.effect("are counted per table", () =>
    counting((note, reports) =>
      Effect.gen(function* () {
        for (let n = 0; n < 99; n++)
          for (const table of ["a.b.c", "a.b.d", "a.b.e"]) yield* note(table)
        assert.deepStrictEqual(warned(reports), [])
        yield* note("a.b.d")
        assert.deepStrictEqual(warned(reports), ["a.b.d"])
      })
    )
  )
})

describe("tables of long ago", () => {
  it.effect("are forgotten when another one's minute begins, those of this minute are not", () =>
    Effect.gen(function* () {
      let windows: ReadonlyMap<unknown, unknown> | undefined
      const set = Map.prototype.set
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          Map.prototype.set = new Proxy(set, {
            apply: (target, map: Map<unknown, unknown>, given: [unknown, unknown]) => {
              if (given[0] === "old.b.0") windows = map
              return Reflect.apply(target, map, given)
            }
          })
        }),
        () => Effect.sync(() => void (Map.prototype.set = set))
      )
      yield* counting((note, reports) =>
        Effect.gen(function* () {
          for (let n = 0; n < 1000; n++) yield* note(`old.b.${n}`)
          assert.strictEqual(windows?.size, 1000)
          yield* TestClock.adjust(30_000)
          yield* times(60, note("young.b.c"))
          assert.strictEqual(windows?.size, 1001)
          yield* TestClock.adjust(29_999)
          yield* note("other.b.c")
          assert.strictEqual(windows?.size, 1002)
          yield* TestClock.adjust(1)
          yield* note("new.b.c")
          assert.deepStrictEqual([...windows!.keys()], ["young.b.c", "other.b.c", "new.b.c"])
          // Its count is unchanged.
          yield* times(39, note("young.b.c"))
          assert.deepStrictEqual(warned(reports), [])
          yield* note("young.b.c")
          assert.deepStrictEqual(warned(reports), ["young.b.c"])
        })
      )
    })
  )
})

describe("ZEROBUS_SDK_WARNINGS_ENABLED", () => {
  for (const [value, muted] of [
    ["false", true],
    ["FALSE", true],
    [" No ", true],
    ["0", true],
    ["true", false],
    ["1", false],
    ["yes", false],
    ["", false],
    ["falsely", false]
  ] as const) {
    it.effect(`${JSON.stringify(value)} ${muted ? "mutes" : "does not mute"} the warning`, () =>
      reporting((reports) =>
        Effect.gen(function* () {
          const note = yield* makeStreamChurn
          yield* times(100, note("a.b.c"))
          assert.strictEqual(warned(reports).length, muted ? 0 : 1)
        }).pipe(environment({ ZEROBUS_SDK_WARNINGS_ENABLED: value }))
      )
    )
  }
})

describe("a client", () => {
  it.effect("warns of streams that are opened in any way, also of those that do not open", () =>
    reporting((reports) =>
      Effect.gen(function* () {
        const { zerobus } = yield* A.client()
        yield* times(40, Effect.scoped(zerobus.createStream(A.table)))
        yield* times(
          30,
          zerobus.withStream(A.table, () => Effect.void)
        )
        yield* times(28, Stream.run(Stream.make(A.record(0)), zerobus.sink(A.table)))
        yield* Effect.flip(Effect.scoped(zerobus.createStream(A.table, { flushTimeout: -1 })))
        assert.deepStrictEqual(warned(reports), [])
        yield* Effect.scoped(zerobus.createStream(A.table))
        assert.deepStrictEqual(warned(reports), [A.table.tableName])
      }).pipe(environment({}))
    )
  )
})
