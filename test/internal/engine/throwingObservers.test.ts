/**
 * Programs that throw when a call of a stream ends. All other calls complete normally, and the
 * exception becomes an uncaught error of a separate task.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Option, Scope, Stream } from "effect"
import type { RecordAck, TableProperties, ZerobusStream } from "effect-zerobus"
import { Offset } from "../../../src/Offset.ts"
import * as A from "../../support/acceptance.ts"
import { code } from "../../support/scriptedServer.ts"
import { collected } from "../../support/uncaught.ts"

type JsonStream = ZerobusStream<TableProperties.JsonRecord>

/** The waiting calls, by name. All of them end with the stream at the latest. */
const calls: Readonly<
  Record<
    string,
    (stream: JsonStream, acks: ReadonlyArray<RecordAck>) => Effect.Effect<unknown, unknown>
  >
> = {
  "await": (_, acks) => acks[2]!.await,
  "waitForOffset": (stream) => stream.waitForOffset(Offset(3)),
  "flush": (stream) => stream.flush,
  "a wait for room": (stream) => stream.ingestRecord(A.record(9)),
  "a batch's wait for room": (stream) => stream.ingestRecords([A.record(10), A.record(11)]),
  "stateChanges": (stream) => Stream.runDrain(stream.stateChanges),
  "durableOffsets": (stream) => Stream.runDrain(stream.durableOffsets),
  "every state": (stream) => Stream.runForEach(stream.stateChanges, () => Effect.void),
  "every durable offset": (stream) => Stream.runForEach(stream.durableOffsets, () => Effect.void)
}

const hostile = Object.keys(calls)

describe("a program that throws when its call ends", () => {
  for (const thrower of [...hostile, "all of them"]) {
    for (const end of ["failure", "close", "scope"] as const) {
      it.live(
        `(${thrower}) does not keep other callers from their results, at the stream's ${end}`,
        () =>
          collected((reported) =>
            Effect.gen(function* () {
              let holds = true
              const scope = yield* Scope.make()
              const { server, stream } = yield* A.open(
                { batching: "off", maxInflightRecords: 5, flushTimeout: 10_000, recovery: false },
                {
                  onMessage: (connection, { wireOffset }) =>
                    void (holds || connection.ack(wireOffset))
                }
              ).pipe(Scope.provide(scope))
              const acks: Array<RecordAck> = []
              for (let n = 0; n < 5; n++) acks.push(yield* stream.ingestRecord(A.record(n)))
              yield* A.until("the records arrive", () => server.writes === 5)
              const told = new Map<string, Array<string>>()
              const context = yield* Effect.context<never>()
              let throws = 0
              for (const [name, call] of Object.entries(calls)) {
                const ends: Array<string> = []
                told.set(name, ends)
                for (const turn of ["first", "second", "third"]) {
                  Effect.runCallbackWith(context)(call(stream, acks), {
                    onExit: (exit) => {
                      ends.push(exit._tag)
                      if (turn === "third" || (thrower !== name && thrower !== "all of them"))
                        return
                      throws++
                      throw new Error(`${name} threw`)
                    }
                  })
                }
              }
              if (end === "failure") server.last.fail(code.PERMISSION_DENIED)
              else {
                holds = false
                server.last.ack(4)
                yield* A.until(
                  "the waits for room end",
                  () => told.get("a batch's wait for room")!.length === 3
                )
                if (end === "close") yield* stream.close
              }
              yield* Scope.close(scope, Exit.void)
              const closed = yield* Effect.exit(stream.close)
              assert.strictEqual(closed._tag, end === "failure" ? "Failure" : "Success")
              const expected = (name: string) =>
                end === "failure" && !/state/.test(name)
                  ? ["Failure", "Failure", "Failure"]
                  : ["Success", "Success", "Success"]
              for (const [name, ends] of told) assert.deepStrictEqual(ends, expected(name), name)
              const unacked = yield* stream.getUnackedRecords
              assert.strictEqual(unacked.length, end === "failure" ? 5 : 0)
              assert.isTrue(Option.isSome(yield* acks[4]!.poll))
              yield* A.turn
              assert.strictEqual(reported.uncaught.length, throws)
              assert.isAbove(throws, 1)
              assert.isTrue(reported.uncaught.every((text) => text.endsWith(" threw")))
            }).pipe(Effect.scoped)
          )
      )
    }
  }

  it.live("while a stream opens does not affect other calls that wait for it", () =>
    collected((reported) =>
      Effect.gen(function* () {
        const { zerobus } = yield* A.client(A.refusing(code.PERMISSION_DENIED))
        const context = yield* Effect.context<never>()
        const ends: Array<string> = []
        for (let n = 0; n < 3; n++) {
          Effect.runCallbackWith(context)(Effect.scoped(zerobus.createStream(A.table)), {
            onExit: (exit) => {
              ends.push(exit._tag)
              throw new Error("observer")
            }
          })
        }
        yield* A.until("all are told", () => ends.length === 3)
        yield* A.turn
        assert.deepStrictEqual(reported.uncaught, ["observer", "observer", "observer"])
      }).pipe(Effect.scoped)
    )
  )

  it.live("as one of many concurrent closes does not keep the close from the others", () =>
    collected((reported) =>
      Effect.gen(function* () {
        const { stream } = yield* A.open({})
        yield* stream.ingestRecord(A.record(0))
        const context = yield* Effect.context<never>()
        const ends: Array<Exit.Exit<unknown, unknown>["_tag"]> = []
        for (let n = 0; n < 10; n++) {
          Effect.runCallbackWith(context)(stream.close, {
            onExit: (exit) => {
              ends.push(exit._tag)
              if (n % 3 === 0) throw new Error("observer")
            }
          })
        }
        yield* A.until("all are told", () => ends.length === 10)
        yield* A.turn
        assert.deepStrictEqual(
          [new Set(ends).size, ends[0], reported.uncaught.length],
          [1, "Success", 4]
        )
      }).pipe(Effect.scoped)
    )
  )
})
