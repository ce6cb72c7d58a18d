/** Dead letters: refused and unacknowledged records, written to a file or to a table. */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { Context, Effect, Layer } from "effect"
import {
  DeadLetters,
  HeadersProvider,
  InvalidArgument,
  Offset,
  type Refused,
  Zerobus
} from "effect-zerobus"
import * as MemoryTransport from "../src/testing/MemoryTransport.ts"
import * as A from "./support/acceptance.ts"
import { code, type Script, ScriptedServer } from "./support/scriptedServer.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "letters-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true }))
)

const bytes = (text: string) => new Uint8Array(Buffer.from(text))

const letter = (offset: number, ...payloads: ReadonlyArray<Uint8Array>): Refused<any> => ({
  tableName: "main.default.readings",
  streamId: "session-0",
  offset: Offset(offset),
  records: payloads,
  payloads,
  cause: new InvalidArgument({ message: `No ${offset}.`, path: [], offset })
})

const linesOf = (path: string): ReadonlyArray<any> =>
  Fs.readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))

describe("a file of dead letters", () => {
  it.effect("has a line for each record, with the record's own text", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* folder, "letters.ndjson")
      const write = DeadLetters.file(path)
      yield* write(letter(3, bytes('{"n":12345678901234567890,\n"s":"a\\nb"}')))
      yield* write(letter(4, bytes('{"n":1}'), bytes('{"n":2}')))
      yield* write(letter(5, Uint8Array.of(10, 1, 65)))
      // An Avro record with the long -62 and a string.
      yield* write(letter(6, Uint8Array.of(0x7b, 2, 0x61), Uint8Array.of(0x7b, 0xff)))
      assert.include(
        Fs.readFileSync(path, "utf8"),
        '"record":{"n":12345678901234567890, "s":"a\\nb"}}\n'
      )
      const lines = linesOf(path)
      assert.deepStrictEqual(
        lines.map(({ offset, payloadBase64, reason, record, streamId, table }) => [
          table,
          streamId,
          offset,
          reason,
          record?.n ?? payloadBase64
        ]),
        [
          ["main.default.readings", "session-0", 3, "No 3.", Number("12345678901234567890")],
          ["main.default.readings", "session-0", 4, "No 4.", 1],
          ["main.default.readings", "session-0", 4, "No 4.", 2],
          ["main.default.readings", "session-0", 5, "No 5.", "CgFB"],
          ["main.default.readings", "session-0", 6, "No 6.", "ewJh"],
          ["main.default.readings", "session-0", 6, "No 6.", "e/8="]
        ]
      )
      assert.strictEqual(lines[0].at, "1970-01-01T00:00:00.000Z")
      assert.strictEqual(Fs.statSync(path).mode & 0o777, 0o600)
    })
  )

  it.effect("takes unacknowledged records, readable and not", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* folder, "letters.ndjson")
      yield* DeadLetters.file(path)({
        tableName: "main.default.readings",
        streamId: "session-0",
        records: ['{"n":1}', { n: 2n }, Uint8Array.of(1, 2)],
        unreadable: [bytes('{"n":3}')],
        cause: new InvalidArgument({ message: "Gone.", path: [] })
      })
      assert.deepStrictEqual(
        linesOf(path).map(({ offset, payloadBase64, record }) => [offset, record ?? payloadBase64]),
        [
          [null, { n: 1 }],
          [null, { n: "2" }],
          [null, "AQI="],
          [null, { n: 3 }]
        ]
      )
    })
  )

  it.effect(
    "is set aside when it is large, is never overwritten, and continues after a torn line",
    () =>
      Effect.gen(function* () {
        const path = Path.join(yield* folder, "letters.ndjson")
        Fs.writeFileSync(path, '{"torn":')
        const write = DeadLetters.file(path, { maxBytes: 50 })
        yield* Effect.forEach([0, 1, 2], (n) => write(letter(n, bytes(`{"n":${n}}`))), {
          concurrency: 3
        })
        assert.deepStrictEqual(Fs.readFileSync(`${path}.1`, "utf8").split("\n").slice(0, 1), [
          '{"torn":'
        ])
        assert.strictEqual(
          JSON.parse(Fs.readFileSync(`${path}.1`, "utf8").split("\n")[1]!).record.n,
          0
        )
        assert.strictEqual(linesOf(`${path}.2`)[0].record.n, 1)
        assert.strictEqual(linesOf(path)[0].record.n, 2)
      })
  )

  it.effect("fails typed for a link, a folder, and a folder that is missing", () =>
    Effect.gen(function* () {
      const inside = yield* folder
      Fs.writeFileSync(Path.join(inside, "other"), "")
      Fs.symlinkSync(Path.join(inside, "other"), Path.join(inside, "link"))
      for (const [path, expected] of [
        [Path.join(inside, "link"), "NotAFile"],
        [inside, "NotAFile"],
        [Path.join(inside, "no", "letters"), "ENOENT"]
      ] as const) {
        const error = yield* Effect.flip(DeadLetters.file(path)(letter(0, bytes("{}"))))
        assert.deepStrictEqual(
          [error._tag, error.path, error.code],
          ["LetterNotWritten", path, expected]
        )
      }
      assert.strictEqual(Fs.readFileSync(Path.join(inside, "other"), "utf8"), "")
    })
  )
})

describe("a table of dead letters", () => {
  const letters = Effect.fnUntraced(function* (script: Script) {
    const server = new ScriptedServer([script])
    const context = yield* Layer.build(
      Zerobus.layerNoDeps.pipe(
        Layer.provide([
          MemoryTransport.layer(server.serve),
          Layer.succeed(HeadersProvider, new A.CountingProvider().shape)
        ])
      )
    )
    const write = yield* Effect.provideService(
      DeadLetters.table("main.default.dead_letters", { scopeCloseTimeout: 0 }),
      Zerobus,
      Context.get(context, Zerobus)
    )
    return { server, write }
  })

  it.effect("gets a row for each record, durable when the handler succeeds", () =>
    Effect.gen(function* () {
      const { server, write } = yield* letters(A.silent)
      const writing = yield* A.started(write(letter(7, bytes('{"n":1}'), Uint8Array.of(10, 1, 65))))
      assert.isFalse(writing.done())
      const common = {
        at: 0,
        table: "main.default.readings",
        stream: "session-0",
        offset: 7,
        reason: "No 7."
      }
      assert.deepStrictEqual(
        server.records.map((text) => JSON.parse(text)),
        [
          { ...common, record: '{"n":1}' },
          { ...common, record: "CgFB" }
        ]
      )
      server.last.ack(0)
      yield* A.settle
      assert.isTrue(writing.done())
    })
  )

  it.effect("does not write letters about its own records", () =>
    Effect.gen(function* () {
      const { server, write } = yield* letters({
        onMessage: (connection) => connection.fail(code.INVALID_ARGUMENT)
      })
      const writing = yield* A.started(write(letter(7, bytes('{"n":1}'))))
      A.tagged(writing.error(), "InvalidArgument")
      assert.isAtMost(server.connections.length, 2)
      A.tagged(yield* Effect.flip(write(letter(8, bytes('{"n":1}')))), "StreamClosed")
    })
  )
})
