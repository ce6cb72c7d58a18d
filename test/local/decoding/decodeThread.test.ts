/**
 * Compares messages decoded in another thread with the same messages decoded here, and tests the
 * end of threads.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import type { Worker } from "node:worker_threads"
import type { TableDefinition } from "../../../src/internal/columns/columnType.ts"
import {
  parseDescriptorProto,
  toDescriptorProto
} from "../../../src/internal/protobuf/descriptor.ts"
import type { LogFormat } from "../../../src/local/log/logFrames.ts"
import { type LeafChunk, markOf, rollBack } from "../../../src/local/parquet/columnBuffer.ts"
import { columnTree, makeLeaves } from "../../../src/local/parquet/columnTree.ts"
import {
  blockDecoder,
  blockOf,
  type DecodedBlock,
  type MessageRecords
} from "../../../src/local/decoding/decodeBlock.ts"
import { type DecodeResult, decodeThread } from "../../../src/local/decoding/decodeThread.ts"
import { makeDecoder } from "../../../src/local/records/recordDecoder.ts"
import { problemOf } from "../../../src/local/records/recordProblem.ts"
import { protobufType, record } from "../../support/randomRecords.ts"
import { randomTable, seeded, storable } from "../../support/randomTables.ts"
import { json, table } from "../../support/storedTables.ts"

const get = <A>(result: Result.Result<A, string>): A =>
  Result.getOrThrowWith(result, (why) => new Error(why))

const contentOf = (chunks: ReadonlyArray<LeafChunk>) =>
  chunks.map(({ definitions, entries, repetitions, size, values }) => ({
    entries,
    definitions: [...definitions.subarray(0, entries)],
    repetitions: [...repetitions.subarray(0, entries)],
    values: [...values.subarray(0, size)]
  }))

/** The result of decoding the messages record by record. */
const expected = (
  { columns }: TableDefinition,
  format: LogFormat,
  messages: ReadonlyArray<MessageRecords>
) => {
  const tree = columnTree(columns)
  const leaves = makeLeaves(tree)
  const decode = makeDecoder(tree, format, leaves)
  let refused: DecodedBlock["refused"]
  for (const [message, records] of messages.entries()) {
    const mark = markOf(leaves, 0)
    for (const [index, bytes] of records.entries()) {
      try {
        decode(bytes)
      } catch (error) {
        rollBack(leaves, mark)
        const { expected, path } = problemOf(error)
        refused = { message, record: index, path, expected }
        break
      }
    }
    if (refused !== undefined) break
  }
  return { content: contentOf(leaves.map((leaf) => leaf.seal())), refused }
}

/** Messages of a random table in one format; with `bad`, one record is damaged. */
const messagesOf = (seed: number, bad: boolean) => {
  const definition = storable(randomTable(seed))
  const random = seeded(seed * 101)
  const descriptor = get(toDescriptorProto(definition))
  const type = protobufType(get(parseDescriptorProto(descriptor)), seed % 3 === 0)
  const format: LogFormat = seed % 2 === 0 ? { _tag: "Json" } : { _tag: "Proto", descriptor }
  const made = Array.from({ length: 12 }, () =>
    Array.from({ length: 1 + Math.floor(random() * 5) }, () => {
      const { json: object, proto } = record(random, definition.columns)
      if (format._tag === "Json") return json(object)
      return Buffer.from(type.encode(type.fromObject(proto as Record<string, unknown>)).finish())
    })
  )
  if (bad) made[Math.floor(random() * made.length)]!.push(Buffer.from("\u0007{"))
  // The records of a message are views of its bytes, with other bytes between them.
  const messages = made.map((records) => {
    const message = Buffer.concat(records.flatMap((bytes) => [Buffer.from("tag"), bytes]))
    let at = 0
    return records.map(({ length }) => {
      at += 3 + length
      return message.subarray(at - length, at)
    })
  })
  return { definition, format, messages }
}

const closed = <A>(
  use: (thread: ReturnType<typeof decodeThread>) => Promise<A>,
  ...options: Parameters<typeof decodeThread>
) =>
  Effect.acquireUseRelease(
    Effect.sync(() => decodeThread(...options)),
    (thread) => Effect.promise(() => use(thread)),
    (thread) => Effect.promise(() => thread.close())
  )

const decoded = (
  thread: ReturnType<typeof decodeThread>,
  target: Parameters<typeof thread.decode>[0],
  messages: ReadonlyArray<MessageRecords>
) =>
  // The rows are copied immediately, because the thread reuses their memory.
  new Promise<
    | DecodeResult
    | { readonly content: ReturnType<typeof contentOf>; readonly refused: DecodedBlock["refused"] }
  >((resolve) =>
    thread.decode(target, messages, (result) =>
      resolve(
        typeof result === "object" && "chunks" in result
          ? { content: contentOf(result.chunks), refused: result.refused }
          : result
      )
    )
  )

const plain = {
  columns: table("main.default.t(id BIGINT, word STRING)").columns,
  format: { _tag: "Json" }
} as const

describe("blocks of messages", () => {
  for (let seed = 1; seed <= 40; seed++) {
    it(`have the rows of their records, whole or up to a refusal, for random table ${seed}`, () => {
      for (const bad of [false, true]) {
        const { definition, format, messages } = messagesOf(seed, bad)
        const decode = blockDecoder({ columns: definition.columns, format })
        // The decoder is reused: the second block must not contain rows of the first.
        for (let round = 0; round < 2; round++) {
          const { chunks, refused } = decode(blockOf(messages))
          const wanted = expected(definition, format, messages)
          assert.deepStrictEqual({ content: contentOf(chunks), refused }, wanted)
          assert.strictEqual(refused === undefined, !bad)
        }
      }
    })
  }
})

describe("the decode thread", () => {
  it.live("gives the rows of random tables, block after block and target after target", () =>
    closed(async (thread) => {
      const cases = Array.from({ length: 10 }, (_, seed) => messagesOf(seed + 1, seed % 3 === 0))
      const targets = cases.map(({ definition, format }) => ({
        columns: definition.columns,
        format
      }))
      for (let round = 0; round < 3; round++) {
        const results = await Promise.all(
          cases.map(({ messages }, index) => decoded(thread, targets[index]!, messages))
        )
        cases.forEach(({ definition, format, messages }, index) =>
          assert.deepStrictEqual(results[index], expected(definition, format, messages))
        )
        thread.forget(targets[round]!)
      }
      assert.isTrue(thread.isReady())
    })
  )

  it.live("takes memory back only when its rows were copied: large blocks keep their rows", () =>
    closed(async (thread) => {
      const message = (letter: string) =>
        [Array.from({ length: 2000 }, (_, id) => json({ id, word: letter.repeat(200) }))].map(
          (records) => {
            const bytes = Buffer.concat(records)
            let at = 0
            return records.map(({ length }) => bytes.subarray(at, (at += length)))
          }
        )
      const results = await Promise.all(
        ["a", "b", "c", "d"].map((letter) => decoded(thread, plain, message(letter)))
      )
      const wanted = (letter: string) =>
        expected({ name: "t", columns: plain.columns }, plain.format, message(letter))
      for (const [index, letter] of ["a", "b", "c", "d"].entries()) {
        assert.deepStrictEqual(results[index], wanted(letter))
      }
    })
  )

  it.live("fails what it holds when it dies, and a new one takes the next block", () => {
    const workers: Array<Worker> = []
    return closed(
      async (thread) => {
        const messages = [[json({ id: 1, word: "a" })]]
        const first = await decoded(thread, plain, messages)
        const lost = Promise.all([
          decoded(thread, plain, messages),
          decoded(thread, plain, messages)
        ])
        workers[0]!.emit("error", new Error("planted"))
        for (const result of await lost) {
          assert.instanceOf(result, Error)
          assert.strictEqual(result.message, "The decode thread failed: planted")
        }
        void workers[0]!.terminate()
        assert.deepStrictEqual(await decoded(thread, plain, messages), first)
        assert.lengthOf(workers, 2)
      },
      (worker) => workers.push(worker)
    )
  })

  for (const [what, entry] of [
    ["has no file", new URL("./noSuchWorker.ts", import.meta.url)],
    ["is refused", new URL("https://localhost/worker.js")]
  ] as const)
    it.live(`leaves decoding to the caller when its worker ${what}`, () =>
      closed(
        async (thread) => {
          const messages = [[json({ id: 1, word: "a" })]]
          assert.isFalse(thread.isReady())
          assert.strictEqual(await decoded(thread, plain, messages), "undecoded")
          assert.isTrue(thread.isBroken())
          assert.isFalse(thread.isReady())
          assert.strictEqual(await decoded(thread, plain, messages), "undecoded")
        },
        () => {},
        entry
      )
    )
})
