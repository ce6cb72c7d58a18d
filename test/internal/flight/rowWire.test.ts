/**
 * Counting the rows of one session: handed over, left, acknowledged completely and in part.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  readFlightData,
  readOffsetMetadata,
  writePutResult
} from "../../../src/internal/flight/flightData.ts"
import { decodeAnswer, flightRpc } from "../../../src/internal/flight/flightRpc.ts"
import { writeBatchMessage } from "../../../src/internal/flight/batchMessage.ts"
import { END_OF_STREAM } from "../../../src/internal/flight/ipcStream.ts"
import { RowWire } from "../../../src/internal/flight/rowWire.ts"
import { suffixOf } from "../../../src/internal/flight/suffix.ts"
import { ChunkWriter } from "../../../src/internal/landing/chunk.ts"
import { bytesField, concat } from "../../../src/internal/protobuf/writer.ts"

/** A batch message without columns. */
const batchOf = (rows: number): Uint8Array => {
  const writer = new ChunkWriter()
  writer.begin(32)
  writeBatchMessage(writer, { rows, nodes: [], buffers: [] }, undefined)
  return Uint8Array.from(writer.buffer.subarray(writer.mark, writer.position))
}

/** Takes the place of a record's schema message: a batch without rows serves as well. */
const schema = batchOf(0)

/** Records as they are in the landing zone: the rows of the batches of each. */
const contentOf = (...records: ReadonlyArray<ReadonlyArray<number>>): Buffer =>
  Buffer.from(
    concat(
      records.map((batches) =>
        bytesField(1, concat([schema, ...batches.map(batchOf), END_OF_STREAM]))
      )
    )
  )

const message = (...records: ReadonlyArray<ReadonlyArray<number>>) => {
  const buffer = contentOf(...records)
  return {
    chunk: { buffer },
    start: 0,
    end: buffer.length,
    request: () => assert.fail("no request of the service")
  }
}

/** Hands a message over completely, and returns the numbers of its frames. */
const hand = (
  wire: RowWire,
  ...records: ReadonlyArray<ReadonlyArray<number>>
): ReadonlyArray<number | undefined> => {
  wire.begin(message(...records))
  const frames: Array<number | undefined> = []
  for (let request = wire.next(); request !== undefined; request = wire.next()) {
    frames.push(readOffsetMetadata(readFlightData(request)!.metadata!))
  }
  return frames
}

// The stand-in for the schema counts as a frame without rows.
describe("the rows of a session", () => {
  it("count over its messages, frames from 0", () => {
    const wire = new RowWire()
    assert.deepStrictEqual(hand(wire, [3, 4]), [0, 1, 2])
    assert.deepStrictEqual(hand(wire, [5]), [3, 4])
    assert.strictEqual(wire.handed, 12)
    assert.deepStrictEqual(
      [0, 1, 2, 3, 4, 5, 9].map((requests) => wire.left(requests)),
      [0, 0, 3, 7, 7, 12, 12]
    )
  })

  it("are acknowledged completely and in part", () => {
    const wire = new RowWire()
    hand(wire, [3, 4])
    hand(wire, [5])
    assert.deepStrictEqual([wire.settle(2), wire.partial], [0, 2])
    assert.deepStrictEqual([wire.settle(7), wire.partial], [1, 0])
    assert.deepStrictEqual([wire.settle(11), wire.partial], [0, 4])
    assert.deepStrictEqual([wire.settle(12), wire.partial, wire.settled], [1, 0, 12])
  })

  it("of several messages are acknowledged at once", () => {
    const wire = new RowWire()
    for (let n = 0; n < 3_000; n++) hand(wire, [2])
    assert.strictEqual(wire.left(6_000), 6_000)
    assert.deepStrictEqual([wire.settle(4_001), wire.partial], [2_000, 1])
    assert.deepStrictEqual([wire.settle(6_000), wire.partial], [1_000, 0])
  })
})

describe("the rest of records", () => {
  const rowsOf = (content: Uint8Array): ReadonlyArray<number> => {
    const wire = new RowWire()
    const buffer = Buffer.from(content)
    wire.begin({
      chunk: { buffer },
      start: 0,
      end: buffer.length,
      request: () => assert.fail("not sent")
    })
    const rows: Array<number> = []
    for (let before = 0; wire.next() !== undefined; before = wire.handed)
      rows.push(wire.handed - before)
    return rows.filter((count) => count > 0)
  }
  const slice = (length: number) => suffixOf((_, rows) => batchOf(length - rows))

  it("is whole batches and records where the rows end between them", () => {
    const never = suffixOf(() => assert.fail("nothing is cut"))
    const content = contentOf([3, 4], [5], [6, 7])
    assert.deepStrictEqual(rowsOf(never(content, 3).content), [4, 5, 6, 7])
    assert.deepStrictEqual(rowsOf(never(content, 7).content), [5, 6, 7])
    const { content: last, records } = never(content, 18)
    assert.deepStrictEqual([rowsOf(last), records], [[7], 1])
    assert.strictEqual(never(content, 7).records, 2)
  })

  it("has a batch cut where they end within it", () => {
    const { content, records } = slice(4)(contentOf([3, 4, 2], [5]), 5)
    assert.deepStrictEqual([rowsOf(content), records], [[2, 2, 5], 2])
  })
})

describe("answers of a server", () => {
  const { opened } = flightRpc(
    () => new Uint8Array(8),
    () => new RowWire()
  )
  const answer = (ackUpToOffset: number, ackUpToRecords: number, closeStreamDurationMs?: number) =>
    decodeAnswer(writePutResult({ ackUpToOffset, ackUpToRecords, closeStreamDurationMs }))

  it("are ready with offset -1 alone", () => {
    assert.deepStrictEqual(opened(answer(-1, 0)), { streamId: undefined, committed: undefined })
    for (const wrong of [
      answer(0, 0),
      answer(0, 1),
      answer(-1, 1),
      decodeAnswer(Uint8Array.of(1))
    ]) {
      assert.isString(opened(wrong))
    }
  })

  it("acknowledge rows, whatever their offset", () => {
    assert.deepStrictEqual(answer(99, 12).acknowledged, { upTo: 11 })
    assert.strictEqual(answer(4, 0).passed, "nothing")
    assert.isUndefined(answer(4, 0).acknowledged)
  })

  it("announce an end, of which 500 ms are kept for the last answers", () => {
    assert.deepStrictEqual(answer(0, 5, 2_000), {
      acknowledged: { upTo: 4 },
      closing: { afterMillis: 1_500 }
    })
    assert.deepStrictEqual(answer(-1, 0, 400).closing, { afterMillis: 0 })
    assert.deepStrictEqual(answer(-1, 0, 2 ** 60).closing, {
      afterMillis: 365 * 24 * 3_600_000 - 500
    })
  })

  it("that cannot be read are passed over", () => {
    assert.deepStrictEqual(decodeAnswer(Uint8Array.of(0xff)), { passed: "unreadable" })
  })
})
