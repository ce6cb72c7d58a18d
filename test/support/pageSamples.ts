/**
 * The TypeScript samples of the README and the guides, as files that can be compiled.
 *
 * A block of `ts` is a complete program, or a test if its first line is a comment with the name of
 * a test file. A block of `typescript` is a fragment: it gets the imports that it needs, the
 * declarations of an HTML comment `setup` in front of it, and a function around it.
 */
import * as effect from "effect"
import * as client from "effect-zerobus"
import * as testing from "effect-zerobus/testing"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { root } from "./localEnvironment.ts"

/** One sample of a page. */
export interface Sample {
  /** Path of the page below the project, such as `docs/errors.md`. */
  readonly page: string
  readonly kind: "program" | "test" | "fragment"
  /** Name of the file to compile; it names the page and the line. */
  readonly file: string
  readonly code: string
}

/** Names that a package exports, types included; those of JavaScript itself stay as they are. */
const exported = (values: object, index?: string): ReadonlyArray<string> => {
  const source = index === undefined ? "" : Fs.readFileSync(Path.join(root, index), "utf8")
  const types = [...source.matchAll(/export type \{([^}]*)\}|\btype (\w+)/g)].flatMap(
    ([, list, one]) => (list ?? one!).match(/\w+/g) ?? []
  )
  const names = new Set([...Object.keys(values), ...types.map((name) => `type ${name}`)])
  return [...names].filter((name) => !(name in globalThis) && name !== "Record")
}

const packages: Readonly<Record<string, ReadonlyArray<string>>> = {
  "effect": exported(effect),
  "@effect/platform-node": ["NodeRuntime"],
  "effect-zerobus": exported(client, "src/index.ts"),
  "effect-zerobus/testing": exported(testing, "src/testing/index.ts")
}

/** Import statements for the exported names that a fragment uses and does not import itself. */
const importsFor = (code: string): string => {
  const own = [...code.matchAll(/^import (?:type )?\{([^}]*)\}/gm)].flatMap(
    ([, names]) => names!.match(/\w+/g) ?? []
  )
  const uses = (name: string): boolean => {
    const bare = name.replace("type ", "")
    return !own.includes(bare) && new RegExp(`(?<![.\\w])${bare}\\b`).test(code)
  }
  return Object.entries(packages)
    .map(([from, names]) => [from, names.filter(uses)] as const)
    .filter(([, names]) => names.length > 0)
    .map(([from, names]) => `import { ${names.join(", ")} } from ${JSON.stringify(from)}\n`)
    .join("")
}

const isImport = /^import [^]*? from .*\n/gm

/** A module around a fragment. It has a client called `zerobus`, unless the setup declares one. */
const wrapped = (fragment: string, setup: string): string => {
  const imports = (setup + fragment).match(isImport)?.join("") ?? ""
  const [outside, inside] = [setup, fragment].map((code) => code.replace(isImport, "")) as [
    string,
    string
  ]
  const all = `${imports}${outside}${inside}`
  if (/^[^/\n]*\bawait /m.test(inside))
    return `${importsFor(all)}${imports}${outside}export const sample = async () => {\n${inside}}\n`
  const needsClient = /\bzerobus\./.test(inside) && !/\b(?:const zerobus\b|\(zerobus\))/.test(all)
  const zerobus = needsClient ? "const zerobus = yield* Zerobus\n" : ""
  const names = importsFor(`${all} Effect Zerobus`)
  const body = `Effect.gen(function* () {\n${zerobus}${inside}})`
  return `${names}${imports}${outside}export const sample = ${body}\n`
}

const block = /(?:<!-- setup\n([^]*?)-->\n+)?```(ts|typescript)\n([^]*?)```/g

const samplesOf = (page: string): ReadonlyArray<Sample> => {
  const text = Fs.readFileSync(Path.join(root, page), "utf8")
  return [...text.matchAll(block)].map((match) => {
    const [, setup = "", language, code = ""] = match
    const line = text.slice(0, match.index + match[0].indexOf("```")).split("\n").length
    const test = /^\/\/ (\S+\.test\.ts)\n/.exec(code)?.[1]
    const name = `${Path.basename(page, ".md")}-${line}`
    if (language === "typescript") {
      return { page, kind: "fragment", file: `${name}.ts`, code: wrapped(code, setup) }
    }
    return test === undefined
      ? { page, kind: "program", file: `${name}.ts`, code }
      : { page, kind: "test", file: `${name}-${test}`, code }
  })
}

/** The README and every guide. */
export const pages: ReadonlyArray<string> = [
  "README.md",
  ...Fs.globSync("docs/*.md", { cwd: root }).sort()
]

/** Every sample of every page. */
export const samples: ReadonlyArray<Sample> = pages.flatMap(samplesOf)
