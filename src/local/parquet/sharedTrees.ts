/**
 * Shares one column tree between tables with the same columns: a tree takes about 10 kB, and many
 * of a thousand tables have equal columns.
 */
import type { ColumnDefinition } from "../../internal/columns/columnType.ts"
import { type ColumnTree, columnTree } from "./columnTree.ts"

/** Columns with their tree, and the key that identifies them. */
export interface SharedTree {
  readonly key: string
  readonly columns: ReadonlyArray<ColumnDefinition>
  readonly tree: ColumnTree
}

/** The most trees kept; the oldest is dropped first. */
const mostKept = 64

/**
 * Returns the tree for columns by a key that identifies them completely. `columns` is called for a
 * new key.
 */
export const sharedTrees = (): ((
  key: string,
  columns: () => ReadonlyArray<ColumnDefinition>
) => SharedTree) => {
  const kept = new Map<string, SharedTree>()
  return (key, columns) => {
    const found = kept.get(key)
    if (found !== undefined) return found
    const made = columns()
    const shared = { key, columns: made, tree: columnTree(made) }
    kept.set(key, shared)
    if (kept.size > mostKept) kept.delete(kept.keys().next().value!)
    return shared
  }
}
