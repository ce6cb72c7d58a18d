/**
 * Varints in place and messages written field by field, compared with protobufjs.
 */
import { assert, describe, it } from "@effect/vitest"
import $protobuf from "protobufjs/minimal.js"
import {
  bytesField,
  concat,
  textField,
  varintField,
  varintSize,
  writeVarint
} from "../../../src/internal/protobuf/writer.ts"
import { seeded } from "../../support/zones.ts"

describe("varints", () => {
  it("are as long as said and as protobufjs writes them", () => {
    const random = seeded(4)
    const values = [0, 127, 128, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]
    for (let n = 0; n < 2000; n++)
      values.push(Math.floor(2 ** random.below(53)) + random.below(1000))
    for (const value of values.filter(Number.isSafeInteger)) {
      const buffer = new Uint8Array(10)
      const end = writeVarint(buffer, value, 0)
      assert.strictEqual(end, varintSize(value))
      const expected = $protobuf.Writer.create().uint64(value).finish()
      assert.deepStrictEqual([...buffer.subarray(0, end)], [...expected])
    }
  })
})

describe("messages written field by field", () => {
  const key = (field: number, wire: number): number => ((field << 3) | wire) >>> 0

  it("are those of protobufjs, for numbers of both signs and all lengths", () => {
    const random = seeded(5)
    const values = [
      0,
      -1,
      127,
      128,
      -128,
      2 ** 31,
      2 ** 32,
      Number.MAX_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER
    ]
    for (let n = 0; n < 500; n++)
      values.push((random.below(2) * 2 - 1) * Math.floor(2 ** random.below(53)))
    for (const value of values) {
      const field = random.below(20) === 0 ? 536_870_911 : 1 + random.below(300)
      const expected = $protobuf.Writer.create().uint32(key(field, 0)).int64(value).finish()
      assert.deepStrictEqual([...varintField(field, value)], [...expected], `${field}: ${value}`)
    }
  })

  it("nest, hold text and lengths of several bytes, and are exactly as long as needed", () => {
    const text = "n\u00e4me \ud83d\ude80 \ud800"
    for (const length of [0, 1, 127, 128, 16_383, 16_384, 3_000_000]) {
      const content = new Uint8Array(length).fill(7)
      const written = bytesField(
        2000,
        concat([textField(1, text), bytesField(16, content), varintField(3, 5)])
      )
      const expected = $protobuf.Writer.create()
        .uint32(key(2000, 2))
        .fork()
        .uint32(key(1, 2))
        .bytes(Buffer.from(text))
        .uint32(key(16, 2))
        .bytes(content)
        .uint32(key(3, 0))
        .int64(5)
        .ldelim()
        .finish()
      assert.isTrue(Buffer.compare(written, expected) === 0, `${length} bytes`)
    }
    assert.strictEqual(concat([]).length, 0)
  })
})
