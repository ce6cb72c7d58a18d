/**
 * What a composed encoder or decoder answers for a value it cannot take: where it sits, what was expected and what kind of value was
 * seen. Never the value itself. It becomes an `InvalidArgument` at the surface.
 */
import { InvalidArgument } from "../../ZerobusError.ts"
import { describeValue } from "./describeValue.ts"
import type { Leaf } from "./scalars.ts"

/** A refused value. The path grows outwards while the refusal travels up. */
export class BadValue {
  readonly path: Array<string | number> = []
  readonly expected: string
  readonly seen: string

  constructor(expected: string, seen: string) {
    this.expected = expected
    this.seen = seen
  }

  /** Adds an outer step in front of the path. */
  at(step: string | number): this {
    this.path.unshift(step)
    return this
  }

  /** The error of the ingest call. */
  toError(tableName: string): InvalidArgument {
    const place = this.path.length === 0 ? `A record of ${tableName}` : `Column ${this.path.join(".")} of ${tableName}`
    return new InvalidArgument({
      message: `${place} expects ${this.expected}, got ${this.seen}. Correct the record and ingest it again.`,
      path: this.path
    })
  }
}

/** The refusal of a value by a leaf. */
export const badLeaf = (leaf: Leaf, value: unknown): BadValue =>
  new BadValue(leaf.expected, leaf.seen?.(value) ?? describeValue(value))
