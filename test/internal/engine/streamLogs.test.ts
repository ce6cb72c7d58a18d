/**
 * The log lines of a stream: level, text and fields. The tests of the supervisor and
 * streamLifetime.test.ts cover when they are written.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Scope } from "effect"
import { PermissionDenied, StreamClosed } from "effect-zerobus"
import * as Logs from "../../../src/internal/engine/streamLogs.ts"
import * as A from "../../support/acceptance.ts"
import { acknowledge, makeCore, offer, take } from "../../support/cores.ts"
import { reporting } from "../../support/reports.ts"

/** A core with four records in separate messages: two were sent, and one of those is durable. */
const busy = Effect.gen(function* () {
  const core = yield* makeCore({ batching: "off" })
  offer(core, A.recordsFrom(0, 4))
  take(core)
  acknowledge(core, 1)
  core.streamId = "stream-7"
  core.sessionId = "session-9"
  return core
})

const failure = new PermissionDenied({ message: "You shall not write." })

describe("the log of a stream", () => {
  it.effect("names what happened, where, and how much is left", () =>
    reporting((reports) =>
      Effect.gen(function* () {
        const core = yield* busy
        const left = { records: 3, bytes: core.zone.usedBytes }
        assert.isAbove(left.bytes, 0)
        yield* Logs.logOpen(core)
        yield* Logs.logRotation(core)
        for (const recovery of ["lost", "not reopened", "not opened"] as const) {
          yield* Logs.logRecovery(core, recovery, failure, 12.6)
        }
        yield* Logs.logRecovery(core, "lost", failure, 3_600_000, 7_200_000)
        yield* Logs.logFailure(core, failure)
        yield* Logs.logLeft(core, "stream-7", 3, new StreamClosed({ operation: "close" }))
        yield* Logs.logUnreadable(core, "stream-7", 2)
        yield* Logs.logClosed(core)
        const recovers = { cause: failure.message, unacknowledged: 3, inMillis: 13 }
        const table = A.table.tableName
        assert.deepStrictEqual(
          reports.lines.map(({ details, level, text }) => [level, text, details]),
          [
            [
              "Debug",
              "A connection is open",
              { session: "session-9", toSendAgain: core.zone.window.toReplay }
            ],
            ["Debug", "The server rotated the stream's connection", { unacknowledged: 3 }],
            ["Warn", "The stream lost its connection and is recovering", recovers],
            ["Warn", "No new connection could be opened; the stream tries again", recovers],
            ["Warn", "The stream could not be opened; it tries again", recovers],
            [
              "Warn",
              "The stream lost its connection and is recovering",
              { ...recovers, inMillis: 3_600_000, retryAfterMillis: 7_200_000 }
            ],
            [
              "Error",
              "The stream has failed",
              {
                streamId: "stream-7",
                cause: "PermissionDenied",
                message: failure.message,
                unacknowledged: left
              }
            ],
            [
              "Warn",
              "A stream ended with unacknowledged records that nothing read",
              {
                table,
                streamId: "stream-7",
                records: 3,
                cause:
                  "The stream is closed, so close could not complete. Open a new stream with " +
                  "createStream."
              }
            ],
            [
              "Error",
              "The table's schema cannot read unacknowledged records back: " +
                "read their bytes with getUnackedPayloads or onUnacked",
              { table, streamId: "stream-7", records: 2 }
            ],
            [
              "Debug",
              "The stream was closed",
              { streamId: "stream-7", durable: 1, unacknowledged: left }
            ]
          ]
        )
      })
    )
  )

  it.effect("logs the kind of a defect and never its text, which may quote anything", () =>
    reporting((reports) =>
      Effect.gen(function* () {
        const core = yield* busy
        const causes = [
          Cause.die(new RangeError("secret")),
          Cause.die("secret"),
          Cause.interrupt(1),
          Cause.fail("secret")
        ]
        for (const cause of causes) yield* Logs.logDefect(core, cause)
        assert.deepStrictEqual(
          reports
            .linesOf("The stream ended because of a defect")
            .map(({ details, level }) => [level, details]),
          ["RangeError", "string", "Interrupt", "Fail"].map((kind) => [
            "Error",
            {
              streamId: "stream-7",
              kinds: [kind],
              unacknowledged: { records: 3, bytes: core.zone.usedBytes }
            }
          ])
        )
        assert.notInclude(JSON.stringify(reports.lines), "secret")
      })
    )
  )
})

describe("the log of a scope that closes", () => {
  it.effect(
    "says after a second what a closing scope waits for, and then what is lost, without advice " +
      "for nobody",
    () =>
      reporting((reports) =>
        Effect.gen(function* () {
          const { zerobus } = yield* A.client(A.silent)
          const scope = yield* Scope.make()
          const stream = yield* Scope.provide(
            zerobus.createStream(A.table, { scopeCloseTimeout: 3_000 }),
            scope
          )
          yield* stream.ingestRecord(A.record(0))
          const waits = () =>
            reports.lines.filter(({ text }) => String(text).startsWith("A closing scope waits"))
              .length
          yield* A.started(Scope.close(scope, Exit.void))
          yield* A.advance(999)
          assert.strictEqual(waits(), 0)
          yield* A.advance(1)
          assert.strictEqual(waits(), 1)
          yield* A.advance(4_000)
          assert.strictEqual(waits(), 1)
          const left = reports.lines.find(({ text }) =>
            String(text).startsWith("A stream ended with unacknowledged")
          )
          assert.notMatch(JSON.stringify(left?.details), /nothing was dropped|getUnackedRecords/)
          assert.match(JSON.stringify(left?.details), /reached its limit of 3000 ms/)
        })
      )
  )
})
