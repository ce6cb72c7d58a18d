/**
 * The result of a composed encoder or decoder for a value that it refuses: its path, what was
 * expected and what kind of value was found. Never the value itself. It becomes an
 * `InvalidArgument` for the caller.
 */
import { InvalidArgument } from "../../ZerobusError.ts"
import { refusedForColumn } from "../tableForm.ts"
import { describeValue } from "./describeValue.ts"
import type { Leaf } from "./scalars.ts"

/** A refused value. Each outer level adds its step to the path. */
export class BadValue {
  readonly path: Array<string | number> = []
  readonly expected: string
  readonly seen: string
  /** Whether the value belongs to a column that the table does not have. */
  readonly unknownColumn: boolean

  constructor(expected: string, seen: string, unknownColumn = false) {
    this.expected = expected
    this.seen = seen
    this.unknownColumn = unknownColumn
  }

  /** Adds an outer step in front of the path. */
  at(step: string | number): this {
    this.path.unshift(step)
    return this
  }

  /** The error of the ingest call. */
  toError(tableName: string): InvalidArgument {
    const place =
      this.path.length === 0
        ? `A record of ${tableName}`
        : `Column ${this.path.join(".")} of ${tableName}`
    const refusal = new InvalidArgument({
      message:
        `${place} expects ${this.expected}, got ${this.seen}. Correct the record and ` +
        `ingest it again.`,
      path: this.path
    })
    return this.unknownColumn ? refusedForColumn(refusal) : refusal
  }
}

/** The refusal of a value by a leaf. */
export const badLeaf = (leaf: Leaf, value: unknown): BadValue =>
  new BadValue(leaf.expected, leaf.seen?.(value) ?? describeValue(value))
