/**
 * The values of a JSON text in the order of their starts, stored in numeric arrays to avoid an
 * object per value.
 */

export const SCALAR = 0
export const ARRAY = 1
export const OBJECT = 2
/** A flag added to the kind of a value whose name occurs again in its object. */
export const DROPPED = 4

const grown = <A extends Int32Array | Uint8Array>(array: A, larger: A): A => {
  larger.set(array)
  return larger
}

/** Values by index. Nested values follow their parent, up to `next`. */
export class VariantTape {
  length = 0
  kind = new Uint8Array(64)
  /** The index of a field's name. */
  name = new Int32Array(64)
  /** The index after the value and all nested values. */
  next = new Int32Array(64)
  /** The encoded size in bytes. */
  size = new Int32Array(64)
  /** The start of a scalar's bytes; for arrays and objects, the encoded size of their content. */
  start = new Int32Array(64)
  /** The number of values in an array or an object. */
  count = new Int32Array(64)

  /** Adds a scalar, and returns its index. */
  add(name: number): number {
    const node = this.length++
    if (node === this.kind.length) {
      const capacity = node * 2
      this.kind = grown(this.kind, new Uint8Array(capacity))
      this.name = grown(this.name, new Int32Array(capacity))
      this.next = grown(this.next, new Int32Array(capacity))
      this.size = grown(this.size, new Int32Array(capacity))
      this.start = grown(this.start, new Int32Array(capacity))
      this.count = grown(this.count, new Int32Array(capacity))
    }
    this.name[node] = name
    return node
  }

  isDropped(node: number): boolean {
    return (this.kind[node]! & DROPPED) !== 0
  }

  /** The first value inside a node that is not dropped; `next` of the node when there is none. */
  first(node: number): number {
    return this.kept(node + 1, this.next[node]!)
  }

  /**
   * The next value after another one, skipping dropped ones. Not limited to the parent: compare
   * with its `next`.
   */
  after(node: number): number {
    return this.kept(this.next[node]!, this.length)
  }

  private kept(node: number, end: number): number {
    while (node < end && this.isDropped(node)) node = this.next[node]!
    return node
  }
}
