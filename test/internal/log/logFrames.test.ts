/**
 * The frames of a log segment: what is written is read back, and a torn end is told from damage.
 */
import { assert, describe, it } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import { FrameBuffer, type LogFormat, readSegment } from "../../../src/internal/log/logFrames.ts"

const json: LogFormat = { _tag: "Json" }
const proto: LogFormat = { _tag: "Proto", descriptor: Uint8Array.of(1, 2, 3) }
const mark = randomBytes(16)
const header = { version: 1, table: "a.b.c", tableId: "id", mark: mark.toString("hex") } as const

/** A segment of three groups with one record each, and where each group begins. */
const threeGroups = () => {
  const frames = new FrameBuffer(16)
  frames.header(header)
  const starts = [1, 2, 3].map((sequence) => {
    const start = frames.size
    frames.group(mark, start)
    if (sequence === 1) frames.format(7, json)
    frames.records(7, sequence, [Buffer.from(`record ${sequence}`)])
    return start
  })
  return { file: Buffer.from(frames.bytes.subarray(0, frames.size)), starts }
}
const sequences = (file: Buffer) => readSegment(file).frames.map(({ sequence }) => sequence)

describe("a log segment", () => {
  it("is read back with the format of each writer, from empty records to long ones", () => {
    const frames = new FrameBuffer(16)
    const records = [0, 1, 47, 48, 49, 70_000].map((length) => Buffer.alloc(length, length))
    frames.header(header)
    frames.group(mark, frames.size)
    frames.format(1, json)
    frames.format(2, proto)
    frames.records(1, 40, records)
    frames.records(2, 41, [])
    const found = readSegment(Buffer.from(frames.bytes.subarray(0, frames.size)))
    assert.deepStrictEqual(found.header, header)
    assert.strictEqual(found.wholeBytes, frames.size)
    assert.deepStrictEqual(
      found.frames.map(({ format, sequence }) => [sequence, format]),
      [
        [40, json],
        [41, proto]
      ]
    )
    assert.deepStrictEqual(
      found.frames.map((frame) => frame.records.map((record) => Buffer.from(record))),
      [records, []]
    )
  })

  it("that is cut at any byte has its whole frames, and a torn end", () => {
    const { file, starts } = threeGroups()
    for (let length = 0; length <= file.length; length++) {
      const cut = file.subarray(0, length)
      const { tailIsTorn, wholeBytes } = readSegment(cut)
      const whole = starts.filter((_, group) => (starts[group + 1] ?? file.length) <= length).length
      assert.strictEqual(sequences(cut).length, whole, String(length))
      assert.isAtMost(wholeBytes, length)
      assert.isTrue(tailIsTorn, String(length))
    }
  })

  it("that is damaged in front of a later group is not torn, and in its last group it is", () => {
    const { file, starts } = threeGroups()
    for (const [at, torn, kept] of [
      [10, false, []],
      [starts[1]! + 12, false, [1]],
      [starts[2]! + 12, true, [1, 2]],
      [file.length - 1, true, [1, 2]]
    ] as const) {
      const damaged = Buffer.from(file)
      damaged[at]! ^= 0xff
      assert.strictEqual(readSegment(damaged).tailIsTorn, torn, String(at))
      assert.deepStrictEqual(sequences(damaged), [...kept], String(at))
    }
  })

  it("gives the memory of a large group back when it is cleared", () => {
    const frames = new FrameBuffer()
    frames.records(1, 1, [Buffer.alloc(1024 * 1024)])
    frames.clear(512 * 1024)
    assert.deepStrictEqual([frames.size, frames.bytes.length], [0, 64 * 1024])
  })
})
