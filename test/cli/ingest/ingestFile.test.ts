/**
 * Ingesting a file into a stream: records are sent while the file is still being read, and reading
 * waits while the stream is full.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Result, Stream } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { ingestFile } from "../../../src/cli/ingest/ingestFile.ts"
import { Places } from "../../../src/cli/ingest/places.ts"
import { noCounts } from "../../../src/cli/terminal/progress.ts"
import { FileRecords } from "../../../src/cli/records/fileRecords.ts"
import { reader } from "../../../src/cli/records/recordFile.ts"
import { parseTableDefinition } from "../../../src/internal/columns/columnType.ts"
import { ackResponse } from "../../../src/local/stream/streamMessages.ts"
import { ingestServer, memoryClient } from "../../support/memoryClient.ts"

const { columns, name } = Result.getOrThrow(parseTableDefinition("main.default.t(id INT)"))
const lines = (from: number, count: number): Uint8Array =>
  Buffer.from(Array.from({ length: count }, (_, n) => `{"id":${from + n}}\n`).join(""))

/** Ingests chunks into a stream with these limits. */
const ingest = (
  bytes: Stream.Stream<Uint8Array>,
  maxInflightRecords: number,
  counts = noCounts()
) =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    const records = new FileRecords(columns)
    const stream = yield* zerobus.createStream(
      { ...TableProperties.json(name), codec: records },
      { maxInflightRecords, scopeCloseTimeout: 0, onUnacked: () => Effect.void }
    )
    const source = { bytes, reader: reader("ndjson"), header: false, records, stream }
    yield* ingestFile({ ...source, onRejects: undefined, skip: 0, counts, places: new Places() })
    yield* stream.flush
    return counts
  })

describe("a file into a stream", () => {
  it.live("is sent while it is read: no chunk is there before the one before it has arrived", () =>
    Effect.gen(function* () {
      const chunks = 5
      const arrived = Array.from({ length: chunks }, () => Deferred.makeUnsafe<void>())
      let seen = 0
      const server = ingestServer((offset, records, peer) => {
        seen += records
        for (let n = 0; 100 * (n + 1) <= seen; n++) Deferred.doneUnsafe(arrived[n]!, Effect.void)
        peer.write(ackResponse(offset))
      })
      const bytes = Stream.range(0, chunks - 1).pipe(
        Stream.mapEffect((n) =>
          Effect.as(n === 0 ? Effect.void : Deferred.await(arrived[n - 1]!), lines(100 * n, 100))
        )
      )
      const { accepted } = yield* Effect.provide(ingest(bytes, 1000), memoryClient(server))
      assert.deepStrictEqual({ accepted, seen }, { accepted: 500, seen: 500 })
    }).pipe(Effect.scoped)
  )

  it.live("waits where the server acknowledges nothing: the chunks behind are not read", () =>
    Effect.gen(function* () {
      let read = 0
      const full = Deferred.makeUnsafe<void>()
      let sent = 0
      const server = ingestServer((_, records) => {
        sent += records
        if (sent === 150) Deferred.doneUnsafe(full, Effect.void)
      })
      const chunks = async function* () {
        for (; read < 10; read++) yield lines(100 * read, 100)
      }
      const bytes = Stream.orDie(Stream.fromAsyncIterable(chunks(), (error) => error))
      const counts = noCounts()
      const fiber = yield* Effect.forkChild(
        Effect.provide(ingest(bytes, 150, counts), memoryClient(server))
      )
      yield* Deferred.await(full)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(counts.accepted, 150)
      assert.isAtMost(read, 2)
    }).pipe(Effect.scoped)
  )
})
