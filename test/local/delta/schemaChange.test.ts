/** Which changes of a table's columns running streams can follow. */
import { assert, describe, it } from "@effect/vitest"
import type { ColumnType } from "../../../src/internal/columns/columnType.ts"
import { changeProblem } from "../../../src/local/delta/schemaChange.ts"
import { table } from "../../support/storedTables.ts"

const of = (columns: string) => table(`main.default.t(${columns})`)
const withType = (type: ColumnType) => ({
  name: "main.default.t",
  columns: [{ name: "c", type, nullable: true }]
})

const text: ColumnType = { _tag: "String" }
const array = (containsNull: boolean, element: ColumnType = text): ColumnType => ({
  _tag: "Array",
  element,
  containsNull
})
const map = (valueContainsNull: boolean, value: ColumnType = text): ColumnType => ({
  _tag: "Map",
  key: text,
  value,
  valueContainsNull
})
const struct = (type: ColumnType): ColumnType => ({
  _tag: "Struct",
  fields: [{ name: "f", type, nullable: true }]
})

describe("a name in another case is refused", () => {
  for (const [from, to, column] of [
    ["name STRING", "Name STRING", "name"],
    ["place STRUCT<lat: DOUBLE>", "place STRUCT<Lat: DOUBLE>", "place.lat"],
    [
      "places ARRAY<STRUCT<lat: DOUBLE>>",
      "places ARRAY<STRUCT<LAT: DOUBLE>>",
      "places.element.lat"
    ],
    [
      "places MAP<STRING, STRUCT<lat: DOUBLE>>",
      "places MAP<STRING, STRUCT<LAT: DOUBLE>>",
      "places.value.lat"
    ]
  ] as const) {
    it(`${column} in ${from}`, () => {
      assert.strictEqual(
        changeProblem(of(from), of(to)),
        `the column ${column} was dropped or renamed`
      )
    })
  }

  it("of a partition column", () => {
    const before = of("day STRING, n INT) PARTITIONED BY (day")
    assert.match(
      changeProblem(before, { ...before, partitionColumns: ["Day"] })!,
      /became \(Day\), they were \(day\)/
    )
  })
})

describe("NULL inside a collection", () => {
  for (const [what, type, column] of [
    ["an ARRAY", array, "the elements of the column c"],
    ["a MAP", map, "the values of the column c"],
    [
      "an ARRAY in a STRUCT",
      (nulls: boolean) => struct(array(nulls)),
      "the elements of the column c.f"
    ],
    [
      "an ARRAY in an ARRAY",
      (nulls: boolean) => array(true, array(nulls)),
      "the elements of the column c.element"
    ],
    [
      "a MAP in a MAP",
      (nulls: boolean) => map(true, map(nulls)),
      "the values of the column c.value"
    ]
  ] as const) {
    it(`of ${what} may be allowed and not forbidden`, () => {
      assert.isUndefined(changeProblem(withType(type(false)), withType(type(true))))
      assert.strictEqual(
        changeProblem(withType(type(true)), withType(type(false))),
        `${column} became NOT NULL`
      )
    })
  }
})
