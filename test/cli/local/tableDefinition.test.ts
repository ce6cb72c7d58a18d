/** Messages for differences between a table and a definition. */
import { assert, describe, it } from "@effect/vitest"
import { differenceText } from "../../../src/cli/local/tableDefinition.ts"
import { table } from "../../support/storedTables.ts"

const existing = table("main.default.t(id BIGINT NOT NULL, name STRING, place STRUCT<lat: DOUBLE>)")
const differs = (columns: string) => differenceText(table(`main.default.t(${columns})`), existing)

describe("differenceText", () => {
  it("is silent about equal tables, and about comments", () => {
    assert.isUndefined(
      differs("id BIGINT NOT NULL COMMENT 'key', name STRING, place STRUCT<lat: DOUBLE>")
    )
  })

  it.each<readonly [columns: string, says: ReadonlyArray<string>]>([
    ["id BIGINT NOT NULL, name STRING", ["it also has the column place."]],
    ["name STRING, place STRUCT<lat: DOUBLE>", ["it also has the column id, which is NOT NULL"]],
    [
      "id BIGINT NOT NULL, place STRUCT<lat: DOUBLE>, name STRING",
      ["its column name has another place"]
    ],
    ["id BIGINT, name STRING, place STRUCT<lat: DOUBLE>", ["its column id differs in NOT NULL"]],
    [
      "id INT NOT NULL, name STRING, place STRUCT<lat: DOUBLE>",
      ["column id is int here and bigint in the table."]
    ],
    [
      "id BIGINT NOT NULL, name STRING, place STRUCT<lat: DOUBLE>) PARTITIONED BY (id",
      ["it is not partitioned, not partitioned by id."]
    ],
    [
      "id BIGINT NOT NULL, name STRING, place STRUCT<lat: DOUBLE, lon: DOUBLE>, a INT, b " +
        "ARRAY<STRING>",
      [
        "no column place.lon",
        "no column a;",
        "zerobus table alter main.default.t add column 'a INT, b ARRAY<STRING>'."
      ]
    ]
  ])("%s", (columns, says) => {
    const text = differs(columns)
    for (const part of ["The table main.default.t exists and is kept as it is: ", ...says])
      assert.include(text, part)
  })

  it("names columns whose tag differs", () => {
    const plain = table("main.default.t(id INT, rest VARIANT)")
    const tagged = table("main.default.t(id INT, rest VARIANT TAGS ('zerobus-rescue'))")
    assert.include(
      differenceText(tagged, plain)!,
      "its column rest lacks the tag zerobus-rescue in the table."
    )
    assert.include(
      differenceText(plain, tagged)!,
      "its column rest has the tag zerobus-rescue in the table."
    )
    assert.isUndefined(differenceText(tagged, tagged))
  })

  it("names ten differences at most", () => {
    const many = Array.from({ length: 30 }, (_, index) => `c${index} INT`).join(", ")
    assert.match(
      differs(`${many}, id BIGINT NOT NULL, name STRING, place STRUCT<lat: DOUBLE>`)!,
      /and 23 differences more/
    )
  })
})
