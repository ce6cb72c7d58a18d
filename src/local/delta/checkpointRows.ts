/**
 * Reads the rows of our own checkpoints from their column chunks, as the objects that a commit
 * holds as JSON.
 *
 * The Parquet library builds all columns of all rows, which takes about fifty times as long: each
 * row of a checkpoint fills only one of its column groups. A start reads one row for each file that
 * the table has, or had within the retention.
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

  /** Whether the next entry continues a list or a map of this repetition level. */
  continues(repetition: number): boolean {
    return this.entry < this.chunk.entries && this.chunk.repetitions[this.entry] === repetition
  }

  skip(): void {
    this.entry++
  }

  /** The value of the next entry; null if it has none. */
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

/** Reads the values of a column, row by row. A STRUCT is returned without its NULL fields. */
type Reader = () => unknown

const readerOf = (node: ColumnNode, cursors: ReadonlyArray<Cursor>): Reader => {
  const first = cursors[node.firstLeaf]!
  if (node.kind === "leaf") return () => first.value()
  const below = cursors.slice(node.firstLeaf, node.endLeaf)
  const isNull = (definition: number): boolean => node.nullable && definition <= node.nullDefinition
  if (node.kind === "struct") {
    const { names } = node
    const fields = node.fields.map((field) => readerOf(field, cursors))
    return () => {
      if (isNull(first.definition)) {
        for (const cursor of below) cursor.skip()
        return null
      }
      const object: Record<string, unknown> = {}
      for (let field = 0; field < fields.length; field++) {
        const value = fields[field]!()
        if (value !== null) object[names[field]!] = value
      }
      return object
    }
  }
  const parts = (node.kind === "list" ? [node.element] : [node.key, node.value]).map((part) =>
    readerOf(part, cursors)
  )
  const [key, item = key] = parts as [Reader, Reader?]
  const isList = node.kind === "list"
  let last: Readonly<Record<string, unknown>> = {}
  return () => {
    const { definition } = first
    if (definition <= node.emptyDefinition) {
      for (const cursor of below) cursor.skip()
      if (isNull(definition)) return null
      return isList ? [] : empty
    }
    const items: Array<unknown> = []
    const keys: Array<string> = []
    do {
      if (!isList) keys.push(String(key()))
      items.push(item())
    } while (first.continues(node.repetition))
    if (isList) return items
    if (!isSame(last, keys, items))
      last = Object.fromEntries(keys.map((name, index) => [name, items[index]]))
    return last
  }
}

/** Most maps repeat, so consecutive rows share one object. It must not be changed. */
const empty: Readonly<Record<string, unknown>> = Object.freeze({})
const isSame = (
  map: Readonly<Record<string, unknown>>,
  keys: ReadonlyArray<string>,
  items: ReadonlyArray<unknown>
): boolean => {
  const known = Object.keys(map)
  return (
    known.length === keys.length &&
    keys.every((key, index) => key === known[index] && map[key] === items[index])
  )
}

/**
 * Calls `use` with each row of a file of ours that has exactly the columns of `tree`. NULL columns
 * are left out, and 64-bit integers are numbers. Returns false, without a call, for any other file.
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
  const readers = tree.columns.map((column) => readerOf(column, cursors))
  for (let row = 0; row < collector.rows; row++) {
    const object: Record<string, unknown> = {}
    for (let column = 0; column < readers.length; column++) {
      const value = readers[column]!()
      if (value !== null) object[tree.names[column]!] = value
    }
    use(object)
  }
  return true
}
