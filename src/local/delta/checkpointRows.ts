/**
 * Reads the rows of our own checkpoints out of their column chunks, as the objects that a commit
 * holds as JSON.
 *
 * The Parquet library builds all columns of all rows, which takes some fifty times as long: a row
 * of a checkpoint fills one of its groups, and a start reads one row per file that the table has or
 * had within the retention.
 */
import type { LeafChunk, LeafShape } from "../parquet/columnBuffer.ts"
import { LeafCollector } from "../parquet/columnBufferReader.ts"
import type { ColumnNode, ColumnTree } from "../parquet/columnTree.ts"

/** A chunk that is read entry by entry. */
class Cursor {
  private readonly shape: LeafShape
  private readonly chunk: LeafChunk
  private readonly bytes: Buffer
  private entry = 0
  private at = 0

  constructor(shape: LeafShape, chunk: LeafChunk) {
    this.shape = shape
    this.chunk = chunk
    this.bytes = Buffer.from(chunk.values.buffer, chunk.values.byteOffset, chunk.size)
  }

  get definition(): number {
    return this.shape.maxDefinition === 0 ? 0 : this.chunk.definitions[this.entry]!
  }

  /** Whether the next entry goes on with a list or a map of this repetition level. */
  continues(repetition: number): boolean {
    return this.entry < this.chunk.entries && this.chunk.repetitions[this.entry] === repetition
  }

  skip(): void {
    this.entry++
  }

  /** The value of the next entry, null where it has none. */
  value(): unknown {
    const { definition } = this
    this.entry++
    if (definition < this.shape.maxDefinition) return null
    const start = this.at
    switch (this.shape.physical) {
      case "BOOLEAN":
        this.at += 1
        return this.bytes[start] === 1
      case "INT32":
        this.at += 4
        return this.bytes.readInt32LE(start)
      case "INT64":
        this.at += 8
        return this.bytes.readInt32LE(start + 4) * 2 ** 32 + this.bytes.readUInt32LE(start)
      case "BYTE_ARRAY":
        this.at += 4 + this.bytes.readUInt32LE(start)
        return this.bytes.toString("utf8", start + 4, this.at)
      case "FLOAT":
      case "DOUBLE":
      case "FIXED":
        throw new Error(`A checkpoint has no columns of the kind ${this.shape.physical}.`)
    }
  }
}

/** The next value of a node. A STRUCT comes without its NULL fields. */
const next = (node: ColumnNode, cursors: ReadonlyArray<Cursor>): unknown => {
  const first = cursors[node.firstLeaf]!
  if (node.kind === "leaf") return first.value()
  const { definition } = first
  const skip = (): void => {
    for (let leaf = node.firstLeaf; leaf < node.endLeaf; leaf++) cursors[leaf]!.skip()
  }
  if (node.nullable && definition <= node.nullDefinition) {
    skip()
    return null
  }
  if (node.kind === "struct") {
    const object: Record<string, unknown> = {}
    for (let field = 0; field < node.fields.length; field++) {
      const value = next(node.fields[field]!, cursors)
      if (value !== null) object[node.names[field]!] = value
    }
    return object
  }
  if (definition === node.emptyDefinition) skip()
  if (node.kind === "list") {
    const items: Array<unknown> = []
    if (definition === node.emptyDefinition) return items
    do items.push(next(node.element, cursors))
    while (first.continues(node.repetition))
    return items
  }
  const entries: Array<readonly [string, unknown]> = []
  if (definition === node.emptyDefinition) return {}
  do entries.push([String(next(node.key, cursors)), next(node.value, cursors)])
  while (first.continues(node.repetition))
  return Object.fromEntries(entries)
}

/**
 * Gives each row of a file of ours with exactly the columns of `tree` to `use`, NULL columns left
 * out. False, and nothing is used, when it is another file. 64-bit integers come as numbers.
 */
export const eachRow = (
  tree: ColumnTree,
  file: Uint8Array,
  use: (row: Readonly<Record<string, unknown>>) => void
): boolean => {
  const collector = new LeafCollector(tree)
  if (!collector.add(file)) return false
  const chunks = collector.chunks()
  const cursors = tree.leaves.map((shape, leaf) => new Cursor(shape, chunks[leaf]!))
  for (let row = 0; row < collector.rows; row++) {
    const object: Record<string, unknown> = {}
    for (let column = 0; column < tree.columns.length; column++) {
      const value = next(tree.columns[column]!, cursors)
      if (value !== null) object[tree.names[column]!] = value
    }
    use(object)
  }
  return true
}
