/**
 * Converts the Effect Schema of a record to the tree of nodes from which its encoder is composed.
 *
 * Columns are ordinary schemas with an annotation that names their column type. Brands are ignored.
 * Checks become `Check` nodes, and transformations become `Convert` nodes around what they encode
 * to. `null` and absent keys are distinguished. Plain schemas with an unambiguous column type
 * (text, booleans, bigints) need no annotation.
 */
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaParser from "effect/SchemaParser"
import { maxDepth } from "../columns/columnNames.ts"
import type { ColumnNode, ConvertNode, FieldNode, StructNode } from "./columnNode.ts"
import { columnTypeOf, isNullable, structOf } from "./columnNode.ts"
import { refuse } from "../columns/columnRules.ts"
import type { Leaf } from "./scalars.ts"
import { leaves } from "./scalars.ts"

/** Annotation of a leaf column: its {@link Leaf}; of a map column: `"map"`. */
export const columnAnnotation = "effect-zerobus/column"

/**
 * Annotation of a column whose catalog position differs from its index in the list: the position.
 */
export const positionAnnotation = "effect-zerobus/position"

/** Annotation of a column that is NOT NULL in its table. */
export const requiredAnnotation = "effect-zerobus/required"

const annotations = (ast: SchemaAST.AST): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  [ast.annotations, ...(ast.checks ?? []).map((check) => check.annotations)].filter(
    (found) => found !== undefined
  )

const annotation = (ast: SchemaAST.AST, key: string): unknown => {
  for (const found of annotations(ast)) if (found[key] !== undefined) return found[key]
  return undefined
}

// The annotation of a column with its own check is on that check. Any later check was added by the
// user.
const hasFurtherChecks = (ast: SchemaAST.AST): boolean => {
  const checks = ast.checks ?? []
  const own = checks.findIndex((check) => check.annotations?.[columnAnnotation] !== undefined)
  return checks.length > own + 1
}

const withChecks = (ast: SchemaAST.AST, inner: ColumnNode): ColumnNode =>
  hasFurtherChecks(ast)
    ? { _tag: "Check", inner, accepts: SchemaParser.is(Schema.make<Schema.Top>(ast)) }
    : inner

const plainLeaf = (ast: SchemaAST.AST): Leaf | undefined => {
  switch (ast._tag) {
    case "String":
    case "TemplateLiteral":
      return leaves.String
    case "Boolean":
      return leaves.Boolean
    case "BigInt":
      return leaves.BigInt
    case "Literal":
      return typeof ast.literal === "string"
        ? leaves.String
        : typeof ast.literal === "boolean"
          ? leaves.Boolean
          : undefined
    case "Union": {
      const kinds = new Set(ast.types.map(plainLeaf))
      const [only] = kinds
      return kinds.size === 1 ? only : undefined
    }
    default:
      return undefined
  }
}

const needsCheck = (ast: SchemaAST.AST): boolean =>
  ast._tag === "Literal" || ast._tag === "TemplateLiteral" || ast._tag === "Union"

/** The leaf of a map key, which may also be checked or converted. */
const leafOf = (node: ColumnNode): Leaf | undefined =>
  node._tag === "Leaf"
    ? node.leaf
    : node._tag === "Check" || node._tag === "Convert"
      ? leafOf(node.inner)
      : undefined

const wrapInStruct = "Wrap it in a struct: Column.Struct({ value: ... })."

const notNull = (path: string, what: string, node: ColumnNode): ColumnNode =>
  isNullable(node)
    ? refuse(
        `Column ${path} has ${what} that may be null, which protobuf cannot carry. ${wrapInStruct}`
      )
    : node

const compileArrays = (ast: SchemaAST.Arrays, path: string, depth: number): ColumnNode => {
  const [item, more] = ast.rest
  if (ast.elements.length > 0 || item === undefined || more !== undefined) {
    return refuse(
      `Column ${path} is a tuple. Use Column.Array for lists and Column.Struct for a fixed set ` +
        `of values.`
    )
  }
  return { _tag: "Array", element: notNull(path, "elements", compile(item, path, depth + 1)) }
}

const compileMap = (
  key: SchemaAST.AST,
  value: SchemaAST.AST,
  plainObject: boolean,
  path: string,
  depth: number
): ColumnNode => {
  const keyNode = compile(key, path, depth + 1)
  const leaf = leafOf(keyNode)
  if (leaf === undefined) {
    return refuse(
      `Column ${path} is a map with keys of more than one value. Use integral, boolean or ` +
        `string keys, or an array of structs.`
    )
  }
  return {
    _tag: "Map",
    key: leaf,
    keyNode,
    plainObject,
    value: notNull(path, "values", compile(value, path, depth + 1))
  }
}

// The property signatures of a struct or of a whole table. The path is empty at the top level.
const compileFields = (ast: SchemaAST.AST, path: string, depth: number): StructNode => {
  if (
    ast._tag !== "Objects" ||
    ast.indexSignatures.length > 0 ||
    ast.propertySignatures.length === 0
  ) {
    return refuse(
      path === ""
        ? "The table needs at least one column."
        : `Column ${path} is a struct without fields. Give it at least one.`
    )
  }
  return {
    _tag: "Struct",
    fields: ast.propertySignatures.map((property, index): FieldNode => {
      if (typeof property.name !== "string")
        return refuse(
          `A column of ${path === "" ? "the table" : path} is named by a symbol. Use a string.`
        )
      const name = property.name
      const fieldPath = path === "" ? name : `${path}.${name}`
      const node = compile(property.type, fieldPath, depth)
      const type = columnTypeOf(node)
      const collection = type._tag === "Array" || type._tag === "Map"
      if (collection && isNullable(node)) {
        return refuse(
          `Column ${fieldPath} is an ${type._tag === "Map" ? "map" : "array"} that may be null, ` +
            `which protobuf cannot tell from an empty one. ` +
            `Send an empty one instead, or wrap it in a nullable struct.`
        )
      }
      const encoded = SchemaAST.toEncoded(property.type)
      const optional = SchemaAST.isOptional(encoded)
      const required =
        annotation(property.type, requiredAnnotation) === true ||
        annotation(encoded, requiredAnnotation) === true
      if (required && (optional || isNullable(node))) {
        return refuse(
          `Column ${fieldPath} is required and may be null or absent at once. Choose one of ` +
            `Column.required and Column.nullable.`
        )
      }
      const comment = SchemaAST.resolveDescription(property.type)
      // Fields of structs have no positions: they are numbered in order.
      const placed =
        annotation(property.type, positionAnnotation) ?? annotation(encoded, positionAnnotation)
      const position = path === "" && typeof placed === "number" ? placed : undefined
      return {
        name,
        node,
        optional,
        number: (position ?? index) + 1,
        definition: {
          name,
          type,
          nullable: !required,
          ...(comment === undefined ? {} : { comment }),
          ...(position === undefined ? {} : { position })
        }
      }
    })
  }
}

// A class is a declaration over its struct, and is encoded as that struct.
const compileInstance = (
  ast: SchemaAST.AST,
  path: string,
  depth: number
): ConvertNode["instance"] => {
  if (ast._tag !== "Declaration" || ast.annotations?.["~constructor"] === undefined)
    return undefined
  const [struct] = ast.typeParameters
  const [link, more] = ast.encoding ?? []
  if (struct?._tag !== "Objects" || link?.to !== struct || more !== undefined) return undefined
  return {
    inner: compile(struct, path, depth),
    accepts: SchemaParser.is(Schema.make<Schema.Top>(SchemaAST.toType(ast)))
  }
}

const compile = (ast: SchemaAST.AST, path: string, depth: number): ColumnNode => {
  // Nullability counts as a level here. The definition is measured exactly later.
  if (depth > maxDepth * 3)
    return refuse(`Column ${path.slice(0, 128)} is nested deeper than ${maxDepth} levels.`)
  if (ast.encoding !== undefined) {
    const schema = Schema.make<Schema.Codec<unknown, unknown>>(ast)
    return {
      _tag: "Convert",
      inner: compile(SchemaAST.toEncoded(ast), path, depth),
      encode: SchemaParser.encodeUnknownResult(schema),
      decode: SchemaParser.decodeUnknownResult(schema),
      instance: compileInstance(ast, path, depth)
    }
  }
  const found = annotation(ast, columnAnnotation)
  if (found === "map" && ast._tag === "Declaration") {
    const [key, value] = ast.typeParameters
    if (key !== undefined && value !== undefined)
      return withChecks(ast, compileMap(key, value, false, path, depth))
  }
  if (found !== undefined && found !== "map")
    return withChecks(ast, { _tag: "Leaf", leaf: found as Leaf })
  if (ast._tag === "Union") {
    const empty = ast.types.find((member) => member._tag === "Null" || member._tag === "Undefined")
    const rest = ast.types.filter((member) => member !== empty)
    const [only, ...others] = rest
    if (empty !== undefined && only !== undefined) {
      const inner = others.length === 0 ? only : new SchemaAST.Union(rest, ast.options)
      return {
        _tag: "Nullable",
        inner: compile(inner, path, depth + 1),
        empty: empty._tag === "Null" ? null : undefined
      }
    }
  }
  if (ast._tag === "Arrays") return withChecks(ast, compileArrays(ast, path, depth))
  if (ast._tag === "Objects") {
    const [index, more] = ast.indexSignatures
    return index !== undefined && more === undefined && ast.propertySignatures.length === 0
      ? withChecks(ast, compileMap(index.parameter, index.type, true, path, depth))
      : withChecks(ast, compileFields(ast, path, depth + 1))
  }
  const leaf = plainLeaf(ast)
  if (leaf !== undefined) {
    const node: ColumnNode = { _tag: "Leaf", leaf }
    return needsCheck(ast)
      ? { _tag: "Check", inner: node, accepts: SchemaParser.is(Schema.make<Schema.Top>(ast)) }
      : withChecks(ast, node)
  }
  return refuse(
    ast._tag === "Suspend"
      ? `Column ${path} is recursive, which no table can hold. Use Column.Variant for nested ` +
          `data of any depth.`
      : ast._tag === "Number"
        ? `Column ${path} is a plain number. Say which one: Column.Int, Column.Double, ` +
          `Column.BigIntAsNumber, ...`
        : `Column ${path} has no column type. Build it from the constructors of Column.`
  )
}

/**
 * Compiles the schema of a whole record: a struct or class, with any checks and transformations
 * around it.
 */
export const compileRecord = (ast: SchemaAST.AST): ColumnNode => {
  const node = compile(ast, "", 0)
  structOf(node)
  return node
}
