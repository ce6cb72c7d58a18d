/** delta-rs as another writer, in a separate process. */
import { startPython } from "../support/pythonProcess.ts"
import { deltaPython } from "../support/pythonProcess.ts"
import { type Change, type ChangeKinds, constraint, filterSql } from "./changes.ts"
import type { OtherWriter } from "./interleavings.ts"

type Answer =
  | { readonly error: string }
  | { readonly rows?: ReadonlyArray<Readonly<Record<string, unknown>>> }

const kinds: ChangeKinds = {
  weights: {
    append: 5,
    delete: 4,
    update: 4,
    merge: 4,
    overwrite: 2,
    optimize: 4,
    vacuum: 3,
    addColumn: 2,
    setProperties: 1,
    describe: 1,
    checkpoint: 2,
    addConstraint: 2
  },
  properties: [{ "delta.logRetentionDuration": "interval 45 days" }]
}

/** A change in the form that `deltaWriter.py` takes. */
const request = (change: Change): object => {
  switch (change.operation) {
    case "delete":
      return { ...change, where: filterSql(change.where) }
    case "overwrite":
      return { ...change, where: change.where && filterSql(change.where) }
    case "update":
      return { ...change, where: filterSql(change.where), column: "note", value: change.note }
    case "addConstraint":
    case "dropConstraint":
      return { ...change, ...constraint }
    default:
      return change
  }
}

/** A writer, its version, and a function that ends its process. */
export interface DeltaRs extends OtherWriter {
  readonly version: string
  readonly stop: () => Promise<void>
}

export const startDeltaRs = async (): Promise<DeltaRs> => {
  const python = await startPython<{ readonly version: string }, Answer>(
    deltaPython,
    "deltaWriter.py"
  )
  const ask = async (location: string, body: object) => {
    const answer = await python.ask({ table: location, ...body })
    if ("error" in answer) throw new Error(answer.error)
    return answer.rows ?? []
  }
  return {
    version: python.greeting.version,
    kinds,
    renames: false,
    change: async (location, change, tag) =>
      void (await ask(location, { ...request(change), tag })),
    read: (location) => ask(location, { operation: "read" }),
    stop: python.stop
  }
}
