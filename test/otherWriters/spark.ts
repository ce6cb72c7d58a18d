/** Spark with Delta Lake as another writer, by SQL. */
import type { SparkSession } from "../support/sparkSession.ts"
import { type Change, type ChangeKinds, constraint, filterSql, type Row } from "./changes.ts"
import type { OtherWriter } from "./interleavings.ts"

const kinds: ChangeKinds = {
  weights: {
    append: 5,
    delete: 4,
    update: 4,
    merge: 4,
    optimize: 3,
    vacuum: 2,
    addColumn: 2,
    dropNotNull: 1,
    setProperties: 4,
    addConstraint: 1
  },
  properties: [
    { "delta.logRetentionDuration": "interval 45 days" },
    { "delta.enableDeletionVectors": "true" },
    { "delta.enableInCommitTimestamps": "true" },
    { "delta.enableChangeDataFeed": "true" },
    { "delta.checkpointPolicy": "v2" }
  ]
}

const names = "id, part, note"
const values = (rows: ReadonlyArray<Row>) =>
  `VALUES ${rows.map(({ id, note, part }) => `(${id}L, ${part}, '${note}')`).join(", ")}`

/** A change as a statement. `retainHours` is the retention of VACUUM. */
const statement = (table: string, change: Change, retainHours: number): string => {
  switch (change.operation) {
    case "append":
      return `INSERT INTO ${table} (${names}) ${values(change.rows)}`
    case "delete":
      return `DELETE FROM ${table} WHERE ${filterSql(change.where)}`
    case "update":
      return `UPDATE ${table} SET note = '${change.note}' WHERE ${filterSql(change.where)}`
    case "merge":
      return (
        `MERGE INTO ${table} t USING (SELECT * FROM ${values(change.rows)} AS s(${names})) s ON ` +
        `t.id = s.id ` +
        `WHEN MATCHED THEN UPDATE SET note = s.note` +
        (change.insert
          ? ` WHEN NOT MATCHED THEN INSERT (${names}) VALUES (s.id, s.part, s.note)`
          : "")
      )
    case "optimize":
      return change.columns.length === 0
        ? `OPTIMIZE ${table}`
        : `OPTIMIZE ${table} ZORDER BY (${change.columns.join(", ")})`
    case "vacuum":
      return `VACUUM ${table} RETAIN ${retainHours} HOURS`
    case "addColumn":
      return (
        `ALTER TABLE ${table} ADD COLUMNS (${change.column} ` +
        `${change.type === "integer" ? "INT" : "STRING"})`
      )
    case "dropNotNull":
      return `ALTER TABLE ${table} ALTER COLUMN ${change.column} DROP NOT NULL`
    case "setProperties": {
      const properties = Object.entries(change.properties).map(
        ([name, value]) => `'${name}' = '${value}'`
      )
      return `ALTER TABLE ${table} SET TBLPROPERTIES (${properties.join(", ")})`
    }
    case "addConstraint":
      return `ALTER TABLE ${table} ADD CONSTRAINT ${constraint.name} CHECK (${constraint.check})`
    case "dropConstraint":
      return `ALTER TABLE ${table} DROP CONSTRAINT ${constraint.name}`
    default:
      throw new Error(`This suite has no ${change.operation} of Spark.`)
  }
}

/**
 * Spark as another writer. Its commits name the tag as `userMetadata`, and the version they read.
 */
export const sparkWriter = (spark: SparkSession, retainHours: number): OtherWriter => ({
  kinds,
  renames: true,
  change: async (location, change, tag) => {
    await spark.sql(`SET spark.databricks.delta.commitInfo.userMetadata = ${tag}`)
    await spark.sql(statement(`delta.\`${location}\``, change, retainHours))
  },
  read: (location) => spark.sql(`SELECT * FROM delta.\`${location}\``)
})
