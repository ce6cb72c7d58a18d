/**
 * Public data sets (npm package vega-datasets), compared row by row with DuckDB, with the columns
 * that `--create` infers.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { inferColumns } from "../../../src/cli/ingest/inferTable.ts"
import { kindOf, type TextFormat } from "../../../src/cli/records/fileKind.ts"
import { NameMatch } from "../../../src/cli/records/nameMatch.ts"
import { reader } from "../../../src/cli/records/recordFile.ts"
import { dataset } from "../../support/commandLine.ts"
import { ingested, readByDuckdb } from "../../support/fileReading.ts"

/** The columns inferred for a file, and their names in the file. */
const columnsOf = (path: string, format: TextFormat) => {
  const one = reader(format, { usualDelimiter: kindOf(path).delimiter })
  const records = [...one.push(Fs.readFileSync(path)), ...one.end()]
  const found = inferColumns(records, one.header(), {})
  if ("problem" in found) throw new Error(found.problem)
  const names = one.header() ?? [
    ...new Set(records.flatMap(({ text }) => Object.keys(JSON.parse(text))))
  ]
  assert.deepStrictEqual(
    new NameMatch(found.columns.map(({ name }) => name)).columnsOf(names),
    names.map((_, index) => index)
  )
  return { columns: found.columns, names }
}

describe("a public data set is read as DuckDB reads it, row by row:", () => {
  it.each<readonly [file: string, rows: number]>([
    ["airports.csv", 3376],
    ["birdstrikes.csv", 10_000],
    ["seattle-weather.csv", 1461],
    ["seattle-weather-hourly-normals.csv", 8759],
    ["zipcodes.csv", 42_049],
    ["us-employment.csv", 120],
    ["github.csv", 955],
    ["la-riots.csv", 63],
    ["co2-concentration.csv", 741],
    ["iowa-electricity.csv", 51],
    ["sp500.csv", 123],
    ["gapminder-health-income.csv", 187],
    ["unemployment.tsv", 3218],
    ["penguins.json", 344],
    ["cars.json", 406],
    ["flights-10k.json", 10_000],
    ["monarchs.json", 12],
    ["barley.json", 120]
  ])(
    "%s",
    async (file, count) => {
      const path = dataset(file)
      const format = kindOf(path).format as TextFormat | undefined
      const { columns, names } = columnsOf(path, format!)
      const { problem, rejects, rows } = await ingested(path, columns)
      assert.deepStrictEqual([problem, rejects], [undefined, []])
      assert.strictEqual(rows.length, count)
      const theirs = await readByDuckdb(path, columns, format === "csv" ? "header=true" : "", names)
      rows.forEach((row, index) => assert.deepStrictEqual(row, theirs[index], `row ${index + 1}`))
      assert.strictEqual(theirs.length, count)
    },
    30_000
  )
})
