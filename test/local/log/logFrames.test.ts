/** The frames of a table's log: records come back with the format of their writer. */
import { assert, it } from "@effect/vitest"
import { FrameBuffer, scanFrames } from "../../../src/internal/log/frames.ts"
import {
  FramesReader,
  type LogFormat,
  writeFormat,
  writeRecords
} from "../../../src/local/log/logFrames.ts"

const json: LogFormat = { _tag: "Json" }
const proto: LogFormat = { _tag: "Proto", descriptor: Uint8Array.of(1, 2, 3) }

it("are read back with the format of each writer, from empty records to long ones", () => {
  const frames = new FrameBuffer(16)
  const records = [0, 1, 47, 48, 49, 70_000].map((length) => Buffer.alloc(length, length))
  frames.header({ version: 1, mark: "00".repeat(16) })
  writeFormat(frames, 1, json)
  writeFormat(frames, 2, proto)
  writeRecords(frames, 1, 40, records)
  writeRecords(frames, 2, 41, [])
  const file = Buffer.from(frames.bytes.subarray(0, frames.size))
  const reader = new FramesReader()
  assert.strictEqual(
    scanFrames(file, (body, end) => reader.read(file, body, end)).wholeBytes,
    file.length
  )
  assert.deepStrictEqual(
    reader.frames.map(({ format, records, sequence }) => [
      sequence,
      format,
      records.map((each) => Buffer.from(each))
    ]),
    [
      [40, json, records],
      [41, proto, []]
    ]
  )
})
