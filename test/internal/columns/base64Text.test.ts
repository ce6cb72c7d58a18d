/** BINARY as base64 text: one rule for the client, the local server and the command line. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Column, Table } from "effect-zerobus"
import { jsonCheck } from "../../../src/cli/records/recordCheck.ts"
import {
  base64OfBytes,
  bytesOfBase64,
  paddedBase64
} from "../../../src/internal/columns/base64Text.ts"
import { columnTree, makeLeaves } from "../../../src/local/parquet/columnTree.ts"
import { jsonDecoder } from "../../../src/local/records/jsonDecoder.ts"

const columns = [{ name: "b", type: { _tag: "Binary" }, nullable: true }] as const
const table = Table.make("a.b.c", { b: Column.Binary }, { recordType: "json" })
const tree = columnTree(columns)

/** Every reader of BINARY from JSON: whether it accepts the text. */
const readers: Readonly<Record<string, (json: string) => boolean>> = {
  "the client": (json) => {
    try {
      table.codec.read(Buffer.from(json))
      return true
    } catch (error) {
      if (error instanceof RangeError) throw error
      return false
    }
  },
  "the server": (json) => {
    try {
      jsonDecoder(tree, makeLeaves(tree))(Buffer.from(json))
      return true
    } catch (error) {
      if (error instanceof RangeError) throw error
      return false
    }
  },
  "the command line": (json) => "json" in jsonCheck(columns)({ line: 1, text: json })
}

const long = "A".repeat(9_000_000)
const taken: ReadonlyArray<readonly [text: string, hex: string]> = [
  ["", ""],
  ["AQ==", "01"],
  ["AQ", "01"],
  ["AQI=", "0102"],
  ["AQI", "0102"],
  ["AQID", "010203"],
  ["+/+/", "fbffbf"],
  // The bits after the last byte are ignored.
  ["AR==", "01"]
]
const refused = [
  "A",
  "AQIDB",
  "AQ=",
  "AQI==",
  "=",
  "==",
  "====",
  "AQ==AQ==",
  "AQI=\n",
  " AQI=",
  "A Q=",
  "-_-_",
  "%%%%"
]
// Node reads only the low byte of a character, so this one would be read as A.
const foreign = ["\u0141Q==", "AQ\u013d\u013d", "\uff21Q=="]

describe("base64 text", () => {
  it.each(Object.entries(readers))("is what %s takes, and nothing else", (_name, takes) => {
    for (const [text] of [...taken, [long]])
      assert.isTrue(takes(JSON.stringify({ b: text })), text.slice(0, 20))
    for (const text of [...refused, ...foreign, `${long}.AAA`]) {
      assert.isFalse(takes(JSON.stringify({ b: text })), JSON.stringify(text.slice(0, 20)))
    }
  })

  it("decodes to these bytes", () => {
    for (const [text, hex] of taken)
      assert.strictEqual(bytesOfBase64(text)?.toString("hex"), hex, text)
    for (const text of [...refused, ...foreign]) {
      assert.isUndefined(bytesOfBase64(text), JSON.stringify(text))
      assert.isUndefined(paddedBase64(text), JSON.stringify(text))
    }
  })

  it.effect.prop(
    "reads back as the bytes it was written from, with its padding and without",
    { bytes: Schema.Uint8Array },
    ({ bytes }) =>
      Effect.sync(() => {
        const text = base64OfBytes(bytes)
        const bare = text.replace(/=+$/, "")
        assert.deepStrictEqual(bytesOfBase64(text), Buffer.from(bytes))
        assert.deepStrictEqual(bytesOfBase64(bare), Buffer.from(bytes))
        assert.strictEqual(paddedBase64(text), text)
        assert.strictEqual(paddedBase64(bare), text)
        const view = Buffer.concat([Buffer.from([7]), bytes, Buffer.from([7])]).subarray(1, -1)
        assert.strictEqual(base64OfBytes(view), text)
      }),
    { arbitrary: { runs: 300 } }
  )
})
