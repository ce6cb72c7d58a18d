/**
 * Bytes of files and detection from their first bytes: compression and encodings are decoded, for
 * any chunk sizes, and unsupported formats are named.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect, Result, Stream } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { packingOf } from "../../../src/cli/input/contentKind.ts"
import { recordBytes } from "../../../src/cli/input/recordBytes.ts"
import { temporaryFolder } from "../../support/commandLine.ts"

const folder = temporaryFolder()
afterAll(() => Fs.rmSync(folder, { recursive: true, force: true }))

const read = (name: string, content: Uint8Array) =>
  Effect.gen(function* () {
    const path = Path.join(folder, name)
    Fs.writeFileSync(path, content)
    let bytes = 0
    const chunks = yield* Stream.runCollect(
      recordBytes(path, { onRead: (count) => (bytes += count) })
    )
    return { text: Buffer.concat(chunks).toString("utf8"), bytes }
  })

const text = `id,s\n${Array.from({ length: 20_000 }, (_, n) => `${n},æ🜁\n`).join("")}`
const utf16le = Buffer.from(text, "utf16le")
const utf16be = Buffer.from(utf16le).swap16()
const mark = Buffer.from([0xff, 0xfe])

describe("bytes of a file", () => {
  it.live.each<readonly [string, Buffer]>([
    ["plain text", Buffer.from(text)],
    ["gzip", gzipSync(text)],
    ["zstd", zstdCompressSync(text)],
    [
      "several gzip members",
      Buffer.concat([gzipSync(text.slice(0, 99)), gzipSync(text.slice(99))])
    ],
    ["UTF-16 with its mark", Buffer.concat([mark, utf16le])],
    [
      "UTF-16 of the other order with its mark",
      Buffer.concat([Buffer.from(mark).swap16(), utf16be])
    ],
    ["UTF-16 without a mark", utf16le],
    ["UTF-16 of the other order without a mark", utf16be],
    ["UTF-16 in gzip", gzipSync(Buffer.concat([mark, utf16le]))]
  ])("are text for %s", ([what, content]) =>
    Effect.gen(function* () {
      const { bytes, text: got } = yield* read(what, content)
      assert.strictEqual(got.replace("\ufeff", ""), text)
      assert.strictEqual(bytes, content.length)
    })
  )

  it.live("of an empty file, and of one of few bytes", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* read("empty", Buffer.alloc(0))).text, "")
      assert.strictEqual((yield* read("few", Buffer.from("a\n"))).text, "a\n")
    })
  )

  it.live(
    "that are no character in UTF-16 are none in UTF-8, and nothing around them is lost",
    () =>
      Effect.gen(function* () {
        const broken = Buffer.concat([
          mark,
          Buffer.from("a\n\ud800b\n\udc00\ud800", "utf16le"),
          Buffer.of(0x41)
        ])
        const path = Path.join(folder, "broken")
        Fs.writeFileSync(path, broken)
        const bytes = Buffer.concat(yield* Stream.runCollect(recordBytes(path)))
        assert.strictEqual(bytes.toString("latin1"), "\u00ef\u00bb\u00bfa\n\u00ffb\n\u00ff\u00ff")
      })
  )

  it.live.each<readonly [string, Buffer, RegExp]>([
    ["archive", Buffer.from("PK\u0003\u0004rest of it"), /is a ZIP archive/],
    ["parquet", Buffer.from("PAR1rest of it"), /is a Parquet file; give --format parquet/],
    ["twice", gzipSync(gzipSync(text)), /compressed twice/],
    ["torn.gz", gzipSync(text).subarray(0, 500), /not a complete gzip file \(Z_BUF_ERROR\)/],
    ["torn.zst", zstdCompressSync(text).subarray(0, 500), /not a complete zstd file/]
  ])("fail for %s", ([name, content, says]) =>
    Effect.gen(function* () {
      const got = yield* Effect.result(read(name, content))
      assert.match(Result.isFailure(got) ? got.failure.message : "read", says)
    })
  )

  it("tells nothing by less than it needs", () => {
    assert.strictEqual(packingOf(Buffer.from("")), "plain")
    assert.strictEqual(packingOf(Buffer.from("a")), "plain")
    assert.strictEqual(packingOf(Buffer.from("\u001f")), "plain")
  })
})
