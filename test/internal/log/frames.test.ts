/**
 * The frames of a log segment: written frames are read back, and a torn end is distinguished from
 * damage.
 */
import { assert, describe, it } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import { FrameBuffer, scanFrames, wasDurable } from "../../../src/internal/log/frames.ts"

const mark = randomBytes(16)
const header = { version: 1, table: "a.b.c", tableId: "id", mark: mark.toString("hex") } as const

/** Appends a frame of kind 9 with this content. */
const append = (frames: FrameBuffer, content: Buffer) => {
  const body = frames.begin(1)
  frames.bytes[body] = 9
  const at = frames.reserve(content.length)
  content.copy(frames.bytes, at)
  frames.end()
}

/** The content of the frames of kind 9 in a file, and how reading it ended. */
const read = (file: Buffer) => {
  const contents: Array<Buffer> = []
  const scan = scanFrames(file, (body, end) => {
    assert.strictEqual(file[body], 9)
    contents.push(file.subarray(body + 1, end))
  })
  return { ...scan, contents, tailIsTorn: !wasDurable(file, scan.wholeBytes, scan.header) }
}

/** A segment of three groups with one record each, and where each group begins. */
const threeGroups = () => {
  const frames = new FrameBuffer(16)
  frames.header(header)
  const starts = [1, 2, 3].map((sequence) => {
    const start = frames.size
    frames.group(mark, start)
    append(frames, Buffer.from(`record ${sequence}`))
    return start
  })
  return { file: Buffer.from(frames.bytes.subarray(0, frames.size)), starts }
}
const sequences = (file: Buffer) =>
  read(file).contents.map((content) => Number(content.toString().slice(7)))

describe("a log segment", () => {
  it("is read back, from frames of one byte to long ones", () => {
    const frames = new FrameBuffer(16)
    const contents = [0, 1, 47, 48, 49, 70_000].map((length) => Buffer.alloc(length, length))
    frames.header(header)
    frames.group(mark, frames.size)
    for (const content of contents) append(frames, content)
    const found = read(Buffer.from(frames.bytes.subarray(0, frames.size)))
    assert.deepStrictEqual(found.header, header)
    assert.strictEqual(found.wholeBytes, frames.size)
    assert.deepStrictEqual(found.contents, contents)
  })

  it("that is cut at any byte has its whole frames, and a torn end", () => {
    const { file, starts } = threeGroups()
    for (let length = 0; length <= file.length; length++) {
      const cut = file.subarray(0, length)
      const { tailIsTorn, wholeBytes } = read(cut)
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
      assert.strictEqual(read(damaged).tailIsTorn, torn, String(at))
      assert.deepStrictEqual(sequences(damaged), [...kept], String(at))
    }
  })

  it("gives the memory of a large group back when it is cleared", () => {
    const frames = new FrameBuffer()
    append(frames, Buffer.alloc(1024 * 1024))
    frames.clear(512 * 1024)
    assert.deepStrictEqual([frames.size, frames.bytes.length], [0, 64 * 1024])
  })
})
