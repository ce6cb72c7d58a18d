/**
 * Writes the TypeScript module of a table: a `Table.make` call and its record type, formatted as
 * the code formatter does.
 *
 * Names and comments come from a catalog and are treated as data. Names are plain identifiers by
 * the rules of the model. Comments are stripped of everything that could end a comment or be read
 * as a directive. All other text is passed through `JSON.stringify`.
 */
import type {
  ColumnDefinition,
  ColumnType,
  TableDefinition
} from "../../internal/columns/columnType.ts"
import { isScalar } from "../../internal/columns/scalarTypes.ts"
import { pascalCase } from "../../internal/protobuf/messagePlan.ts"
import { cleanLines } from "./protoText.ts"

const width = 100

/** An expression: a word, a call, or an object of columns. */
type Expression =
  | { readonly _tag: "Word"; readonly text: string }
  | { readonly _tag: "Call"; readonly name: string; readonly args: ReadonlyArray<Expression> }
  | {
      readonly _tag: "Object"
      readonly entries: ReadonlyArray<{
        readonly key: string
        readonly comment: ReadonlyArray<string>
        readonly value: Expression
      }>
    }

const word = (text: string): Expression => ({ _tag: "Word", text })
const call = (name: string, ...args: ReadonlyArray<Expression>): Expression => ({
  _tag: "Call",
  name,
  args
})

const flat = (expression: Expression): string | undefined => {
  switch (expression._tag) {
    case "Word":
      return expression.text
    case "Call": {
      const args = expression.args.map(flat)
      return args.includes(undefined) ? undefined : `${expression.name}(${args.join(", ")})`
    }
    case "Object": {
      const entries = expression.entries.map(({ comment, key, value }) => {
        const text = comment.length === 0 ? flat(value) : undefined
        return text === undefined ? undefined : `${key}: ${text}`
      })
      return entries.includes(undefined) ? undefined : `{ ${entries.join(", ")} }`
    }
  }
}

/**
 * Formats an expression that starts after `before` characters of its line and is followed by
 * `after` more.
 */
const layOut = (expression: Expression, indent: string, before: number, after: number): string => {
  const oneLine = flat(expression)
  if (oneLine !== undefined && before + oneLine.length + after <= width) return oneLine
  const inner = `${indent}  `
  switch (expression._tag) {
    case "Word":
      return expression.text
    case "Call": {
      const [only] = expression.args
      if (expression.args.length === 1 && only?._tag === "Object")
        return `${expression.name}(${layOut(only, indent, width, 0)})`
      const last = expression.args.length - 1
      const args = expression.args.map(
        (arg, index) => `${inner}${layOut(arg, inner, inner.length, index === last ? 0 : 1)}`
      )
      return `${expression.name}(\n${args.join(",\n")}\n${indent})`
    }
    case "Object": {
      const last = expression.entries.length - 1
      const entries = expression.entries.flatMap(({ comment, key, value }, index) => {
        const comma = index === last ? "" : ","
        const text = layOut(value, inner, inner.length + key.length + 2, comma.length)
        return [...comment.map((line) => `${inner}${line}`), `${inner}${key}: ${text}${comma}`]
      })
      return `{\n${entries.join("\n")}\n${indent}}`
    }
  }
}

/** A line without comment terminators and without directives of compilers and bundlers. */
const inert = (line: string): string =>
  line
    .replaceAll("*/", "* /")
    .replace(/(^|[\s*/#])@|@(?=ts-)/g, "$1(at)")
    .replaceAll("sourceMappingURL", "sourceMapping URL")

/** A comment as the lines of a doc comment. Empty when no text remains. */
export const docComment = (comment: string | undefined): ReadonlyArray<string> => {
  if (comment === undefined) return []
  const lines = cleanLines(comment).map(inert)
  const [only, more] = lines
  if (only === undefined) return []
  return more === undefined
    ? [`/** ${only} */`]
    : ["/**", ...lines.map((line) => ` * ${line}`), " */"]
}

const columnExpression = (column: ColumnDefinition): Expression => {
  const type = typeExpression(column.type)
  if (!column.nullable) return call("Column.required", type)
  return column.type._tag === "Array" || column.type._tag === "Map"
    ? type
    : call("Column.nullable", type)
}

const typeExpression = (type: ColumnType): Expression => {
  if (isScalar(type)) return word(`Column.${type._tag}`)
  switch (type._tag) {
    case "Decimal":
      return call("Column.Decimal", word(String(type.precision)), word(String(type.scale)))
    case "Array":
      return call("Column.Array", typeExpression(type.element))
    case "Map":
      return call("Column.Map", typeExpression(type.key), typeExpression(type.value))
    case "Struct":
      return call("Column.Struct", fieldsExpression(type.fields, columnExpression))
  }
}

const fieldsExpression = (
  columns: ReadonlyArray<ColumnDefinition>,
  write: (column: ColumnDefinition, index: number) => Expression
): Expression => ({
  _tag: "Object",
  entries: columns.map((column, index) => ({
    key: column.name,
    comment: docComment(column.comment),
    value: write(column, index)
  }))
})

// Names that the module imports, and global names that a declaration must not redefine.
const taken: ReadonlySet<string> = new Set(["Column", "Table", "NaN", "Infinity"])

/** The name of the table's constant: PascalCase of its last part. */
export const constantName = (tableName: string): string => {
  const name = pascalCase(tableName.split(".")[2] ?? "")
  return taken.has(name) ? `${name}Table` : name
}

/**
 * The text of the module. Columns must be sorted by position. `origin` is a phrase that says where
 * the definition came from.
 */
export const tableModule = (definition: TableDefinition, origin: string): string => {
  const name = constantName(definition.name)
  const top = (column: ColumnDefinition, index: number): Expression => {
    const expression = columnExpression(column)
    return column.position === undefined || column.position === index
      ? expression
      : call("Column.positioned", expression, word(String(column.position)))
  }
  const columns = layOut(fieldsExpression(definition.columns, top), "", width, 0)
  const partitions = definition.partitionColumns?.map((column) => JSON.stringify(column)) ?? []
  const options =
    partitions.length === 0 ? undefined : `{ partitionColumns: [${partitions.join(", ")}] }`
  const made =
    options === undefined
      ? `Table.make(${JSON.stringify(definition.name)}, ${columns})`
      : `Table.make(\n  ${JSON.stringify(definition.name)},\n  ` +
        `${columns.replaceAll("\n", "\n  ")},\n  ` +
        `${layOutOptions(options, definition.partitionColumns ?? [])}\n)`
  const header = `Written by \`zerobus generate\` from ${origin}. Do not edit: generate it again.`
  return [
    `// ${inert(cleanLines(header).join(" "))}`,
    'import { Column, Table } from "effect-zerobus"',
    "",
    ...docComment(definition.comment ?? `The table ${definition.name}.`),
    `export const ${name} = ${made}`,
    "",
    `/** A record of ${definition.name}. */`,
    `export type ${name} = typeof ${name}.Type`,
    ""
  ].join("\n")
}

const layOutOptions = (oneLine: string, columns: ReadonlyArray<string>): string =>
  oneLine.length + 2 <= width
    ? oneLine
    : `{\n    partitionColumns: ` +
      `[\n${columns.map((column) => `      ${JSON.stringify(column)}`).join(",\n")}\n    ]\n  }`
