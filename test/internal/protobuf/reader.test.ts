/**
 * The reader of messages, and the iteration over their fields.
 */
import { assert, describe, it } from "@effect/vitest"
import $protobuf from "protobufjs/minimal.js"
import {
  forEachField,
  isMessage,
  MalformedMessage,
  WireReader
} from "../../../src/internal/protobuf/reader.ts"
import { seeded } from "../../support/zones.ts"

const fieldsOf = (bytes: Uint8Array) => {
  const fields: Array<readonly [number, number, number, number]> = []
  forEachField(bytes, 0, bytes.length, (...field) => fields.push(field))
  return fields
}

/** Why a read was refused. */
const why = (read: () => unknown): string => {
  try {
    read()
  } catch (error) {
    if (error instanceof MalformedMessage) return error.message
    throw error
  }
  return ""
}

describe("the walk over fields", () => {
  it("gives numbers, contents and places, and passes over fixed-width fields", () => {
    const bytes = $protobuf.Writer.create()
      .uint32(8)
      .int64(300)
      .uint32((2 << 3) | 1)
      .double(1.5)
      .uint32((3 << 3) | 2)
      .string("abc")
      .uint32((4 << 3) | 5)
      .float(2)
      .uint32((536_870_911 << 3) >>> 0)
      .int64(-7)
      .finish()
    assert.deepStrictEqual(fieldsOf(bytes), [
      [1, 300, -1, -1],
      [3, 0, 14, 17],
      [536_870_911, -1, -1, -1]
    ])
  })

  it(
    "S-16 refuses what is no message: cut off, field 0, groups, lengths beyond the end, " +
      "varints without an end",
    () => {
      const bad: ReadonlyArray<ReadonlyArray<number>> = [
        [0x08],
        [0x00, 1],
        [0x0b],
        [0x0c],
        [0x0e, 1],
        [0x0a, 5, 1, 2],
        [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        [0x08, ...Array.from({ length: 10 }, () => 0xff)],
        [0x08, ...Array.from({ length: 9 }, () => 0xff), 2],
        [0x09, 1, 2, 3],
        [0x0d, 1, 2, 3]
      ]
      for (const bytes of bad) {
        assert.notStrictEqual(
          why(() => fieldsOf(Uint8Array.from(bytes))),
          "",
          JSON.stringify(bytes)
        )
        assert.isFalse(isMessage(Uint8Array.from(bytes)))
      }
      assert.isTrue(isMessage(new Uint8Array()))
    }
  )

  it("reads a varint that is longer than it need be", () => {
    const long = (last: number) =>
      Uint8Array.of(0x08, 0x85, ...Array.from({ length: 8 }, () => 0x80), last)
    assert.deepStrictEqual(fieldsOf(long(0)), [[1, 5, -1, -1]])
    assert.deepStrictEqual(fieldsOf(long(1)), [[1, -1, -1, -1]])
  })

  it("stays inside the given section", () => {
    const inner = Uint8Array.of(0xff, 0x08, 5, 0xff)
    const fields: Array<number> = []
    forEachField(inner, 1, 3, (field, value) => fields.push(field, value))
    assert.deepStrictEqual(fields, [1, 5])
    assert.match(
      why(() => forEachField(Uint8Array.of(0x0a, 2, 1, 1), 0, 3, () => {})),
      /ends inside a value/
    )
  })
})

describe("bytes after the section", () => {
  it("is neither read nor visited, whichever part of a field it would complete", () => {
    const visited: Array<number> = []
    const walk = (bytes: ReadonlyArray<number>, to: number) => {
      visited.length = 0
      assert.notStrictEqual(
        why(() => forEachField(Uint8Array.from(bytes), 0, to, (field) => visited.push(field))),
        "",
        JSON.stringify(bytes)
      )
      return [...visited]
    }
    // A varint, a key, a length and a content that continue after it; and a fixed-width value,
    // after which there is nothing to visit.
    assert.deepStrictEqual(walk([0x08, 0x85, 0x01], 2), [])
    assert.deepStrictEqual(walk([0x88, 0x01, 5], 1), [])
    assert.deepStrictEqual(walk([0x0a, 0x82, 0x00, 1, 2], 2), [])
    assert.deepStrictEqual(walk([0x0a, 2, 1, 2], 3), [])
    assert.deepStrictEqual(walk([0x08, 1, 0x0d, 1, 2, 3, 4], 6), [1])
    // A negative length would lead back to an earlier position.
    assert.deepStrictEqual(walk([0x0a, ...Array.from({ length: 9 }, () => 0xff), 1], 11), [])
  })
})

describe("isMessage", () => {
  it("passes on what is not about the bytes", () => {
    const broken = new Proxy(Uint8Array.of(8, 1), {
      get: (target, key) => {
        if (key === "0") throw new RangeError("a defect")
        return Reflect.get(target, key, target) as unknown
      }
    })
    assert.throws(() => isMessage(broken), RangeError)
  })
})

describe("the reader", () => {
  it("reads numbers of all lengths and signs as protobufjs writes them", () => {
    const random = seeded(6)
    for (let n = 0; n < 2000; n++) {
      const value =
        (random.below(2) * 2 - 1) * Math.floor(2 ** random.below(53) + random.below(1000))
      if (!Number.isSafeInteger(value)) continue
      const bytes = $protobuf.Writer.create()
        .int64(value)
        .int64(value)
        .int32(value)
        .int64(value)
        .finish()
      const reader = new WireReader(bytes)
      assert.strictEqual(reader.varint(), Math.max(value, -1))
      assert.strictEqual(reader.int64(), BigInt(value))
      assert.strictEqual(reader.int32(), value | 0)
      reader.skip(0)
      assert.isFalse(reader.more())
    }
    assert.strictEqual(
      new WireReader(Uint8Array.of(...Array(8).fill(0xff), 0x7f)).varint(),
      Number.MAX_SAFE_INTEGER
    )
  })

  it("refuses a value that is cut off or too long, in a sentence, wherever it is read", () => {
    const long = new Uint8Array(11).fill(0xff)
    const reads: ReadonlyArray<(reader: WireReader) => unknown> = [
      (reader) => reader.varint(),
      (reader) => reader.int64(),
      (reader) => reader.int32(),
      (reader) => reader.skip(0),
      (reader) => reader.tag(),
      (reader) => reader.view()
    ]
    for (const read of reads) {
      for (const cut of [0, 1, 4, 5, 9]) {
        assert.match(
          why(() => read(new WireReader(long, 0, cut))),
          /ends inside a value/
        )
      }
      assert.match(
        why(() => read(new WireReader(long))),
        /longer than 10 bytes/
      )
    }
    const far = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x1f)
    for (const read of [() => new WireReader(far).view(), () => new WireReader(far).sub()])
      assert.match(why(read), /ends inside a value/)
    for (const length of [4, 8] as const) {
      assert.match(
        why(() => new WireReader(new Uint8Array(9), 0, length - 1).fixed(length)),
        /inside a value/
      )
    }
    assert.match(
      why(() => new WireReader(Uint8Array.of(1, 0xff)).string()),
      /not valid UTF-8/
    )
    assert.match(
      why(() => new WireReader(new Uint8Array(9)).skip(3)),
      /unknown wire type/
    )
    // Field number 2^29, in five bytes.
    assert.match(
      why(() => new WireReader(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x10)).tag()),
      /illegal field number/
    )
  })
})
