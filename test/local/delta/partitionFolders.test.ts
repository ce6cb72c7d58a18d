/**
 * Folder names of partitions: `column=value` only if a program without the log reads the exact
 * value from it.
 */
import { assert, describe, it } from "@effect/vitest"
import { partitionFolders } from "../../../src/local/delta/partitions.ts"
import { pick, seeded } from "../../support/randomTables.ts"

/** The value of a folder as Spark reads it: each `%` with two digits is one character. */
const bySpark = (folder: string): string =>
  folder
    .slice(folder.indexOf("=") + 1)
    .replace(/%([0-9A-F]{2})/g, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16))
    )
/** As pyarrow and DuckDB read it: percent-encoded UTF-8, as in a URL. */
const byUrl = (folder: string): string => decodeURIComponent(folder.slice(folder.indexOf("=") + 1))

describe("partition folders", () => {
  it("tell the value of any script to readers of both kinds", () => {
    for (const value of [
      "plain",
      "a/b=c d%e",
      "../..",
      "двадцать кириллических букв",
      "žluť 🐎",
      "日本語",
      'a\u0000\t\\:*?"<>|.',
      "%41"
    ]) {
      const [folder = ""] = partitionFolders(["word"], [value])
      assert.match(folder, /^word=[\w%\u0080-\uffff-]+$/)
      assert.strictEqual(bySpark(folder), value)
      assert.strictEqual(byUrl(folder), value)
    }
    assert.deepStrictEqual(partitionFolders(["a", "b"], ["x", null]), [
      "a=x",
      "b=__HIVE_DEFAULT_PARTITION__"
    ])
  })

  it("tell no value where it does not fit, or looks like NULL", () => {
    const long = partitionFolders(["word"], ["x".repeat(300)])
    assert.match(long.join("/"), /^partition-[0-9a-f]{32}$/)
    assert.notDeepEqual(partitionFolders(["word"], ["y".repeat(300)]), long)
    assert.match(
      partitionFolders(["word"], ["__HIVE_DEFAULT_PARTITION__"]).join("/"),
      /^partition-/
    )
    assert.match(
      partitionFolders(["a", "b", "c"], ["я".repeat(40), "ю".repeat(40), "э".repeat(40)]).join("/"),
      /^partition-/
    )
    assert.match(partitionFolders(["c".repeat(255)], ["v"]).join("/"), /^partition-/)
  })

  it("are names that a file system takes, for any values", () => {
    const random = seeded(9)
    const signs = ["a", "/", "\u0000", "я", "🐎", "%", ".", "=", "\u{10FFFF}", " "]
    for (let round = 0; round < 300; round++) {
      const columns = Array.from(
        { length: 1 + Math.floor(random() * 6) },
        (_, n) => `${"c".repeat(1 + random() * 90)}${n}`
      )
      const values = columns.map(
        () => Array.from({ length: random() * 60 }, () => pick(random, signs)).join("") || null
      )
      const folders = partitionFolders(columns, values)
      for (const folder of folders)
        assert.isFalse(folder.includes("/") || folder.includes("\u0000"), folder)
      assert.isAtMost(Buffer.byteLength(folders.join("/")), 240)
      if (folders.length === 1 && folders[0]!.startsWith("partition-")) continue
      folders.forEach(
        (folder, n) => values[n] !== null && assert.strictEqual(bySpark(folder), values[n])
      )
    }
  })
})
