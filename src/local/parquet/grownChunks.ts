/**
 * Converts the column buffers of rows to a table with additional columns, or fields of STRUCTs: the
 * new ones are NULL.
 */
import type { LeafChunk } from "./columnBuffer.ts"
import { type ColumnNode, type ColumnTree, makeLeaves } from "./columnTree.ts"

/** The rows of `chunks`, created for `from`, converted to a tree with additional nodes. */
export const grownChunks = (
  from: ColumnTree,
  chunks: ReadonlyArray<LeafChunk>,
  to: ColumnTree
): ReadonlyArray<LeafChunk> => {
  const leaves = makeLeaves(to)
  const kept = new Map<number, LeafChunk>()
  const grow = (
    known: ReadonlyArray<ColumnNode>,
    nodes: ReadonlyArray<ColumnNode>,
    repetition: number
  ): void => {
    for (const node of nodes) {
      const before = known.find(({ path }) => path.join("\n") === node.path.join("\n"))
      if (before === undefined) addNulls(known[0]!, node, repetition)
      else if (before.kind === "struct" && node.kind === "struct")
        grow(before.fields, node.fields, repetition)
      else if (before.kind === "list" && node.kind === "list")
        grow([before.element], [node.element], node.repetition)
      else if (before.kind === "map" && node.kind === "map") {
        grow([before.key, before.value], [node.key, node.value], node.repetition)
      } else {
        for (let at = 0; node.firstLeaf + at < node.endLeaf; at++) {
          kept.set(node.firstLeaf + at, chunks[before.firstLeaf + at]!)
        }
      }
    }
  }
  /**
   * Fills a new node with NULL, at every position where its parent exists. An existing sibling
   * gives the positions.
   */
  const addNulls = (
    beside: ColumnNode,
    { endLeaf, firstLeaf, nullDefinition }: ColumnNode,
    repetition: number
  ): void => {
    const { definitions, entries, repetitions } = chunks[beside.firstLeaf]!
    const shape = from.leaves[beside.firstLeaf]!
    for (let entry = 0; entry < entries; entry++) {
      const repeats = shape.maxRepetition > 0 ? repetitions[entry]! : 0
      const defined = shape.maxDefinition > 0 ? definitions[entry]! : 0
      // Entries of deeper arrays are not separate positions.
      if (repeats > repetition) continue
      for (let leaf = firstLeaf; leaf < endLeaf; leaf++)
        leaves[leaf]!.addNull(repeats, Math.min(defined, nullDefinition))
    }
  }
  grow(from.columns, to.columns, 0)
  return leaves.map((leaf, index) => kept.get(index) ?? leaf.seal())
}
