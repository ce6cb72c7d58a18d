/**
 * Streams with a spool: accepted records survive the end of the stream, outages do not end streams,
 * and failing disks lose no record.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Option, Scope, Sink, Stream } from "effect"
import { Spool, type StreamConfigurationOptions, type ZerobusStream } from "effect-zerobus"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as A from "./support/acceptance.ts"
import { reporting } from "./support/reports.ts"
import { code, type Script, type ScriptedServer } from "./support/scriptedServer.ts"
import { spoolOn } from "./support/spoolFolder.ts"
import { temporaryFolder } from "./support/storedTables.ts"
import { failure, faultyDisk } from "./support/faultyDisk.ts"

const refusing = A.refusing(code.UNAVAILABLE)
const options = (folder: string, more: Partial<Spool.SpoolOptions> = {}) =>
  ({
    spool: Spool.directory(folder, more),
    scopeCloseTimeout: 0
  }) satisfies StreamConfigurationOptions

/** The records that a server received, per connection. */
const sent = (server: ScriptedServer): ReadonlyArray<ReadonlyArray<string>> =>
  server.connections.map(({ messages }) => messages.flatMap(({ records }) => records))

/** Runs a program with a stream in a separate scope, like consecutive processes. */
const session = <X, E, R>(
  folder: string,
  scripts: ReadonlyArray<Script>,
  program: (stream: ZerobusStream<any>, server: ScriptedServer) => Effect.Effect<X, E, R>,
  more: StreamConfigurationOptions = {}
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client(...scripts)
      const stream = yield* zerobus.createStream(A.table, { ...options(folder), ...more })
      return { result: yield* program(stream, server), server }
    })
  )

const until = (what: string, condition: () => boolean) => A.until(what, condition)

describe("a stream with a spool", () => {
  it.effect("ingests, flushes and closes; its spool is empty then", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { server } = yield* session(folder, [{}], (stream) =>
        Effect.gen(function* () {
          const first = yield* stream.ingestRecord(A.record(0))
          assert.strictEqual(first.offset, 0)
          yield* first.persisted
          const batch = yield* stream.ingestRecords(A.recordsFrom(1, 3))
          assert.strictEqual(batch?.offset, 1)
          const late = stream.offerUnsafe(A.record(4))!
          assert.strictEqual(late.offset, 2)
          yield* stream.flush
          assert.strictEqual(yield* first.await, 0)
          assert.isTrue(Option.isSome(yield* late.poll))
          yield* stream.close
        })
      )
      assert.deepStrictEqual(sent(server), [A.recordsFrom(0, 5)])
      const { firstOffset, nextOffset } = yield* Spool.inspect(folder)
      assert.deepStrictEqual([firstOffset, nextOffset], [3, 3])
    })
  )

  it.effect("S-21 keeps its folder and files private to their owner", () =>
    Effect.gen(function* () {
      const folder = Path.join(yield* temporaryFolder, "spool")
      const modes = Effect.promise(async () => {
        const names = [".", ...(await Fs.readdir(folder))]
        return Promise.all(
          names.map(async (name) => [name, (await Fs.stat(Path.join(folder, name))).mode & 0o077])
        )
      })
      // Without a mask of the process, a file has the mode that the program gave it.
      const { result } = yield* Effect.acquireUseRelease(
        Effect.sync(() => process.umask(0)),
        () =>
          session(folder, [{}], (stream) =>
            Effect.gen(function* () {
              yield* stream.ingestRecord(A.record(0))
              yield* stream.flush
              return yield* modes
            })
          ),
        (before) => Effect.sync(() => void process.umask(before))
      )
      // The folder, its log, and the lock.
      assert.isAtLeast(result.length, 3)
      assert.deepStrictEqual(
        result.filter(([, shared]) => shared !== 0),
        []
      )
    })
  )

  it.effect(
    "first sends the records of an earlier stream, in order, and continues its offsets",
    () =>
      reporting((reports) =>
        Effect.gen(function* () {
          const folder = yield* temporaryFolder
          yield* session(folder, [refusing], (stream) =>
            Effect.gen(function* () {
              for (let n = 0; n < 3; n++) yield* stream.ingestRecord(A.record(n))
              yield* stream.ingestRecords(A.recordsFrom(3, 2))
            })
          )
          const line = reports.lines.find(({ text }) => String(text).includes("stay in the spool"))
          assert.strictEqual(line?.level, "Info")
          const left = yield* Stream.runCollect(Spool.records(folder))
          assert.deepStrictEqual(
            left.map(({ offset, payload }) => `${offset} ${Buffer.from(payload).toString()}`),
            ['0 {"n":0}', '1 {"n":1}', '2 {"n":2}', '3 {"n":3}', '3 {"n":4}']
          )
          const { server } = yield* session(folder, [{}], (stream) =>
            Effect.gen(function* () {
              assert.strictEqual((yield* stream.ingestRecord(A.record(5))).offset, 4)
              yield* stream.flush
            })
          )
          assert.deepStrictEqual(sent(server), [A.recordsFrom(0, 6)])
          assert.deepStrictEqual(
            server.connections[0]!.messages.at(-2)?.records,
            A.recordsFrom(3, 2)
          )
        })
      )
  )

  it.effect(
    "waits through an outage with one attempt per thirty seconds, and sends everything after it",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        let down = true
        const script: Script = {
          onCreate: (connection) => (down ? connection.fail(code.UNAVAILABLE) : connection.accept())
        }
        yield* session(folder, [script], (stream, server) =>
          Effect.gen(function* () {
            const states: Array<string> = []
            yield* Effect.forkScoped(
              Stream.runForEach(stream.stateChanges, (state) =>
                Effect.sync(() => states.push(state))
              )
            )
            const ack = yield* stream.ingestRecord(A.record(0))
            yield* until("it reads its spool", () => server.connections.length > 0)
            yield* A.advance(20_000)
            assert.strictEqual(states.at(-1), "waiting")
            const before = server.connections.length
            yield* A.advance(3_600_000, 1_000)
            const attempts = server.connections.length - before
            assert.isTrue(
              attempts >= 3_600 / 36 - 1 && attempts <= 3_600 / 24 + 1,
              String(attempts)
            )
            assert.strictEqual((yield* stream.ingestRecord(A.record(1))).offset, 1)
            assert.isTrue(Option.isNone(yield* ack.poll))
            down = false
            yield* A.advance(36_000)
            assert.strictEqual(states.at(-1), "open")
            yield* ack.await
            yield* stream.flush
            assert.deepStrictEqual(sent(server).at(-1), A.recordsFrom(0, 2))
          })
        )
      })
  )

  it.effect("ends on a final failure, and the spool keeps everything for the next stream", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* session(folder, [A.refusing(code.NOT_FOUND)], (stream) =>
        Effect.gen(function* () {
          const ack = yield* stream.ingestRecord(A.record(0))
          A.tagged(yield* Effect.flip(ack.await), "InvalidTable")
          yield* A.settle
          const closed = A.tagged(
            yield* Effect.flip(stream.ingestRecord(A.record(1))),
            "StreamClosed"
          )
          assert.strictEqual(closed.cause?._tag, "InvalidTable")
          assert.deepStrictEqual(yield* stream.getUnackedRecords, [A.record(0)])
        })
      )
      const { server } = yield* session(folder, [{}], (stream) => stream.flush)
      assert.deepStrictEqual(sent(server), [[A.record(0)]])
    })
  )

  it.effect("is recreated on its spool", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { server, zerobus } = yield* A.client(A.refusing(code.NOT_FOUND), {})
      const stream = yield* zerobus.createStream(A.table, options(folder))
      const ack = yield* stream.ingestRecord(A.record(0))
      yield* Effect.exit(ack.await)
      const again = yield* zerobus.recreateStream(stream)
      assert.strictEqual((yield* again.ingestRecord(A.record(1))).offset, 1)
      yield* again.flush
      assert.deepStrictEqual(sent(server), [[], A.recordsFrom(0, 2)])
    })
  )

  it.effect(
    "sends unacknowledged records again after a lost connection, and keeps only those for " +
      "the next process",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        yield* session(folder, [A.silent], (stream, server) =>
          Effect.gen(function* () {
            for (let n = 0; n < 4; n++) {
              yield* stream.ingestRecord(A.record(n))
              yield* until("it is sent", () => sent(server)[0]?.length === n + 1)
            }
            server.last.ack(1)
            yield* stream.waitForOffset(1 as never)
          })
        )
        const { server } = yield* session(folder, [{}], (stream) => stream.flush)
        assert.deepStrictEqual(sent(server), [A.recordsFrom(2, 2)])
      })
  )

  it.effect(
    "keeps the landing zone bounded however many records wait, and drains them in order",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const count = 5_000
        const small = { maxInflightBytes: 20_000, batching: { maxBytes: 2_000 } }
        yield* session(
          folder,
          [refusing],
          (stream) =>
            Stream.run(
              Stream.fromIterable(A.recordsFrom(0, count)),
              Sink.forEachArray((records) =>
                Effect.gen(function* () {
                  for (const record of records)
                    while (stream.offerUnsafe(record) === undefined) yield* A.turn
                })
              )
            ),
          small
        )
        const { server } = yield* session(
          folder,
          [A.silent],
          (stream, server) =>
            Effect.gen(function* () {
              let acked = 0
              const bytes = () => sent(server)[0]?.slice(acked).join("").length ?? 0
              const flush = yield* Effect.forkScoped(stream.flush)
              for (let messages = 0; acked < count;) {
                yield* A.settle
                assert.isAtMost(bytes(), 20_000)
                messages = server.last.messages.length
                acked = sent(server)[0]!.length
                if (messages > 0) server.last.ack(messages - 1)
              }
              yield* Fiber.join(flush)
            }),
          small
        )
        assert.deepStrictEqual(sent(server), [A.recordsFrom(0, count)])
      })
  )

  it.effect("serves a sink, which waits for the disk once per chunk", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { server, zerobus } = yield* A.client({})
      const summary = yield* Stream.run(
        Stream.fromIterable(A.recordsFrom(0, 1_000)),
        zerobus.sink(A.table, options(folder))
      )
      assert.deepStrictEqual([summary.records, summary.lastOffset], [1_000, 999])
      assert.deepStrictEqual(sent(server), [A.recordsFrom(0, 1_000)])
    })
  )

  it.effect("gives refused records to onRefused, after which they leave the spool", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const script: Script = {
        onMessage: (connection, { records, wireOffset }) => {
          if (records.includes(A.record(1)))
            connection.fail(code.INVALID_ARGUMENT, "no such column")
          else connection.ack(wireOffset)
        }
      }
      const refused: Array<unknown> = []
      yield* session(
        folder,
        [script],
        (stream) =>
          Effect.gen(function* () {
            yield* Effect.forEach(A.recordsFrom(0, 3), (record) => stream.ingestRecord(record), {
              concurrency: 3
            })
            yield* stream.flush
          }),
        { onRefused: ({ records }) => Effect.sync(() => refused.push(...records)) }
      )
      assert.deepStrictEqual(refused, [A.record(1)])
      const { firstOffset, nextOffset } = yield* Spool.inspect(folder)
      assert.deepStrictEqual([firstOffset, nextOffset], [3, 3])
    })
  )

  it.effect("keeps an interrupted call whole or not at all", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { server } = yield* session(folder, [{}], (stream) =>
        Effect.gen(function* () {
          const call = yield* Effect.forkChild(stream.ingestRecord(A.record(0)), {
            startImmediately: true
          })
          const exit = yield* Effect.andThen(Fiber.interrupt(call), Fiber.await(call))
          assert.isTrue(Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause))
          assert.strictEqual((yield* stream.ingestRecord(A.record(1))).offset, 1)
          yield* stream.flush
        })
      )
      assert.deepStrictEqual(sent(server), [A.recordsFrom(0, 2)])
    })
  )
})

describe("a full spool", () => {
  const text = (n: number) => JSON.stringify({ n, text: "x".repeat(3_000_000) })
  const least = { maxBytes: 16 * 1024 * 1024 }

  it.effect(
    "lets calls wait, bounded by ingestTimeout and left by interruption, until the server takes " +
      "records",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        let down = true
        const script: Script = {
          onCreate: (connection) => (down ? connection.fail(code.UNAVAILABLE) : connection.accept())
        }
        const { server, zerobus } = yield* A.client(script)
        const stream = yield* zerobus.createStream(A.table, {
          ...options(folder, least),
          recoveryRetries: 1_000,
          ingestTimeout: 60_000
        })
        for (let n = 0; n < 5; n++) yield* stream.ingestRecord(text(n))
        const late = yield* A.started(stream.ingestRecord(text(97)))
        assert.isFalse(late.done())
        assert.isUndefined(stream.offerUnsafe(A.record(0)))
        yield* A.advance(60_001)
        assert.strictEqual(A.tagged(late.error(), "FlushTimeout").operation, "ingestRecord")
        const given = yield* A.started(stream.ingestRecord(text(98)))
        yield* given.interrupt
        const waiting = yield* Effect.forkScoped(stream.ingestRecord(text(5)), {
          startImmediately: true
        })
        down = false
        yield* A.advance(3_000)
        assert.strictEqual((yield* Fiber.join(waiting)).offset, 5)
        yield* stream.flush
        assert.deepStrictEqual(
          sent(server)
            .at(-1)
            ?.map((record) => JSON.parse(record).n),
          [0, 1, 2, 3, 4, 5]
        )
      })
  )

  it.effect(
    "with a waiting sink and a closing scope ends both, and the next stream sends its records",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const scope = yield* Scope.make()
        const { zerobus } = yield* A.client(refusing)
        const stream = yield* Scope.provide(
          zerobus.createStream(A.table, options(folder, least)),
          scope
        )
        const records = Array.from({ length: 9 }, (_, n) => text(n))
        const sink = yield* A.started(Stream.run(Stream.fromIterable(records), stream.toSink))
        // The sixth record does not fit. The disk is slow for the others.
        while ((yield* Spool.progress(stream)).nextOffset < 5) yield* A.turn
        yield* A.settle
        assert.isFalse(sink.done())
        yield* Scope.close(scope, Exit.void)
        A.tagged(A.failureOf(yield* Effect.exit(sink.join)), "StreamClosed")
        const { nextOffset } = yield* Spool.inspect(folder)
        assert.strictEqual(nextOffset, 5)
        const { server } = yield* session(folder, [{}], (next) => next.flush)
        assert.deepStrictEqual(sent(server), [records.slice(0, nextOffset)])
      })
  )

  it.effect("with a waiting call and a closing scope ends both, and keeps its records", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const scope = yield* Scope.make()
      const { zerobus } = yield* A.client(refusing)
      const stream = yield* Scope.provide(
        zerobus.createStream(A.table, options(folder, least)),
        scope
      )
      const calls = yield* A.started(
        Effect.forEach([0, 1, 2, 3, 4, 5, 6], (n) => stream.ingestRecord(text(n)), {
          concurrency: "unbounded"
        })
      )
      yield* until("some are taken", () => stream.offerUnsafe(A.record(0)) === undefined)
      yield* Scope.close(scope, Exit.void)
      A.tagged(A.failureOf(yield* Effect.exit(calls.join)), "StreamClosed")
      const { firstOffset, nextOffset } = yield* Spool.inspect(folder)
      assert.strictEqual(firstOffset, 0)
      assert.isAbove(nextOffset, 0)
      assert.isBelow(nextOffset, 7)
    })
  )
})

describe("positions of a source", () => {
  const text = (n: number) => Buffer.from(`line ${n}`)

  it.effect(
    "are on disk with their records, and tell the next process how many records lie behind them",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        yield* session(folder, [refusing], (stream) =>
          Effect.gen(function* () {
            assert.deepStrictEqual(yield* Spool.progress(stream), {
              nextOffset: 0 as never,
              position: undefined,
              behindPosition: 0
            })
            const first = yield* stream.ingestRecord(A.record(0))
            yield* stream.ingestRecord(A.record(1))
            yield* Spool.notePosition(stream, text(1))
            assert.deepStrictEqual(Buffer.from((yield* Spool.inspect(folder)).position!), text(1))
            // For an older record: the position stored later counts.
            yield* Spool.notePosition(stream, text(0), first)
            yield* stream.ingestRecord(A.record(2))
          })
        )
        yield* session(folder, [refusing], (stream) =>
          Effect.gen(function* () {
            const { behindPosition, nextOffset, position } = yield* Spool.progress(stream)
            assert.deepStrictEqual([behindPosition, nextOffset], [2, 3])
            assert.deepStrictEqual(Buffer.from(position!), text(0))
          })
        )
      })
  )

  it.effect(
    "are refused when too large, without a spool, and for a record whose group failed",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const { zerobus } = yield* A.client({}, {})
        const plain = yield* zerobus.createStream(A.table)
        A.tagged(yield* Effect.flip(Spool.notePosition(plain, text(0))), "InvalidState")
        A.tagged(yield* Effect.flip(Spool.progress(plain)), "InvalidState")
        const stream = yield* zerobus.createStream(A.table, options(folder))
        A.tagged(
          yield* Effect.flip(Spool.notePosition(stream, new Uint8Array(1025))),
          "InvalidArgument"
        )
        yield* Effect.promise(() => Fs.rm(folder, { recursive: true }))
        const lost = stream.offerUnsafe(A.record(0))!
        const error = yield* Effect.flip(Spool.notePosition(stream, text(0), lost))
        assert.strictEqual(A.tagged(error, "Retryable").reason._tag, "SpoolUnavailable")
        const again = A.tagged(
          yield* Effect.flip(Spool.notePosition(stream, text(0), lost)),
          "Retryable"
        )
        assert.strictEqual(again.reason._tag, "SpoolUnavailable")
      })
  )
})

describe("a spool whose disk fails", () => {
  it.effect(
    "fails calls and receipts of a group that was not synchronised, and sends nothing of it",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const disk = faultyDisk()
        const { server, zerobus } = yield* A.client({})
        const stream = yield* zerobus.createStream(A.table, {
          spool: spoolOn(disk, folder),
          scopeCloseTimeout: 0
        })
        yield* stream.ingestRecord(A.record(0))
        disk.before = (operation) => {
          if (operation === "datasync") throw failure("EIO")
        }
        const receipt = stream.offerUnsafe(A.record(98))!
        const error = A.tagged(yield* Effect.flip(stream.ingestRecord(A.record(99))), "Retryable")
        assert.strictEqual(error.reason._tag, "SpoolUnavailable")
        assert.include(error.message, "EIO")
        for (const outcome of [receipt.persisted, receipt.await])
          A.tagged(yield* Effect.flip(outcome), "Retryable")
        assert.isTrue(Option.isSome(yield* receipt.poll))
        const whole = yield* Effect.exit(
          Stream.run(Stream.fromIterable(A.recordsFrom(90, 9)), stream.toSink)
        )
        A.tagged(A.failureOf(whole), "Retryable")
        disk.before = () => {}
        assert.strictEqual((yield* stream.ingestRecord(A.record(1))).offset, 1)
        yield* stream.flush
        assert.deepStrictEqual(sent(server), [A.recordsFrom(0, 2)])
      })
  )
})

describe("createStream with a spool", () => {
  it.effect("refuses invalid options by name", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { zerobus } = yield* A.client({})
      const refusal = (more: StreamConfigurationOptions) =>
        Effect.map(Effect.flip(zerobus.createStream(A.table, more)), (error) =>
          A.tagged(error, "InvalidArgument")
        )
      assert.deepStrictEqual(
        (yield* refusal({ spool: Spool.directory(folder, { maxBytes: 5 }) })).path,
        ["spool", "maxBytes"]
      )
      assert.deepStrictEqual((yield* refusal({ spool: Spool.directory("") })).path, [
        "spool",
        "path"
      ])
      assert.deepStrictEqual((yield* refusal({ ...options(folder), recovery: false })).path, [
        "spool"
      ])
      assert.deepStrictEqual((yield* refusal({ spool: { path: folder } as never })).path, [
        "spool",
        "open"
      ])
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(folder)), [])
    })
  )

  it.effect("refuses one that is in use, damaged, or of another table, with InvalidState", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { zerobus } = yield* A.client({})
      yield* Effect.scoped(
        Effect.gen(function* () {
          const stream = yield* zerobus.createStream(A.table, options(folder))
          yield* stream.ingestRecord(A.record(0))
          const inUse = A.tagged(
            yield* Effect.flip(zerobus.createStream(A.table, options(folder))),
            "InvalidState"
          )
          assert.include(inUse.message, "in use by process")
        })
      )
      const other = yield* Effect.flip(zerobus.createStream(A.protoTable, options(folder)))
      assert.include(A.tagged(other, "InvalidState").message, "main.default.readings")
      const path = Path.join(folder, "000000000001.log")
      yield* Effect.promise(async () => {
        const file = await Fs.readFile(path)
        file[20]! ^= 1
        await Fs.writeFile(path, file)
      })
      const damaged = A.tagged(
        yield* Effect.flip(zerobus.createStream(A.table, options(folder))),
        "InvalidState"
      )
      assert.include(damaged.message, path)
      assert.include(
        A.tagged(yield* Effect.flip(Spool.inspect(folder)), "InvalidState").message,
        path
      )
    })
  )

  it.effect("fails with Retryable where the folder cannot be made", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.promise(() => Fs.writeFile(Path.join(folder, "file"), ""))
      const { zerobus } = yield* A.client({})
      const error = yield* Effect.flip(
        zerobus.createStream(A.table, options(Path.join(folder, "file", "spool")))
      )
      assert.strictEqual(A.tagged(error, "Retryable").reason._tag, "SpoolUnavailable")
    })
  )
})

it.effect(
  "a spool whose files vanish ends the stream with InvalidState, or fails its calls with Retryable",
  () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* session(folder, [refusing], (stream) =>
        Effect.gen(function* () {
          yield* stream.ingestRecord(A.record(0))
          yield* Effect.promise(() => Fs.rm(folder, { recursive: true }))
          const error = A.tagged(yield* Effect.flip(stream.ingestRecord(A.record(1))), "Retryable")
          assert.strictEqual(error.reason._tag, "SpoolUnavailable")
        })
      )
    })
)
