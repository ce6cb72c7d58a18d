/**
 * The tombstones of a table in packed form. A table with one commit per second gets 600,000 of them
 * in a week, and the flush thread holds the tombstones of every table that gets rows.
 *
 * The fields that differ between tombstones are in a byte buffer: the path, the time of the
 * deletion and the size. All other fields repeat and are stored once per distinct content.
 */
import type { Remove } from "./deltaActions.ts"

/** Fields that many tombstones share. */
export type SharedFields = Omit<Partial<Remove>, "path">

/** Shared fields as an object and as text, and the number of tombstones with them. */
interface Kind {
  readonly fields: SharedFields
  readonly text: string
  count: number
}

// An entry consists of two doubles (the time of the deletion, the size), three 32-bit integers (the
// number of its kind, the bytes of its key, the bytes of its path) and the key, which begins with
// the path.
const timeAt = 0
const sizeAt = 8
const kindAt = 16
const keyBytesAt = 20
const pathBytesAt = 24
const header = 28
/** The kind of an entry that was deleted. */
const noKind = 0xffff_ffff

const smallestBytes = 1024
const noBytes = Buffer.alloc(0)
const noIndex = new Uint32Array(0)

/** The key of the current call, in UTF-8. */
let wanted = Buffer.allocUnsafeSlow(256)
let wantedBytes = 0

const encode = (key: string): void => {
  if (3 * key.length > wanted.length) wanted = Buffer.allocUnsafeSlow(6 * key.length)
  wantedBytes = wanted.write(key)
}

/** FNV-1a of the bytes from `start` to `end`. */
const hashOf = (bytes: Uint8Array, start: number, end: number): number => {
  let hash = 0x811c9dc5
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  return hash ^ (hash >>> 15)
}

/** NaN stands for a field that is missing or not a number, because JSON has no NaN. */
const numberOr = (value: unknown): number => (typeof value === "number" ? value : Number.NaN)

/**
 * Tombstones by `fileKey`. Used like a `Map`; an entry that is set again moves to the end. Returned
 * objects share nested fields, which must not be changed. During an iteration, entries may be
 * deleted but not set.
 */
export class Tombstones implements Iterable<readonly [string, Remove]> {
  private live = 0
  private bytes = noBytes
  private end = 0
  /** A hash index by key: the place of each entry plus 1, deleted entries included; 0 is free. */
  private index = noIndex
  private indexed = 0
  private readonly kinds: Array<Kind | undefined> = []
  /** Numbers of kinds that no entry uses any more. */
  private readonly free: Array<number> = []
  private readonly kindOf = new Map<string, number>()
  private lastKind = 0

  get size(): number {
    return this.live
  }

  has(key: string): boolean {
    return this.find(key) >= 0
  }

  get(key: string): Remove | undefined {
    const at = this.find(key)
    return at < 0 ? undefined : this.read(at)
  }

  set(key: string, remove: Remove): void {
    this.delete(key)
    encode(key)
    this.makeRoom(header + wantedBytes)
    const { deletionTimestamp, path, size, ...rest } = remove
    const time = numberOr(deletionTimestamp)
    const bytes = numberOr(size)
    const fields: SharedFields = {
      ...rest,
      ...(Number.isNaN(time) && deletionTimestamp !== undefined ? { deletionTimestamp } : {}),
      ...(Number.isNaN(bytes) && size !== undefined ? { size } : {})
    }
    const at = this.end
    this.bytes.writeDoubleLE(time, at + timeAt)
    this.bytes.writeDoubleLE(bytes, at + sizeAt)
    this.bytes.writeUInt32LE(this.takeKind(fields), at + kindAt)
    this.bytes.writeUInt32LE(wantedBytes, at + keyBytesAt)
    this.bytes.writeUInt32LE(Buffer.byteLength(path), at + pathBytesAt)
    wanted.copy(this.bytes, at + header, 0, wantedBytes)
    this.end += header + wantedBytes
    this.live++
    this.enter(at)
  }

  delete(key: string): boolean {
    const at = this.find(key)
    if (at < 0) return false
    this.dropKind(this.bytes.readUInt32LE(at + kindAt))
    this.bytes.writeUInt32LE(noKind, at + kindAt)
    this.live--
    if (this.live === 0) {
      this.bytes = noBytes
      this.index = noIndex
      this.end = 0
      this.indexed = 0
    }
    return true
  }

  *[Symbol.iterator](): IterableIterator<readonly [string, Remove]> {
    for (const at of this.places()) yield [this.keyAt(at), this.read(at)]
  }

  *keys(): IterableIterator<string> {
    for (const at of this.places()) yield this.keyAt(at)
  }

  *values(): IterableIterator<Remove> {
    for (const at of this.places()) yield this.read(at)
  }

  /**
   * The distinct contents of the shared fields: all except the path, and except times and sizes
   * that are numbers.
   */
  *shared(): IterableIterator<SharedFields> {
    for (const kind of this.kinds) if (kind !== undefined) yield kind.fields
  }

  /** The places of entries that are not deleted. */
  private *places(): IterableIterator<number> {
    for (let at = 0; at < this.end;) {
      // Read before the entry is yielded, because deleting the last entry frees the buffer.
      const next = at + header + this.bytes.readUInt32LE(at + keyBytesAt)
      if (this.isLive(at)) yield at
      at = next
    }
  }

  private isLive(at: number): boolean {
    return this.bytes.readUInt32LE(at + kindAt) !== noKind
  }

  private keyAt(at: number): string {
    const start = at + header
    return this.bytes.toString("utf8", start, start + this.bytes.readUInt32LE(at + keyBytesAt))
  }

  private read(at: number): Remove {
    const { bytes } = this
    const start = at + header
    const path = bytes.toString("utf8", start, start + bytes.readUInt32LE(at + pathBytesAt))
    const deletionTimestamp = bytes.readDoubleLE(at + timeAt)
    const size = bytes.readDoubleLE(at + sizeAt)
    return {
      path,
      ...(Number.isNaN(deletionTimestamp) ? {} : { deletionTimestamp }),
      ...(Number.isNaN(size) ? {} : { size }),
      ...this.kinds[bytes.readUInt32LE(at + kindAt)]!.fields
    } as Remove
  }

  /** The place of the entry with this key; -1 without one. */
  private find(key: string): number {
    if (this.live === 0) return -1
    encode(key)
    const { bytes, index } = this
    const mask = index.length - 1
    for (
      let slot = hashOf(wanted, 0, wantedBytes) & mask;
      index[slot] !== 0;
      slot = (slot + 1) & mask
    ) {
      const at = index[slot]! - 1
      const start = at + header
      const length = bytes.readUInt32LE(at + keyBytesAt)
      if (length !== wantedBytes || !this.isLive(at)) continue
      if (bytes.compare(wanted, 0, length, start, start + length) === 0) return at
    }
    return -1
  }

  private enter(at: number): void {
    const { bytes, index } = this
    const mask = index.length - 1
    const start = at + header
    let slot = hashOf(bytes, start, start + bytes.readUInt32LE(at + keyBytesAt)) & mask
    while (index[slot] !== 0) slot = (slot + 1) & mask
    index[slot] = at + 1
    this.indexed++
  }

  /**
   * Makes room for an entry of this many bytes. When the buffer grows, deleted entries are not
   * copied.
   */
  private makeRoom(needed: number): void {
    if (this.end + needed <= this.bytes.length && 4 * (this.indexed + 1) <= 3 * this.index.length)
      return
    const old = this.bytes
    const places = [...this.places()]
    const lengthAt = (at: number): number => header + old.readUInt32LE(at + keyBytesAt)
    const total = places.reduce((sum, at) => sum + lengthAt(at), needed)
    this.bytes = Buffer.allocUnsafeSlow(Math.max(smallestBytes, Math.ceil(total * 1.25)))
    this.index = new Uint32Array(2 ** Math.ceil(Math.log2(2 * (places.length + 8))))
    this.end = 0
    this.indexed = 0
    for (const from of places) {
      const at = this.end
      this.end += old.copy(this.bytes, at, from, from + lengthAt(from))
      this.enter(at)
    }
  }

  /** The number of the kind with these fields; increases its count. */
  private takeKind(fields: SharedFields): number {
    const last = this.kinds[this.lastKind]
    if (last === undefined || !isSame(last.fields, fields)) {
      const text = JSON.stringify(fields)
      let found = this.kindOf.get(text)
      if (found === undefined) {
        found = this.free.pop() ?? this.kinds.length
        this.kinds[found] = { fields, text, count: 0 }
        this.kindOf.set(text, found)
      }
      this.lastKind = found
    }
    this.kinds[this.lastKind]!.count++
    return this.lastKind
  }

  private dropKind(number: number): void {
    const kind = this.kinds[number]!
    kind.count--
    if (kind.count > 0) return
    this.kinds[number] = undefined
    this.free.push(number)
    this.kindOf.delete(kind.text)
  }
}

/**
 * Whether two objects have the same fields. Nested fields are compared by identity, because most
 * come from one checkpoint.
 */
const isSame = (one: SharedFields, other: SharedFields): boolean => {
  const names = Object.keys(one) as Array<keyof SharedFields>
  return (
    names.length === Object.keys(other).length && names.every((name) => one[name] === other[name])
  )
}
