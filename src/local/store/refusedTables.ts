/**
 * The tables of a data folder that could not be opened. Each is tried again on request and
 * periodically, because the cause of a refusal may be gone.
 */
import { tableGone } from "../delta/writability.ts"
import { type StorageFailure, storageFailure } from "../log/storageErrors.ts"
import { tableKey } from "./tableStore.ts"
import type { RefusedTable } from "./unserved.ts"

/** Opens the table in a folder; false when the folder holds none. */
export type OpenTable = (name: string, location: string) => Promise<boolean>

/** Reasons that can end while the server runs, such as a full disk. */
const passing: ReadonlySet<StorageFailure["reason"]> = new Set([
  "TableRefused",
  "DiskFull",
  "NotWritable"
])

/** The refused tables of a store, by case-insensitive name. */
export class RefusedTables {
  private readonly byKey = new Map<string, RefusedTable>()
  private readonly opening = new Map<string, Promise<void>>()
  private readonly open: OpenTable

  constructor(open: OpenTable) {
    this.open = open
  }

  has(name: string): boolean {
    return this.byKey.has(tableKey(name))
  }

  /** Why a table is refused; undefined for one that is not. */
  failureOf(name: string): StorageFailure | undefined {
    return this.byKey.get(tableKey(name))?.failure
  }

  locationOf(name: string): string | undefined {
    return this.byKey.get(tableKey(name))?.location
  }

  get all(): ReadonlyArray<RefusedTable> {
    return [...this.byKey.values()]
  }

  add(table: RefusedTable): void {
    this.byKey.set(tableKey(table.name), table)
  }

  remove(name: string): void {
    this.byKey.delete(tableKey(name))
  }

  /**
   * Opens a table. Returns why that fails; undefined when it is open or was never refused.
   * Concurrent calls share one attempt. A table that another writer changed, or that the disk did
   * not accept, may open now. Damage does not repair itself, and another attempt may add to it: a
   * damaged table is tried again only with `evenIfDamaged`.
   */
  async retry(name: string, evenIfDamaged = false): Promise<StorageFailure | undefined> {
    const table = this.byKey.get(tableKey(name))
    if (table === undefined) return undefined
    if (!passing.has(table.failure.reason) && !evenIfDamaged) return table.failure
    return this.tryOpen(table)
  }

  private async tryOpen({ location, name }: RefusedTable): Promise<StorageFailure | undefined> {
    const key = tableKey(name)
    const running = this.opening.get(key) ?? this.start(key, name, location)
    try {
      await running
      return undefined
    } catch (error) {
      const failure = storageFailure(error, "opening the table", location)
      // A temporary failure must not end the attempts.
      if (this.byKey.has(key) && passing.has(failure.reason)) this.add({ name, location, failure })
      return failure
    }
  }

  private start(key: string, name: string, location: string): Promise<void> {
    const opening = (async () => {
      try {
        if (!(await this.open(name, location))) throw tableGone(name)
        this.byKey.delete(key)
      } finally {
        this.opening.delete(key)
      }
    })()
    this.opening.set(key, opening)
    return opening
  }
}
