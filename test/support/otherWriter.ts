/** Another writer of a table, simulated by manual commits. */
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { type Metadata, versionName } from "../../src/local/delta/deltaActions.ts"
import { type DeltaLog, logFolder, openLog } from "../../src/local/delta/deltaLog.ts"

/** The operations of another writer on the table in a folder. */
export interface OtherWriter {
  /** The current log on disk. */
  readonly log: Effect.Effect<DeltaLog>
  readonly metadata: Effect.Effect<Metadata>
  /** Commits actions as the next version. */
  readonly commit: (...actions: ReadonlyArray<object>) => Effect.Effect<void>
}

export const otherWriter = (location: string): OtherWriter => {
  const log = Effect.promise(async () => (await openLog(location))!)
  return {
    log,
    metadata: Effect.map(log, ({ snapshot }) => snapshot.metadata!),
    commit: (...actions) =>
      Effect.flatMap(log, ({ snapshot }) =>
        Effect.promise(() =>
          Fs.writeFile(
            Path.join(logFolder(location), `${versionName(snapshot.version + 1)}.json`),
            actions.map((action) => `${JSON.stringify(action)}\n`).join("")
          )
        )
      )
  }
}

/** The metaData action that changes the fields of a table's schema. */
export const withFields = (
  metadata: Metadata,
  change: (fields: Array<any>) => Array<any>
): { readonly metaData: Metadata } => {
  const schema = JSON.parse(metadata.schemaString)
  return {
    metaData: {
      ...metadata,
      schemaString: JSON.stringify({ ...schema, fields: change(schema.fields) })
    }
  }
}

/** A field of a schema. */
export const field = (name: string, type: unknown, nullable = true, metadata: object = {}) => ({
  name,
  type,
  nullable,
  metadata
})
