import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Column from "../../src/Column.ts"
import { typeText } from "../../src/internal/columns/columnType.ts"
import { parseDescriptorProto } from "../../src/internal/protobuf/descriptor.ts"
import * as Table from "../../src/Table.ts"
import { Result } from "effect"

const text = readFileSync(join(import.meta.dirname, "../../docs/types.md"), "utf8")
const rows = [
  ...text.matchAll(
    /^\| `?([A-Z][\w(), <>.]*)`? \| `(Column\.\w+)(\([^`]*\))?` \| .*? \| (\w+) \|/gm
  )
].map(([, sql = "", constructor = "", args, wire = ""]) => ({
  sql,
  name: constructor.slice("Column.".length),
  args,
  wire
}))
const all = Column as unknown as Record<string, any>

/** The columns of the page, each made by the constructor that the page names. */
const columnOf = ({ args, name }: (typeof rows)[number]) => {
  const make = all[name]
  switch (args) {
    case undefined:
      return make
    case "(p, s)":
      return make(10, 2)
    case "(c)":
    case "(v)":
      return make(Column.Int)
    case "(k, v)":
      return make(Column.String, Column.Int)
    default:
      return make({ x: Column.Int })
  }
}

describe("docs/types.md", () => {
  it("US-15 CG-01 lists every constructor with the type and the wire type it has", () => {
    const modifiers = ["nullable", "positioned", "required"]
    assert.deepStrictEqual(
      rows.map(({ name }) => name).toSorted(),
      Object.keys(Column)
        .filter((name) => !modifiers.includes(name))
        .toSorted()
    )
    for (const row of rows) {
      const table = Table.make("main.default.t", { c: columnOf(row) })
      const type = table.columns[0]?.type
      assert.strictEqual(
        type === undefined ? "" : typeText(type).split(/[<(]/)[0],
        row.sql.split(/[<(]/)[0]?.toLowerCase(),
        row.name
      )
      const field = Result.getOrThrow(parseDescriptorProto(table.descriptor ?? new Uint8Array()))
        .fields[0]
      const wire =
        field?.mapEntry === true ? "map" : field?.label === "repeated" ? "repeated" : field?.type
      assert.strictEqual(wire, row.wire, row.name)
    }
  })
})
