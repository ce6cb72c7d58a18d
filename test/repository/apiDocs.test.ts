/**
 * Every public export has a doc comment with the version that introduced it and its category. All
 * names that the entry points of the package export are public, including those inside namespaces.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { publicExportsOf } from "./publicExports.ts"

const root = Path.resolve(import.meta.dirname, "../..")
const manifest = JSON.parse(Fs.readFileSync(Path.join(root, "package.json"), "utf8"))

/** The names of Effect's own categories, and those of the scripted faults. */
const categories = [
  "accessors",
  "combinators",
  "comparisons",
  "configuration",
  "connection faults",
  "constructors",
  "errors",
  "guards",
  "HTTP faults",
  "layers",
  "metrics",
  "models",
  "mutations",
  "schemas",
  "services",
  "stream faults",
  "symbols"
]

const entries = Object.entries<Record<string, string> | string>(manifest.exports).flatMap(
  ([entry, target]) =>
    typeof target === "string"
      ? []
      : [publicExportsOf(entry, Path.join(root, target["effect-zerobus-source"]!))]
)

/** The text after each occurrence of a tag in a comment. */
const tagged = (comment: string, tag: string): ReadonlyArray<string> =>
  [...comment.matchAll(new RegExp(`^ *\\* @${tag}(?: (.*))?$`, "gm"))].map(([, text]) => text ?? "")

/** The problems of the doc comment of a declaration or of a module, one text each. */
const faultsOf = (comment: string | undefined, hasCategory: boolean): ReadonlyArray<string> => {
  if (comment === undefined) return ["has no doc comment"]
  const [since, ...others] = tagged(comment, "since")
  const category = tagged(comment, "category")
  return [
    ...(since === undefined || others.length > 0 || !/^\d+\.\d+\.\d+$/.test(since)
      ? ["needs one @since with a version"]
      : []),
    ...(!hasCategory || (category.length === 1 && categories.includes(category[0]!))
      ? []
      : [`needs one @category of: ${categories.join(", ")}`]),
    ...(/^\/\*\*\s*\* @/.test(comment) ? ["needs a sentence before its tags"] : [])
  ]
}

const place = (file: string): string => Path.relative(root, file).replaceAll("\\", "/")

describe("public exports", () => {
  it("are found, with their declarations", () => {
    const names = entries.flatMap(({ exports }) => exports.map(({ name }) => name))
    for (const name of [
      "Zerobus",
      "Column.BigInt",
      "Faults.disconnect",
      "Faults.httpStatus",
      "Audit",
      "ZerobusShards.layer",
      "ArrowTable.make"
    ]) {
      assert.include(names, name)
    }
    const lost = entries.flatMap(({ exports }) =>
      exports.filter(({ declarations }) => declarations.length === 0).map(({ name }) => name)
    )
    assert.deepStrictEqual(lost, [])
  })

  it("have a doc comment with @since and @category", () => {
    const faults = entries.flatMap(({ exports }) =>
      exports.flatMap(({ declarations, name }) =>
        declarations.flatMap(({ comment, file, kind }) =>
          faultsOf(comment, true).map((fault) => `${place(file)}: ${kind} ${name} ${fault}`)
        )
      )
    )
    assert.deepStrictEqual(faults, [])
  })

  it("are in modules that start with a module comment with @since", () => {
    const faults = entries.flatMap(({ modules }) =>
      modules.flatMap(({ comment, file, name, entry }) => [
        ...faultsOf(comment, false).map((fault) => `${place(file)} ${fault}`),
        ...(name === "" && comment?.includes(`@module effect-zerobus${entry.slice(1)}\n`) !== true
          ? [`${place(file)} needs @module effect-zerobus${entry.slice(1)}`]
          : []),
        // Behind an example it would be a line of its code.
        ...(name !== "" && !/^\/\*\*(?:(?!@example)[^])*@packageDocumentation/.test(comment ?? "")
          ? [`${place(file)} needs @packageDocumentation, before any @example`]
          : [])
      ])
    )
    assert.deepStrictEqual(faults, [])
  })

  it("have one public name each", () => {
    const places = new Map<string, Set<string>>()
    for (const { exports } of entries) {
      for (const { declarations, name, entry } of exports) {
        for (const { file, start } of declarations) {
          const key = `${place(file)}:${start}`
          places.set(key, (places.get(key) ?? new Set()).add(`${entry} ${name}`))
        }
      }
    }
    const twice = [...places.values()].filter((names) => names.size > 1).map((names) => [...names])
    assert.deepStrictEqual(twice, [])
  })

  it.each([
    [undefined, true, 1],
    ["/** Makes one. */", true, 2],
    ["/**\n * Makes one.\n *\n * @since 0.1.0\n */", true, 1],
    ["/**\n * Makes one.\n *\n * @since soon\n * @category models\n */", true, 1],
    ["/**\n * Makes one.\n *\n * @since 0.1.0\n * @category things\n */", true, 1],
    ["/**\n * @since 0.1.0\n * @category models\n */", true, 1],
    ["/**\n * Makes one.\n *\n * @since 0.1.0\n */", false, 0],
    ["/**\n * Makes one.\n *\n * @since 0.1.0\n * @category models\n */", true, 0]
  ] as const)(
    "a comment like %s, with a category %s, has %s faults",
    (comment, hasCategory, count) => {
      assert.lengthOf(faultsOf(comment, hasCategory), count)
    }
  )
})
