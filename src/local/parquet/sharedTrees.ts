/**
 * One column tree for all tables of the same columns: a tree takes some 10 kB, and of a thousand
 * tables many are alike.
 */
import type { ColumnDefinition } from "../../internal/columns/columnType.ts"
import { type ColumnTree, columnTree } from "./columnTree.ts"

/** Columns with their tree, and the text that they are known by. */
export interface SharedTree {
  readonly key: string
  readonly columns: ReadonlyArray<ColumnDefinition>
  readonly tree: ColumnTree
}

/** Trees that are kept for further tables; the oldest is dropped first. */
const mostKept = 64

/**
 * Gives the tree of columns by a text that tells them completely. `columns` is called for a new
 * text.
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
