/**
 * Every form of import is found, however it is written, and no other text is taken for an import.
 */
import { assert, describe, it } from "@effect/vitest"
import { importLinesOf } from "./importLines.ts"

const read = (text: string) => {
  const { imports, unreadable } = importLinesOf(text)
  return { specifiers: imports.map(({ specifier }) => specifier), unreadable }
}

describe("imports", () => {
  it.each([
    'import Fs from "node:fs"',
    'import "node:fs"',
    'import { type Stats } from "node:fs"',
    'import /* from */ { a /* " */ }\n// "effect"\nfrom "node:fs"',
    'export * from "node:fs"',
    'export { a } from "node:fs"',
    'import Fs = require("node:fs")',
    'type Fs = typeof import("node:fs")',
    'await import("node:fs")',
    "await import(`node:fs`)",
    'await import(/* c */ "node:fs")',
    'await import(\n// c\n"node:fs", {})',
    'const a = { b: () => require("node:fs") }',
    'import.meta.resolve("node:fs")',
    "import.meta.resolve(`node:fs`)",
    'import.meta /* c */ .resolve?.("node:fs")',
    'new URL("node:fs", import.meta.url)'
  ])("of a package are read: %j", (text) => {
    assert.deepStrictEqual(read(text), { specifiers: ["node:fs"], unreadable: [] })
  })

  it.each([
    'import { a } from "./x.ts"',
    "await import(`./x.ts`)",
    'import.meta.resolve("./x.ts")',
    'new URL("./x.ts", import.meta.url)',
    'new URL("x.ts", import.meta.url)',
    "new URL(/* c */ `x.ts`, import.meta.url)"
  ])("of a file are read: %j", (text) => {
    assert.deepStrictEqual(read(text), { specifiers: ["./x.ts"], unreadable: [] })
  })

  it.each([
    ["await import(name)", "import(name)"],
    ["await import(`./${name}.ts`)", "import(`./${name}.ts`)"],
    ['await import("node:" + name)', 'import("node:" + name)'],
    ["import.meta.resolve(name)", "import.meta.resolve(name)"],
    ['import.meta["resolve"]("node:fs")', "import.meta"],
    ["const { resolve } = import.meta", "import.meta"],
    ["const base = import.meta.url", "import.meta"],
    ["new URL(name, import.meta.url)", "new URL(name, import.meta.url)"],
    ['new globalThis.URL("./x.ts", import.meta.url)', "import.meta"],
    ["require(name)", "require(name)"],
    ["const load = require", "require"],
    ['require.resolve("node:fs")', "require"]
  ])("without a literal are unreadable: %j", (text, unreadable) => {
    assert.deepStrictEqual(read(text), { specifiers: [], unreadable: [unreadable] })
  })

  it("are not taken from comments, strings and names of members", () => {
    const text = `
      // import "node:fs"
      /* import.meta.resolve("node:fs") */
      const a = 'import("node:fs")' + b.require + { require: 1 }.require
      new URL("./x", base)
      class C { constructor() { new.target } }`
    assert.deepStrictEqual(read(text), { specifiers: [], unreadable: [] })
  })

  it("that load no code with the file are distinguished", () => {
    const text = `
      import type { A } from "./type.ts"
      export type { B } from "./exported.ts"
      import { type C } from "./value.ts"
      const d = () => import("./dynamic.ts")`
    assert.deepStrictEqual(
      importLinesOf(text).imports.filter(({ typeOnly }) => !typeOnly),
      [{ specifier: "./value.ts", typeOnly: false }]
    )
  })
})
