/**
 * Converts a table definition to the `metaData` and `protocol` actions of a Delta table, and back.
 */
import * as Result from "effect/Result"
import {
  type ColumnType,
  fromTypeJson,
  type TableDefinition,
  toTypeJson
} from "../../internal/columns/columnType.ts"
import { isSimple, scalarTypes } from "../../internal/columns/scalarTypes.ts"
import { columnTree, maxDefinitionLevel } from "../parquet/columnTree.ts"
import { sameName } from "./columnLookup.ts"
import type { Metadata, Protocol } from "./deltaActions.ts"
import { UnsupportedColumn } from "../log/storageErrors.ts"

/**
 * A table of the store. `createdAt` in milliseconds; `location` is the folder of the Delta table.
 *
 * @since 0.1.0
 * @category models
 */
export interface TableRecord {
  /** Name and columns. */
  readonly definition: TableDefinition
  /** When it was created, in milliseconds since the epoch. */
  readonly createdAt: number
  /** The id of the table; a table that is created again has another one. */
  readonly tableId: string
  /** The folder of the Delta table. */
  readonly location: string
  /**
   * Why the table cannot be written after a change by another writer, and what to do; absent while
   * it can be written.
   */
  readonly problem?: string | undefined
}

const complexKey = (type: ColumnType): boolean => {
  if (isSimple(type)) return false
  switch (type._tag) {
    case "Array":
      return complexKey(type.element)
    case "Map":
      return !isSimple(type.key) || complexKey(type.value)
    case "Struct":
      return type.fields.some((field) => complexKey(field.type))
  }
}

/**
 * The path of the first NOT NULL field of a STRUCT inside an ARRAY or a MAP; undefined when there
 * is none.
 */
const requiredInCollection = (
  path: ReadonlyArray<string>,
  type: ColumnType,
  inside: boolean
): ReadonlyArray<string> | undefined => {
  if (isSimple(type)) return undefined
  switch (type._tag) {
    case "Array":
      return requiredInCollection([...path, "element"], type.element, true)
    case "Map":
      return (
        requiredInCollection([...path, "key"], type.key, true) ??
        requiredInCollection([...path, "value"], type.value, true)
      )
    case "Struct":
      for (const field of type.fields) {
        const here = [...path, field.name]
        const found =
          inside && !field.nullable ? here : requiredInCollection(here, field.type, inside)
        if (found !== undefined) return found
      }
      return undefined
  }
}

/**
 * Why a column cannot be written in a form that every reader supports; undefined when all columns
 * can.
 */
export const unsupportedColumn = (definition: TableDefinition): UnsupportedColumn | undefined => {
  const refuse = (column: string, message: string) => new UnsupportedColumn({ column, message })
  for (const { name, type } of definition.columns) {
    if (complexKey(type)) {
      return refuse(
        name,
        `The column ${name} has a MAP whose key is not a simple type. Use a simple key.`
      )
    }
    const required = requiredInCollection([name], type, false)
    if (required !== undefined) {
      const path = required.join(".")
      return refuse(
        name,
        `The field ${path} is NOT NULL inside an ARRAY or a MAP, which Spark does not read. ` +
          `Leave NOT NULL out there.`
      )
    }
  }
  const deep = columnTree(definition.columns).leaves.find(
    (leaf) => leaf.maxDefinition > maxDefinitionLevel
  )
  return deep === undefined
    ? undefined
    : refuse(deep.path[0]!, `The column ${deep.path[0]!} is nested too deeply. Flatten it.`)
}

/**
 * Features that writer version 2 implies, and that writer version 7 must list. Readers need
 * neither.
 */
const writerFeatures = ["appendOnly", "invariants"]

/**
 * Reader version 1 and writer version 2, which every engine supports, unless a column type requires
 * a table feature.
 */
export const protocolOf = (definition: TableDefinition): Protocol => {
  const used = new Set<string>(columnTree(definition.columns).leafTypes.map((type) => type._tag))
  const features = Object.entries(scalarTypes).flatMap(([tag, { feature }]) =>
    feature !== undefined && used.has(tag) ? [feature] : []
  )
  return features.length === 0
    ? { minReaderVersion: 1, minWriterVersion: 2 }
    : {
        minReaderVersion: 3,
        minWriterVersion: 7,
        readerFeatures: features,
        writerFeatures: [...features, ...writerFeatures]
      }
}

/**
 * The protocol with the writer features that it lacks; undefined when it lacks none. Spark does not
 * open a table with NOT NULL columns unless it lists `invariants`.
 */
export const upgradedProtocol = (protocol: Protocol): Protocol | undefined => {
  if (protocol.minWriterVersion !== 7) return undefined
  const listed = protocol.writerFeatures ?? []
  const missing = writerFeatures.filter((feature) => !listed.includes(feature))
  return missing.length === 0 ? undefined : { ...protocol, writerFeatures: [...listed, ...missing] }
}

/** The metaData action of a new table. */
export const metadataOf = (
  definition: TableDefinition,
  tableId: string,
  createdAt: number
): Metadata => ({
  id: tableId,
  name: definition.name,
  ...(definition.comment === undefined ? {} : { description: definition.comment }),
  format: { provider: "parquet", options: {} },
  schemaString: JSON.stringify({ type: "struct", fields: definition.columns.map(toTypeJson) }),
  partitionColumns: definition.partitionColumns ?? [],
  configuration: {},
  createdTime: createdAt
})

/**
 * Reads a table definition from its `metaData` action. The name comes from the folder, not from the
 * action. Partition columns get their case from the schema. The failure is a sentence.
 */
export const definitionOf = (
  name: string,
  metadata: Metadata
): Result.Result<TableDefinition, string> => {
  const parsed = Result.try({
    try: () => JSON.parse(metadata.schemaString) as unknown,
    catch: () => "The schema is not valid JSON."
  })
  return Result.map(Result.flatMap(parsed, fromTypeJson), (type) => {
    const columns = type._tag === "Struct" ? type.fields : []
    const inSchema = (partition: string) =>
      columns.find((column) => sameName(column.name, partition))?.name
    return {
      name,
      columns,
      ...(metadata.partitionColumns.length === 0
        ? {}
        : {
            partitionColumns: metadata.partitionColumns.map(
              (partition) => inSchema(partition) ?? partition
            )
          }),
      ...(metadata.description === undefined ? {} : { comment: metadata.description })
    }
  })
}

/** Identifies the schema of a table. It changes with the columns and the partitioning. */
export const schemaKey = ({ partitionColumns, schemaString }: Metadata): string =>
  JSON.stringify([schemaString, partitionColumns])
