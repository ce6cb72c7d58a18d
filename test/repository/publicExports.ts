/**
 * Finds the exports of a package from the syntax trees of its entry points: every name with the
 * file that declares it and the doc comment of each declaration. Types are not resolved.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parseAst } from "vitest/node"

/** One declaration of a public name. A type and a constant of the same name count as two. */
export interface Declaration {
  readonly file: string
  /** The kind of declaration: `type`, `interface`, `class`, `const` or `function`. */
  readonly kind: string
  /** Where the declaration begins in the text of its file. */
  readonly start: number
  /** The doc comment with its delimiters; undefined if there is none. */
  readonly comment: string | undefined
}

/** A public name, such as `Faults.disconnect`, with the entry point that exports it. */
export interface PublicExport {
  readonly entry: string
  readonly name: string
  readonly declarations: ReadonlyArray<Declaration>
}

/** A module that a name such as `Faults` refers to, or an entry point. */
export interface PublicModule {
  readonly entry: string
  /** Empty for an entry point. */
  readonly name: string
  readonly file: string
  readonly comment: string | undefined
}

interface Node {
  readonly type: string
  readonly start: number
  readonly [key: string]: any
}

const kinds: Readonly<Record<string, string>> = {
  TSTypeAliasDeclaration: "type",
  TSInterfaceDeclaration: "interface",
  ClassDeclaration: "class",
  VariableDeclaration: "const",
  FunctionDeclaration: "function",
  TSDeclareFunction: "function"
}

const namesOf = (declaration: Node): ReadonlyArray<string> =>
  declaration.type === "VariableDeclaration"
    ? declaration["declarations"].map(({ id }: { readonly id: Node }) => id["name"])
    : [declaration["id"]["name"]]

/** The doc comment that ends before `start`, with only white space in between. */
const commentBefore = (text: string, start: number): string | undefined => {
  const before = text.slice(0, start).trimEnd()
  return before.endsWith("*/") ? /\/\*\*(?:(?!\/\*\*)[^])*$/.exec(before)?.[0] : undefined
}

/** A file: its declarations by name, and the targets of its exports and imports. */
const readFile = (file: string) => {
  const text = Fs.readFileSync(file, "utf8")
  const body = parseAst(text, { lang: "ts" }).body as unknown as ReadonlyArray<Node>
  const target = (node: Node): string => Path.resolve(Path.dirname(file), node["source"]["value"])
  const declarations = new Map<string, Array<Declaration>>()
  const imported = new Map<string, { readonly file: string; readonly name: string }>()
  /** Exported names, each with the local name, or with the file and the name there. */
  const exported: Array<{ readonly name: string; readonly local: string; readonly file?: string }> =
    []
  const modules: Array<{ readonly name: string; readonly file: string }> = []
  /** Files from which everything is exported. */
  const spread: Array<string> = []
  for (const node of body) {
    const declaration: Node | undefined =
      node["declaration"] ?? (node.type in kinds ? node : undefined)
    if (declaration !== undefined && declaration.type in kinds) {
      for (const name of namesOf(declaration)) {
        const found = {
          file,
          kind: kinds[declaration.type]!,
          start: node.start,
          comment: commentBefore(text, node.start)
        }
        const others = declarations.get(name) ?? []
        // The overloads of a function share the comment of the first one.
        if (!others.some(({ kind }) => kind === "function"))
          declarations.set(name, [...others, found])
        if (node.type === "ExportNamedDeclaration" && others.length === 0)
          exported.push({ name, local: name })
      }
    } else if (
      node.type === "ImportDeclaration" &&
      String(node["source"]["value"]).startsWith(".")
    ) {
      for (const { imported: there, local } of node["specifiers"]) {
        imported.set(local.name, { file: target(node), name: there?.name })
      }
    } else if (node.type === "ExportAllDeclaration" && node["exported"] !== null) {
      modules.push({ name: node["exported"]["name"], file: target(node) })
    } else if (node.type === "ExportNamedDeclaration") {
      for (const { exported: name, local } of node["specifiers"]) {
        const from = node["source"] === null ? {} : { file: target(node) }
        exported.push({ name: name.name, local: local.name, ...from })
      }
    } else if (node.type === "ExportAllDeclaration") {
      spread.push(target(node))
    }
  }
  return { text, declarations, imported, exported, modules, spread }
}

/** The declarations of a name that a file declares, imports or re-exports. */
const declarationsOf = (file: string, name: string): ReadonlyArray<Declaration> => {
  const { declarations, exported, imported } = readFile(file)
  const here = declarations.get(name)
  if (here !== undefined) return here
  const passed = imported.get(name) ?? exported.find((one) => one.name === name)
  if (passed === undefined) return []
  return "local" in passed
    ? declarationsOf(passed.file ?? file, passed.local)
    : declarationsOf(passed.file, passed.name)
}

/** All exports of an entry point. */
export const publicExportsOf = (entry: string, file: string) => {
  const exports: Array<PublicExport> = []
  const modules: Array<PublicModule> = []
  const visit = (file: string, prefix: string): void => {
    const { exported, modules: inside, spread } = readFile(file)
    for (const { file: there, local, name } of exported) {
      exports.push({
        entry,
        name: prefix + name,
        declarations: declarationsOf(there ?? file, local)
      })
    }
    for (const there of spread) visit(there, prefix)
    for (const module of inside) visitModule(module.file, `${prefix}${module.name}.`)
  }
  const visitModule = (file: string, prefix: string): void => {
    const comment = /^\/\*\*[^]*?\*\//.exec(readFile(file).text)?.[0]
    modules.push({ entry, name: prefix.slice(0, -1), file, comment })
    visit(file, prefix)
  }
  visitModule(file, "")
  return { exports, modules }
}
