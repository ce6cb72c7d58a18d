/**
 * Log entries as text lines.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { TestConsole } from "effect/testing"
import { logLine } from "../../../src/cli/terminal/logLine.ts"

const linesOf = (effect: Effect.Effect<void>) =>
  effect.pipe(
    Effect.provide(Logger.layer([Logger.withConsoleLog(logLine)])),
    Effect.andThen(TestConsole.logLines),
    Effect.provide(TestConsole.layer)
  )

describe("a log line", () => {
  it.effect("has time, level, text, numbers and the explanation, without quotes or braces", () =>
    Effect.gen(function* () {
      const lines = yield* linesOf(
        Effect.gen(function* () {
          yield* Effect.logWarning("It tries again", {
            cause: "No connection.\nCheck it.",
            left: 0,
            inMillis: 17
          })
          yield* Effect.logError("It failed", {
            cause: "Lost",
            message: "Why.",
            left: { records: 1, bytes: 2 }
          })
          yield* Effect.logInfo("Plain")
        }).pipe(Effect.annotateLogs({ table: "a.b.c" }))
      )
      assert.deepStrictEqual(lines, [
        "1970-01-01T00:00:00.000Z WARN It tries again (left 0, inMillis 17, table a.b.c): No " +
          "connection. Check it.",
        "1970-01-01T00:00:00.000Z ERROR It failed (cause Lost, left records 1 bytes 2, table " +
          "a.b.c): Why.",
        "1970-01-01T00:00:00.000Z INFO Plain (table a.b.c)"
      ])
    })
  )

  it.effect("shows the trace of a defect behind it", () =>
    Effect.gen(function* () {
      const [line] = yield* linesOf(
        Effect.catchCause(Effect.die(new Error("boom")), (cause) => Effect.logError(cause))
      )
      assert.match(String(line), /ERROR \n?.*Error: boom/)
    })
  )
})
