/**
 * New columns for a Delta table: one commit with the changed schema, and with the features that the types
 * of the columns need.
 */
import { type ColumnDefinition, toTypeJson } from "../../internal/columns/columnType.ts"
import type { Action, Metadata, Protocol, Snapshot } from "./deltaActions.ts"
import { openLog } from "./deltaLog.ts"
import { protocolOf } from "./tableFolder.ts"
import { impliedFeatures, TableRefused } from "./writability.ts"

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
 * Adds columns at the end of the table's schema. What other writers put into the schema stays as it is.
 * Throws `TableRefused` when the folder holds another table, and `TableChanged` when another writer changes
 * the schema at the same time.
 */
export const addColumns = async ({ columns, folder, name, now, tableId }: Addition): Promise<void> => {
  const log = await openLog(folder)
  if (log === undefined || !(await log.look())) throw new TableRefused(name, "its Delta log is gone")
  if (log.snapshot.metadata!.id !== tableId) throw new TableRefused(name, "another table has taken its folder")
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
        operationParameters: { columns: JSON.stringify(columns.map((column) => ({ column: toTypeJson(column) }))) },
        isBlindAppend: false,
        engineInfo: "effect-zerobus"
      }
    },
    ...(upgraded === undefined ? [] : [{ protocol: upgraded }]),
    { metaData: metadataWith(metadata!, columns) }
  ]
}

const metadataWith = (metadata: Metadata, columns: ReadonlyArray<ColumnDefinition>): Metadata => {
  const schema = JSON.parse(metadata.schemaString) as { readonly fields: ReadonlyArray<unknown> }
  return {
    ...metadata,
    schemaString: JSON.stringify({ ...schema, fields: [...schema.fields, ...columns.map(toTypeJson)] })
  }
}

/** The protocol with what new columns need; undefined when it has it. Features that the older versions stand for are listed then. */
const protocolWith = (protocol: Protocol, needed: Protocol): Protocol | undefined => {
  const features = needed.readerFeatures ?? []
  const readers = protocol.readerFeatures ?? []
  const writers = protocol.writerFeatures ?? []
  const has = (feature: string) =>
    readers.includes(feature) || (feature === "variantType" && readers.includes("variantType-preview"))
  const missing = features.filter((feature) => !has(feature))
  if (missing.length === 0) return undefined
  return {
    minReaderVersion: 3,
    minWriterVersion: 7,
    readerFeatures: [
      ...new Set([...readers, ...(protocol.minReaderVersion === 2 ? ["columnMapping"] : []), ...missing])
    ],
    writerFeatures: [
      ...new Set([...writers, ...impliedFeatures(protocol), ...missing, ...(needed.writerFeatures ?? [])])
    ]
  }
}
