/**
 * The request log: the line for each event, and the summing of commits.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import { makeRequestLog } from "../../../src/local/activity/requestLog.ts"
import type { ServerEvent } from "../../../src/local/activity/serverEvent.ts"
import { timersOfProgram } from "../../../src/local/timers.ts"

interface Line {
  readonly level: string
  readonly message: unknown
}

/** Runs with a request log; `lines` are the lines that it wrote. */
const logged = <A, E>(
  level: "Info" | "Debug",
  use: (tell: (event: ServerEvent) => void, lines: ReadonlyArray<Line>) => Effect.Effect<A, E>
) => {
  const lines: Array<Line> = []
  const logger = Logger.make<unknown, void>(
    ({ logLevel, message }) => void lines.push({ level: logLevel, message })
  )
  return Effect.gen(function* () {
    const tell = yield* makeRequestLog(yield* timersOfProgram)
    return yield* use(tell, lines)
  }).pipe(
    Effect.scoped,
    Effect.provide(Logger.layer([logger])),
    Effect.provideService(References.MinimumLogLevel, level)
  )
}

const stream = { id: "s-1", tableName: "a.b.c", address: "127.0.0.1:9" }

describe("the request log", () => {
  it.effect("has a line for streams, tokens and tables", () =>
    logged("Info", (tell, lines) =>
      Effect.sync(() => {
        const status = { code: 3, message: "It does not fit. Error Code: 8001, Error State: 1." }
        tell({ _tag: "StreamOpened", stream, kind: "Json" })
        tell({ _tag: "MessageReceived", stream, records: 1, bytes: 10 })
        tell({
          _tag: "StreamEnded",
          stream,
          ending: { how: "OK", status: undefined },
          records: 7,
          bytes: 70,
          millis: 1250
        })
        const nameless = { id: undefined, tableName: "", address: undefined }
        tell({ _tag: "StreamRefused", stream: nameless, ending: { how: undefined, status } })
        tell({ _tag: "TokenMinted", clientId: "me", tableName: "a.b.c" })
        tell({ _tag: "TokenMinted", clientId: "me", tableName: undefined })
        tell({ _tag: "TokenRefused", clientId: undefined, reason: "Send the client id." })
        for (const change of ["Created", "Altered", "Registered", "Dropped"] as const) {
          tell({ _tag: `Table${change}`, tableName: "a.b.c" })
        }
        const named = { table: "a.b.c", stream: "s-1", client: "127.0.0.1:9" }
        assert.deepStrictEqual(lines, [
          { level: "Info", message: ["Stream opened", { ...named, kind: "Json" }] },
          {
            level: "Info",
            message: ["Stream ended", { ...named, records: 7, bytes: 70, seconds: 1.3, end: "OK" }]
          },
          {
            level: "Warn",
            message: [
              "Stream refused",
              { table: "(not named)", end: "INVALID_ARGUMENT", message: status.message }
            ]
          },
          { level: "Info", message: ["Token minted", { client: "me", table: "a.b.c" }] },
          { level: "Info", message: ["Token minted", { client: "me", scope: "all-apis" }] },
          { level: "Warn", message: ["Token refused", { message: "Send the client id." }] },
          { level: "Info", message: ["Table created", { table: "a.b.c" }] },
          { level: "Info", message: ["Table altered", { table: "a.b.c" }] },
          { level: "Info", message: ["Table registered", { table: "a.b.c" }] },
          { level: "Info", message: ["Table dropped", { table: "a.b.c" }] }
        ])
      })
    )
  )

  it.effect("sums the commits of each table, with a line in ten seconds at most", () =>
    logged("Info", (tell, lines) =>
      Effect.gen(function* () {
        const commit = (tableName: string, version: number) =>
          tell({ _tag: "TableCommitted", tableName, version, rows: version * 10 })
        const table = (name: string, commits: number, version: number) => ({
          level: "Info",
          message: ["Table written", { table: name, commits, version, rows: version * 10 }]
        })
        const expected: Array<Line> = []
        commit("a.b.c", 1)
        expected.push(table("a.b.c", 1, 1))
        for (let version = 2; version <= 9; version++) {
          yield* TestClock.adjust("1 second")
          commit("a.b.c", version)
        }
        commit("a.b.d", 1)
        expected.push(table("a.b.d", 1, 1))
        assert.deepStrictEqual(lines, expected)
        yield* TestClock.adjust("1999 millis")
        assert.deepStrictEqual(lines, expected)
        yield* TestClock.adjust("1 millis")
        expected.push(table("a.b.c", 8, 9))
        assert.deepStrictEqual(lines, expected)
        // Nothing is pending, and a commit much later gets its line immediately.
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(lines, expected)
        commit("a.b.c", 10)
        expected.push(table("a.b.c", 1, 10))
        assert.deepStrictEqual(lines, expected)
      })
    )
  )

  it.effect("writes pending lines when its scope closes, and nothing after that", () =>
    Effect.gen(function* () {
      let seen: ReadonlyArray<Line> = []
      let late = (_: ServerEvent): void => {}
      const commit = (tableName: string, version: number): ServerEvent => ({
        _tag: "TableCommitted",
        tableName,
        version,
        rows: version
      })
      yield* logged("Info", (tell, lines) =>
        Effect.sync(() => {
          for (const name of ["a.b.c", "a.b.d"]) tell(commit(name, 1))
          for (const version of [2, 3]) tell(commit("a.b.c", version))
          seen = lines
          late = tell
        })
      )
      const written = seen.map(({ message }) => (message as ReadonlyArray<unknown>)[1])
      assert.deepStrictEqual(written, [
        { table: "a.b.c", commits: 1, version: 1, rows: 1 },
        { table: "a.b.d", commits: 1, version: 1, rows: 1 },
        { table: "a.b.c", commits: 2, version: 3, rows: 3 }
      ])
      late(commit("a.b.c", 4))
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(seen, 3)
    })
  )

  it.effect("has each message and commit at the level debug", () =>
    logged("Debug", (tell, lines) =>
      Effect.sync(() => {
        tell({ _tag: "MessageReceived", stream, records: 1, bytes: 10 })
        tell({ _tag: "TableCommitted", tableName: "a.b.c", version: 1, rows: 5 })
        tell({ _tag: "TableCommitted", tableName: "a.b.c", version: 2, rows: 6 })
        const named = { table: "a.b.c", stream: "s-1", client: "127.0.0.1:9" }
        assert.deepStrictEqual(
          lines.filter(({ level }) => level === "Debug").map(({ message }) => message),
          [
            ["Message", { ...named, records: 1, bytes: 10 }],
            ["Commit", { table: "a.b.c", version: 1, rows: 5 }],
            ["Commit", { table: "a.b.c", version: 2, rows: 6 }]
          ]
        )
      })
    )
  )
})
