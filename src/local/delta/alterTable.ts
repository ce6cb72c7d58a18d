/**
 * Adds columns to a Delta table: one commit with the changed schema and the table features that the
 * new column types need.
 */
import * as Result from "effect/Result"
import { withColumns } from "../../internal/columns/columnAddition.ts"
import {
  type ColumnDefinition,
  fromColumnJson,
  fullTypeText,
  toTypeJson
} from "../../internal/columns/columnType.ts"
import { sameName } from "./columnLookup.ts"
import type { Action, Metadata, Protocol, Snapshot } from "./deltaActions.ts"
import { openLog } from "./deltaLog.ts"
import { protocolOf } from "./tableFolder.ts"
import { checkPlace, impliedFeatures, tableGone, TableRefused } from "./writability.ts"

/** Columns to add to the table in a folder. `now` in milliseconds. */
export interface Addition {
  /** The table's name, for messages. */
  readonly name: string
  readonly folder: string
  readonly tableId: string
  readonly columns: ReadonlyArray<ColumnDefinition>
  readonly now: number
}

/**
 * Adds columns at the end of the table's schema, or of the STRUCTs that their paths name.
 * Everything that other writers put into the schema is kept. Throws `TableRefused` when the folder
 * holds another table, and `TableChanged` when another writer changes the schema at the same time.
 */
export const addColumns = async ({
  columns,
  folder,
  name,
  now,
  tableId
}: Addition): Promise<void> => {
  checkPlace(name, folder)
  const log = await openLog(folder)
  if (log === undefined || !(await log.look())) throw tableGone(name)
  if (log.snapshot.metadata!.id !== tableId)
    throw new TableRefused(name, "another table has taken its folder")
  await log.commit((snapshot) => additionActions(snapshot, columns, now))
}

const additionActions = (
  { metadata, protocol }: Snapshot,
  columns: ReadonlyArray<ColumnDefinition>,
  now: number
): ReadonlyArray<Action> => {
  const upgraded = protocolWith(protocol!, protocolOf({ name: "", columns }))
  return [
    {
      commitInfo: {
        timestamp: now,
        operation: "ADD COLUMNS",
        operationParameters: { columns: JSON.stringify(columns.map(parameterOf)) },
        isBlindAppend: false,
        engineInfo: "effect-zerobus"
      }
    },
    ...(upgraded === undefined ? [] : [{ protocol: upgraded }]),
    { metaData: metadataWith(metadata!, columns) }
  ]
}

/** A column in the form that Spark uses in the history of a table. */
const parameterOf = (column: ColumnDefinition): unknown => {
  const path = column.name.split(".")
  const json = toTypeJson({ ...column, name: path.at(-1)! })
  return path.length === 1 ? { column: json } : { columnPath: path.slice(0, -1), column: json }
}

const metadataWith = (metadata: Metadata, columns: ReadonlyArray<ColumnDefinition>): Metadata => {
  const schema = JSON.parse(metadata.schemaString) as Json
  const fields = columns.reduce(
    (known, column) => withField(known, column),
    schema["fields"] as ReadonlyArray<Json>
  )
  return { ...metadata, schemaString: JSON.stringify({ ...schema, fields }) }
}

/** A part of the schema JSON in the log, with everything that other writers put there. */
type Json = Readonly<Record<string, unknown>>

const withField = (fields: ReadonlyArray<Json>, column: ColumnDefinition): ReadonlyArray<Json> => {
  const [top = "", ...path] = column.name.split(".")
  if (path.length === 0) return [...fields, toTypeJson(column) as Json]
  return fields.map((field) => {
    if (!sameName(String(field["name"]), top)) return field
    const type = grown(field["type"] as Json, path, column)
    return { ...field, type, metadata: metadataOfGrown(field, column) }
  })
}

/**
 * Spark keeps the lengths of CHAR and VARCHAR once for a whole column, as the text of the column's
 * type.
 */
const metadataOfGrown = (field: Json, column: ColumnDefinition): unknown => {
  const metadata = field["metadata"] as Json | undefined
  if (typeof metadata?.["__CHAR_VARCHAR_TYPE_STRING"] !== "string") return metadata
  const known = Result.getOrThrowWith(fromColumnJson(field), (why) => new Error(why))
  const [after] = withColumns({ name: "", columns: [known] }, [column]).columns
  return { ...metadata, __CHAR_VARCHAR_TYPE_STRING: fullTypeText(after!.type) }
}

const grown = (type: Json, path: ReadonlyArray<string>, column: ColumnDefinition): Json => {
  const [name = "", ...rest] = path
  const into = (part: string): Json => ({
    ...type,
    [part]: grown(type[part] as Json, rest, column)
  })
  switch (type["type"]) {
    case "array":
      return into("elementType")
    case "map":
      return into(name === "key" ? "keyType" : "valueType")
    default: {
      const fields = (type["fields"] as ReadonlyArray<Json>) ?? []
      if (rest.length === 0)
        return { ...type, fields: [...fields, toTypeJson({ ...column, name }) as Json] }
      const inside = fields.map((field) =>
        sameName(String(field["name"]), name)
          ? { ...field, type: grown(field["type"] as Json, rest, column) }
          : field
      )
      return { ...type, fields: inside }
    }
  }
}

/**
 * The protocol with the features that new columns need; undefined when it has them already. A
 * changed protocol also lists the features that its older version implied.
 */
const protocolWith = (protocol: Protocol, needed: Protocol): Protocol | undefined => {
  const features = needed.readerFeatures ?? []
  const readers = protocol.readerFeatures ?? []
  const writers = protocol.writerFeatures ?? []
  const has = (feature: string) =>
    readers.includes(feature) ||
    (feature === "variantType" && readers.includes("variantType-preview"))
  const missing = features.filter((feature) => !has(feature))
  if (missing.length === 0) return undefined
  return {
    minReaderVersion: 3,
    minWriterVersion: 7,
    readerFeatures: [
      ...new Set([
        ...readers,
        ...(protocol.minReaderVersion === 2 ? ["columnMapping"] : []),
        ...missing
      ])
    ],
    writerFeatures: [
      ...new Set([
        ...writers,
        ...impliedFeatures(protocol),
        ...missing,
        ...(needed.writerFeatures ?? [])
      ])
    ]
  }
}
