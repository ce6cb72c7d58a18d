/**
 * The table "Types and readers" of `docs/storage.md`: the results of a suite are compared with it,
 * or written to it with `--write-matrix`.
 */
import { assert } from "@effect/vitest"
import { readFileSync, writeFileSync } from "node:fs"

const page = new URL("../../docs/storage.md", import.meta.url)
const title = "\n## Types and readers"

/** The rows of the table, and its lines in the page. */
const readMatrix = () => {
  const lines = readFileSync(page, "utf8").split("\n")
  const first = lines.findIndex(
    (line, n) => line.startsWith("| ") && lines.slice(0, n).includes(title.trim())
  )
  const count = lines.slice(first).findIndex((line) => !line.startsWith("| "))
  const rows = lines.slice(first, first + count).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim())
  )
  return { lines, first, rows }
}

/** A reader's name without versions. */
const kindOf = (reader: string): string => reader.replace(/ [\d.]+/g, "")

/**
 * Compares the results of a reader for each type with the table, whose header names the reader and
 * its version.
 */
export const agreesWithMatrix = (reader: string, found: Readonly<Record<string, string>>): void => {
  const { first, lines, rows } = readMatrix()
  const header = rows[0]!
  if (process.env["ZEROBUS_WRITE_MATRIX"] === "1") {
    const known = header.findIndex((cell) => kindOf(cell) === kindOf(reader))
    const column = known === -1 ? header.length : known
    header[column] = reader
    rows[1]![column] = "---"
    for (const row of rows.slice(2)) row[column] = found[row[0]!] ?? "not compared"
    lines.splice(first, rows.length, ...rows.map((row) => `| ${row.join(" | ")} |`))
    writeFileSync(page, lines.join("\n"))
  }
  const column = header.indexOf(reader)
  assert.isAbove(column, 0, `docs/storage.md has no column ${reader}: -- --write-matrix writes it`)
  assert.deepStrictEqual(
    found,
    Object.fromEntries(rows.slice(2).map((row) => [row[0]!, row[column]!]))
  )
}
