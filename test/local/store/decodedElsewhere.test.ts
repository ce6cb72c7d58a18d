/**
 * Messages that another thread decodes: the table has the same content as when the main thread
 * decodes them.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import {
  toDescriptorProto,
  parseDescriptorProto
} from "../../../src/internal/protobuf/descriptor.ts"
import { parseColumns } from "../../../src/internal/columns/columnTypeParser.ts"
import type { LogFormat } from "../../../src/local/log/logFrames.ts"
import {
  blockDecoder,
  blockOf,
  type MessageRecords
} from "../../../src/local/decoding/decodeBlock.ts"
import type { DecodeThread } from "../../../src/local/decoding/decodeThread.ts"
import { localFlusher } from "../../../src/local/flush/flusher.ts"
import type { Appended } from "../../../src/local/store/appended.ts"
import {
  type DurableOptions,
  makeDurableTableStore
} from "../../../src/local/store/durableTableStore.ts"
import type { TableWriter } from "../../../src/local/store/tableStore.ts"
import { protobufType, record } from "../../support/randomRecords.ts"
import { randomTable, seeded, storable } from "../../support/randomTables.ts"
import { byHand, json, table, temporaryFolder } from "../../support/storedTables.ts"

const get = <A>(result: Result.Result<A, string>): A =>
  Result.getOrThrowWith(result, (why) => new Error(why))

const elsewhere = (writer: TableWriter, messages: ReadonlyArray<MessageRecords>) =>
  Effect.callback<Appended>((resume) =>
    writer.appendElsewhere!(messages, (appended) => resume(Effect.succeed(appended)))
  )

const durable = (writer: TableWriter, ticket: number) =>
  Effect.callback<void, unknown>((resume) =>
    writer.onDurable(ticket, (failure) =>
      resume(failure === undefined ? Effect.void : Effect.fail(failure))
    )
  )

/** Records as views of the bytes of one message. */
const message = (...records: ReadonlyArray<Uint8Array>): MessageRecords => {
  const bytes = Buffer.concat(records)
  let at = 0
  return records.map(({ length }) => bytes.subarray(at, (at += length)))
}

/** A thread that decodes when the test lets it. */
const heldThread = () => {
  const held: Array<() => void> = []
  const thread: DecodeThread = {
    isReady: () => true,
    isBroken: () => false,
    decode: (target, messages, done) =>
      held.push(() => done(blockDecoder(target)(blockOf(messages)))),
    forget: () => {},
    close: async () => {}
  }
  return { thread, release: () => held.splice(0).forEach((decode) => decode()) }
}

const opened = (options: Partial<DurableOptions> = {}) =>
  Effect.flatMap(temporaryFolder, (folder) =>
    makeDurableTableStore({ ...byHand, folder, ...options })
  )

describe("messages decoded in another thread", () => {
  for (let seed = 1; seed <= 8; seed++) {
    it.live(`give the rows of random table ${seed}, mixed with messages decoded here`, () =>
      Effect.gen(function* () {
        const definition = storable(randomTable(seed))
        const descriptor = get(toDescriptorProto(definition))
        const type = protobufType(get(parseDescriptorProto(descriptor)), true)
        const format: LogFormat = seed % 2 === 0 ? { _tag: "Json" } : { _tag: "Proto", descriptor }
        const random = seeded(seed * 13)
        const messages = Array.from({ length: 40 }, () =>
          message(
            ...Array.from({ length: 1 + Math.floor(random() * 40) }, () => {
              const { json: object, proto } = record(random, definition.columns)
              if (format._tag === "Json") return json(object)
              return Buffer.from(
                type.encode(type.fromObject(proto as Record<string, unknown>)).finish()
              )
            })
          )
        )
        const main = yield* opened({ worker: false })
        const beside = yield* opened({ limits: { maxBatchRows: 300 } })
        for (const store of [main, beside]) yield* store.create(definition)
        const writer = yield* main.openWriter(definition.name, format)
        for (const records of messages) assert.isNumber(writer.appendUnsafe(records))
        const other = yield* beside.openWriter(definition.name, format)
        for (let at = 0; at < messages.length;) {
          const count = Math.floor(random() * 5)
          if (count === 0) assert.isNumber(other.appendUnsafe(messages[at++]!))
          else {
            const block = messages.slice(at, at + count)
            const { problem, tickets } = yield* elsewhere(other, block)
            assert.isUndefined(problem)
            assert.lengthOf(tickets, block.length)
            at += block.length
          }
        }
        for (const store of [main, beside]) yield* store.flush(definition.name)
        assert.deepStrictEqual(
          yield* beside.rows(definition.name),
          yield* main.rows(definition.name)
        )
      })
    )
  }

  it.live("are taken up to the first that is refused, with the record and the column", () =>
    Effect.gen(function* () {
      const store = yield* opened()
      const { name } = table("main.default.t(id BIGINT)")
      yield* store.create(table("main.default.t(id BIGINT)"))
      const writer = yield* store.openWriter(name, { _tag: "Json" })
      const { problem, tickets } = yield* elsewhere(writer, [
        message(json({ id: 1 }), json({ id: 2 })),
        message(json({ id: 3 })),
        message(json({ id: 4 }), json({ id: "x" })),
        message(json({ id: 5 }))
      ])
      assert.lengthOf(tickets, 2)
      const refused = writer.appendUnsafe([json({ id: 4 }), json({ id: "x" })])
      if (typeof refused === "number") return assert.fail("a bad record was taken")
      assert.strictEqual(problem?.message, refused.message)
      for (const ticket of tickets) yield* durable(writer, ticket)
      yield* store.flush(name)
      assert.deepStrictEqual(yield* store.rows(name), [{ id: 1n }, { id: 2n }, { id: 3n }])
      const none = yield* elsewhere(writer, [message(json({ id: "y" }))])
      assert.lengthOf(none.tickets, 0)
    })
  )

  it.live("are decoded here when the table got a column meanwhile", () =>
    Effect.gen(function* () {
      const { release, thread } = heldThread()
      const store = yield* opened({ decoding: thread })
      const definition = table("main.default.t(id BIGINT)")
      yield* store.create(definition)
      const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
      const results: Array<Appended> = []
      writer.appendElsewhere!([message(json({ id: 1 })), message(json({ id: 2 }))], (result) =>
        results.push(result)
      )
      yield* store.addColumns(definition.name, get(parseColumns("word STRING")))
      release()
      assert.lengthOf(results[0]!.tickets, 2)
      writer.appendElsewhere!([message(json({ id: 3, word: "c" }))], (result) =>
        results.push(result)
      )
      release()
      assert.lengthOf(results[1]!.tickets, 1)
      yield* store.flush(definition.name)
      assert.deepStrictEqual(yield* store.rows(definition.name), [
        { id: 1n, word: null },
        { id: 2n, word: null },
        { id: 3n, word: "c" }
      ])
    })
  )

  it.live("survive a stop without a flush: the log has them", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const definition = table("main.default.t(id BIGINT)")
      const flusher = {
        ...localFlusher(),
        flush: () => Promise.reject(new Error("planted")),
        look: () => Promise.reject(new Error("planted"))
      }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* makeDurableTableStore({ ...byHand, folder })
          yield* store.create(definition)
        })
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* makeDurableTableStore({ ...byHand, folder, flusher })
          const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
          const { tickets } = yield* elsewhere(writer, [
            message(json({ id: 1 })),
            message(json({ id: 2 }))
          ])
          for (const ticket of tickets) yield* durable(writer, ticket)
        })
      )
      const store = yield* makeDurableTableStore({ ...byHand, folder })
      yield* store.flush(definition.name)
      assert.deepStrictEqual(yield* store.rows(definition.name), [{ id: 1n }, { id: 2n }])
    })
  )

  it.live("are the large ones, and with a limit all of a stream at full speed", () =>
    Effect.gen(function* () {
      const { thread } = heldThread()
      const definition = table("main.default.t(id BIGINT)")
      const chosen = Effect.fnUntraced(function* (limits: DurableOptions["limits"]) {
        const store = yield* opened({ decoding: thread, limits })
        yield* store.create(definition)
        const { isForElsewhere } = yield* store.openWriter(definition.name, { _tag: "Json" })
        return [
          [100, 100],
          [100, 10_000],
          [5000, 5000]
        ].map(([bytes, undurable]) => isForElsewhere!(bytes!, undurable!))
      })
      assert.deepStrictEqual(yield* chosen({ largeMessageBytes: 5000, bulkBytes: Infinity }), [
        false,
        false,
        true
      ])
      assert.deepStrictEqual(yield* chosen({ largeMessageBytes: 6000, bulkBytes: 10_000 }), [
        false,
        true,
        false
      ])
    })
  )
})
