/**
 * Changes that another writer makes to a table, the effect of each on the rows, and random changes
 * from a seed.
 */
import { pick } from "../support/randomTables.ts"

/** A row of the tables of this suite; columns that others add follow. */
export interface Row extends Readonly<Record<string, unknown>> {
  readonly id: number
  readonly part: number
  readonly note: string
}

/** Rows whose id leaves this remainder. */
export interface Filter {
  readonly divisor: number
  readonly remainder: number
}

/** A change, as `deltaWriter.py` takes it. */
export type Change =
  | { readonly operation: "append"; readonly rows: ReadonlyArray<Row> }
  | { readonly operation: "overwrite"; readonly rows: ReadonlyArray<Row>; readonly where?: Filter }
  | { readonly operation: "delete"; readonly where: Filter }
  | { readonly operation: "update"; readonly where: Filter; readonly note: string }
  /** `insert`: whether rows without a match are inserted. */
  | { readonly operation: "merge"; readonly rows: ReadonlyArray<Row>; readonly insert: boolean }
  /** By the columns, or by size if there are none. */
  | { readonly operation: "optimize"; readonly columns: ReadonlyArray<string> }
  /** `full` also deletes files that no version names. */
  | { readonly operation: "vacuum"; readonly full: boolean }
  | {
      readonly operation: "addColumn"
      readonly column: string
      readonly type: "integer" | "string"
    }
  /** Rows of both writers keep their ids; only the rule is dropped. */
  | { readonly operation: "dropNotNull"; readonly column: string }
  | { readonly operation: "setProperties"; readonly properties: Readonly<Record<string, string>> }
  | { readonly operation: "describe"; readonly text: string }
  | { readonly operation: "checkpoint" }
  | { readonly operation: "addConstraint" }
  | { readonly operation: "dropConstraint" }

/** The constraint of `addConstraint`. Every row satisfies it, so any writer may add it. */
export const constraint = { name: "counted", check: "id >= 0" }

export const filterSql = ({ divisor, remainder }: Filter): string =>
  `id % ${divisor} = ${remainder}`
export const matches = ({ divisor, remainder }: Filter, { id }: Row): boolean =>
  id % divisor === remainder

/** The first id of other writers; those of the server's clients start at 0. */
export const firstForeignId = 1_000_000_000

/** A source of changes. The ids it inserts are new each time. */
export interface Changes {
  /** Returns a change. `ids` are ids that the table may hold. */
  readonly next: (ids: ReadonlyArray<number>) => Change
}

/**
 * The operations of another writer: how often each one occurs, and the properties that it sets, one
 * at a time.
 */
export interface ChangeKinds {
  readonly weights: Readonly<Partial<Record<Change["operation"], number>>>
  readonly properties: ReadonlyArray<Readonly<Record<string, string>>>
}

export const partOf = (id: number): number => id % 3

/** Changes of these kinds from a generator of numbers in [0, 1). */
export const randomChanges = (
  random: () => number,
  { properties, weights }: ChangeKinds
): Changes => {
  const urn = (Object.keys(weights) as ReadonlyArray<Change["operation"]>).flatMap((operation) =>
    Array.from({ length: weights[operation]! }, () => operation)
  )
  let nextId = firstForeignId
  let count = 0
  const below = (limit: number) => Math.floor(random() * limit)
  const filter = (): Filter => {
    const divisor = pick(random, [5, 7, 11])
    return { divisor, remainder: below(divisor) }
  }
  const fresh = (note: string, step = 1): ReadonlyArray<Row> =>
    Array.from({ length: 1 + below(12) }, () => {
      const id = nextId
      nextId += step
      return { id, part: partOf(id), note }
    })
  return {
    next: (ids) => {
      const note = `change ${++count}`
      const operation = pick(random, urn)
      switch (operation) {
        case "append":
          return { operation, rows: fresh(note) }
        case "overwrite": {
          if (random() < 0.4) return { operation, rows: fresh(note) }
          // The new rows must match the condition that removes others.
          nextId += 7 - (nextId % 7)
          return { operation, rows: fresh(note, 7), where: { divisor: 7, remainder: 0 } }
        }
        case "delete":
          return { operation, where: filter() }
        case "update":
          return { operation, where: filter(), note }
        case "merge": {
          const known = ids.filter(() => random() < 0.2)
          const rows = known.map((id) => ({ id, part: partOf(id), note }))
          // An uncommitted row of the server would be inserted a second time, so such rows are only
          // updated.
          const insert = random() < 0.6 || rows.length === 0
          return insert
            ? {
                operation,
                insert,
                rows: [...rows.filter(({ id }) => id >= firstForeignId), ...fresh(note)]
              }
            : { operation, insert, rows }
        }
        case "optimize":
          return { operation, columns: random() < 0.5 ? [] : ["id"] }
        case "vacuum":
          return { operation, full: random() < 0.5 }
        case "addColumn":
          return {
            operation,
            column: `extra_${count}`,
            type: pick(random, ["integer", "string"] as const)
          }
        case "setProperties":
          return { operation, properties: pick(random, properties) }
        case "dropNotNull":
          return { operation, column: "id" }
        case "describe":
          return { operation, text: note }
        default:
          return { operation } as Change
      }
    }
  }
}
