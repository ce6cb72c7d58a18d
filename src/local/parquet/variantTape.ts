/**
 * The values of a JSON text in the order in which they begin, in arrays of numbers: no object for
 * each value.
 */

export const SCALAR = 0
export const ARRAY = 1
export const OBJECT = 2
/** Added to the kind of a value whose name occurs again in its object. */
export const DROPPED = 4

const grown = <A extends Int32Array | Uint8Array>(array: A, larger: A): A => {
  larger.set(array)
  return larger
}

/** Values by their numbers; those inside a value follow it, up to `next`. */
export class VariantTape {
  length = 0
  kind = new Uint8Array(64)
  /** The number of the name that a field has. */
  name = new Int32Array(64)
  /** The number behind the value and all that is in it. */
  next = new Int32Array(64)
  /** Encoded bytes. */
  size = new Int32Array(64)
  /** Where the bytes of a scalar begin; of others, the encoded bytes of what they hold. */
  start = new Int32Array(64)
  /** How many values an array or an object holds. */
  count = new Int32Array(64)

  /** Adds a scalar, and answers its number. */
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

  /**
   * The first value that a node holds and that is not dropped; `next` of the node when there is
   * none.
   */
  first(node: number): number {
    return this.kept(node + 1, this.next[node]!)
  }

  /**
   * The value behind another one, dropped ones passed over. Not bounded: compare with `next` of
   * what holds it.
   */
  after(node: number): number {
    return this.kept(this.next[node]!, this.length)
  }

  private kept(node: number, end: number): number {
    while (node < end && this.isDropped(node)) node = this.next[node]!
    return node
  }
}
