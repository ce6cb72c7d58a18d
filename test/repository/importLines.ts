/**
 * Reads the imports of a source text from its syntax tree: static imports, re-exports, imports in
 * types, dynamic imports, `require`, `import.meta.resolve` and `new URL(..., import.meta.url)`.
 * `imports.test.ts` decides which are allowed.
 */
import { parseAst } from "vitest/node"

/** An import whose specifier is a literal. */
export interface ImportLine {
  /** The specifier. A URL relative to the file begins with a dot here. */
  readonly specifier: string
  /** Whether it loads no code when the file is loaded: a type, a dynamic import or a path. */
  readonly typeOnly: boolean
}

/**
 * The imports of a text, and the expressions that could import something not named by a literal.
 */
export interface ImportLines {
  readonly imports: ReadonlyArray<ImportLine>
  readonly unreadable: ReadonlyArray<string>
}

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as Node).type === "string"

const isIdentifier = (value: unknown, name: string): boolean =>
  isNode(value) && value.type === "Identifier" && value["name"] === name

const isImportMeta = (value: unknown): boolean =>
  isNode(value) && value.type === "MetaProperty" && isIdentifier(value["meta"], "import")

/** Whether a node is `import.meta` followed by a dot and this name. */
const isOfMeta = (value: unknown, name: string): boolean =>
  isNode(value) &&
  value.type === "MemberExpression" &&
  value["computed"] === false &&
  isImportMeta(value["object"]) &&
  isIdentifier(value["property"], name)

/** The text of a literal, in quotes or backticks; undefined for any other node. */
const literal = (value: unknown): string | undefined => {
  if (!isNode(value)) return undefined
  if (value.type === "Literal")
    return typeof value["value"] === "string" ? value["value"] : undefined
  if (
    value.type !== "TemplateLiteral" ||
    (value["expressions"] as ReadonlyArray<unknown>).length > 0
  )
    return undefined
  return (value["quasis"] as ReadonlyArray<{ readonly value: { readonly cooked: string } }>)[0]!
    .value.cooked
}

/**
 * A URL relative to a file is a path, also without a dot: `x.ts` is next to the file and not a
 * package.
 */
const pathOf = (url: string): string =>
  /^(?:\.|\/|[a-z][a-z\d+.-]*:)/i.test(url) ? url : `./${url}`

/** The syntax node of an import. */
interface Importing {
  readonly source: unknown
  readonly typeOnly: boolean
  readonly path?: true
}

const importing = (node: Node): Importing | undefined => {
  const [first, second] = (node["arguments"] ?? []) as ReadonlyArray<unknown>
  switch (node.type) {
    case "ImportDeclaration":
      return { source: node["source"], typeOnly: node["importKind"] === "type" }
    case "ExportAllDeclaration":
    case "ExportNamedDeclaration":
      return isNode(node["source"])
        ? { source: node["source"], typeOnly: node["exportKind"] === "type" }
        : undefined
    case "TSExternalModuleReference":
      return { source: node["expression"], typeOnly: false }
    case "TSImportType":
    case "ImportExpression":
      return { source: node["source"], typeOnly: true }
    case "CallExpression":
      if (isIdentifier(node["callee"], "require")) return { source: first, typeOnly: false }
      return isOfMeta(node["callee"], "resolve") ? { source: first, typeOnly: true } : undefined
    case "NewExpression":
      return isIdentifier(node["callee"], "URL") && isOfMeta(second, "url")
        ? { source: first, typeOnly: true, path: true }
        : undefined
    default:
      return undefined
  }
}

/** Names of members and keys, which are not expressions themselves. */
const isName = (node: Node, key: string): boolean =>
  node["computed"] === false && (key === "property" || key === "key")

/**
 * The imports of a TypeScript or JavaScript text. `import.meta` and `require` outside the forms
 * above count as unreadable, because their imports could be named anywhere.
 */
export const importLinesOf = (text: string): ImportLines => {
  const imports: Array<ImportLine> = []
  const unreadable: Array<string> = []
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(visit)
    if (!isNode(value)) return
    const found = importing(value)
    const specifier = literal(found?.source)
    if (found !== undefined && specifier !== undefined) {
      imports.push({
        specifier: found.path ? pathOf(specifier) : specifier,
        typeOnly: found.typeOnly
      })
    } else if (found !== undefined || isImportMeta(value) || isIdentifier(value, "require")) {
      unreadable.push(text.slice(value.start, value.end))
    } else {
      for (const [key, child] of Object.entries(value)) if (!isName(value, key)) visit(child)
    }
  }
  visit(parseAst(text, { lang: "ts" }))
  return { imports, unreadable }
}
