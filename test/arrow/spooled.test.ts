/**
 * Streams of Arrow batches with a spool: what waits survives the process, and what is durable of a
 * batch is not sent again while the process lives.
 */
import { assert, describe, it } from "@effect/vitest"
import { Field, Int64, Schema } from "apache-arrow"
import { Effect } from "effect"
import { Spool } from "effect-zerobus"
import { spawn } from "node:child_process"
import { ArrowTable } from "../../src/arrow/index.ts"
import * as A from "../support/acceptance.ts"
import * as F from "../support/arrowAcceptance.ts"
import { temporaryFolder } from "../support/commandLine.ts"
import { ScriptedFlight } from "../support/scriptedFlight.ts"
import { scriptedGrpc } from "../support/scriptedGrpc.ts"

const folder = temporaryFolder()

const script = new URL("./spoolProcess.ts", import.meta.url).pathname

/** Runs the program and returns how it ended. */
const run = (...args: ReadonlyArray<string>) =>
  Effect.callback<string>((resume) => {
    const child = spawn(process.execPath, ["--conditions=effect-zerobus-source", script, ...args], {
      stdio: ["ignore", "ignore", "inherit"]
    })
    child.on("exit", (code, signal) => resume(Effect.succeed(signal ?? String(code))))
  })

describe("a stream of Arrow batches with a spool", () => {
  it.live("sends what waits in it, and returns it as tables", () =>
    Effect.gen(function* () {
      const path = `${folder}/waits`
      const spool = Spool.directory(path)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { stream } = yield* F.open({ spool }, F.silent)
          yield* stream.ingestRecord(F.batch(0, 3))
          yield* stream.ingestRecords([F.batch(3, 2), F.batch(5, 1)])
          // Larger than the parts in which a spool is read.
          yield* (yield* stream.ingestRecord(F.batch(6, 100_000))).persisted
          assert.strictEqual((yield* Spool.inspect(path)).recordType, "arrow")
        })
      )
      const { server, stream } = yield* F.open({ spool })
      yield* stream.close
      assert.deepStrictEqual(F.numbersOf(server.last.table), F.numbers(0, 100_006))
      assert.strictEqual((yield* Spool.inspect(path)).waitingRecords, 0)
    })
  )

  it.live("does not send durable rows of a batch again after a lost connection", () =>
    Effect.gen(function* () {
      let cut = false
      const { server, stream } = yield* F.open(
        { spool: Spool.directory(`${folder}/suffix`) },
        {
          onFrame: (connection) => {
            // An acknowledgement counts once its frame has left.
            setImmediate(() => {
              connection.ack(connection.rows - 4)
              setImmediate(() => {
                connection.cut()
                cut = true
              })
            })
          }
        },
        {}
      )
      yield* stream.ingestRecord(F.batch(0, 10))
      yield* stream.flush
      assert.isTrue(cut)
      assert.deepStrictEqual(F.numbersOf(server.last.table), [6, 7, 8, 9])
      yield* stream.close
    })
  )

  it.live("is not opened on batches of another schema", () =>
    Effect.gen(function* () {
      const spool = Spool.directory(`${folder}/schema`)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { stream } = yield* F.open({ spool }, F.silent)
          yield* (yield* stream.ingestRecord(F.batch(0, 3))).persisted
        })
      )
      const { zerobus } = yield* F.client()
      const other = ArrowTable.make(
        F.table.tableName,
        new Schema([new Field("n", new Int64(), true)])
      )
      const opening = Effect.scoped(zerobus.createStream(other, { spool }))
      const { message } = A.tagged(yield* Effect.flip(opening), "InvalidState")
      assert.include(message, "another Arrow schema")
    })
  )

  it.live(
    "loses nothing when its process is killed, and nothing that a later one adds",
    () =>
      Effect.gen(function* () {
        const path = `${folder}/killed`
        // Of each batch five rows are durable, as long as the process is to be killed.
        const server = new ScriptedFlight([
          { onFrame: (connection) => connection.ack(connection.rows - 5) },
          { onFrame: (connection) => connection.ack(connection.rows - 5) },
          {}
        ])
        const { port } = yield* scriptedGrpc(server)
        assert.strictEqual(yield* run(String(port), path, "0", "20", "kill"), "SIGKILL")
        assert.strictEqual(yield* run(String(port), path, "200", "5", "kill"), "SIGKILL")
        const { waitingRecords } = yield* Spool.inspect(path)
        assert.isAbove(waitingRecords, 0)
        assert.strictEqual(yield* run(String(port), path, "250", "1"), "0")
        const arrived = new Set(server.connections.flatMap(({ table }) => F.numbersOf(table)))
        assert.deepStrictEqual(
          [...arrived].sort((one, other) => one - other),
          F.numbers(0, 260)
        )
        assert.deepStrictEqual(server.violations, [])
        assert.strictEqual((yield* Spool.inspect(path)).waitingRecords, 0)
      }),
    60_000
  )
})
