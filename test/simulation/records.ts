/**
 * The records of a run. They are made from a number and recognised by every byte, so that damaged
 * payloads are found.
 */
import { Schema } from "effect"
import { Column, Table, TableProperties } from "effect-zerobus"
import type { Format } from "./plan.ts"
import type { SeededRandom } from "./seededRandom.ts"

const tableName = "main.default.simulated"

/** The table of each format. */
export const tables: Record<Format, TableProperties.TableProperties<any>> = {
  json: TableProperties.json(tableName),
  proto: TableProperties.proto(tableName, Uint8Array.of(0x0a, 0x01, 0x78)),
  typed: Table.make(tableName, { i: Column.Int, p: Column.String }),
  schema: TableProperties.json(tableName, Schema.Struct({ i: Schema.Number, p: Schema.String }))
}

/** The number of a payload that is not a record of the run. */
export const damaged = -1

const varint = (value: number): ReadonlyArray<number> =>
  value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]

const readVarint = (bytes: Uint8Array, at: number): number => {
  const byte = bytes[at] ?? 0
  return byte < 0x80 ? byte : (byte & 0x7f) + 0x80 * readVarint(bytes, at + 1)
}

const pad = (id: number, size: number): string => String.fromCharCode(97 + (id % 26)).repeat(size)

const doubled = (values: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
  const larger = new Int32Array(2 * values.length)
  larger.set(values)
  return larger
}

/** All records that a run has made. */
export class Records {
  /** Outside the heap, because a long run looks for growth of the heap. */
  private sizes = new Int32Array(1_024)
  private keys = new Int32Array(1_024)
  private count = 0

  /** Makes a new record: mostly small, sometimes large enough to exceed the rest of a chunk. */
  next(random: SeededRandom, format: Format, key = this.count): number {
    const dice = random.float()
    const size =
      dice < 0.9
        ? random.int(60)
        : dice < 0.99
          ? random.int(3000)
          : dice < 0.998
            ? random.int(50_000)
            : random.int(400_000)
    if (this.count === this.sizes.length) {
      this.sizes = doubled(this.sizes)
      this.keys = doubled(this.keys)
    }
    this.keys[this.count] = key
    this.sizes[this.count] = format === "proto" ? size + 4 : size
    return this.count++
  }

  /** The number of the next record. */
  get upcoming(): number {
    return this.count
  }

  /**
   * The number that determines a record's key: its own, or that of the first record of its batch; 0
   * for an invalid record.
   */
  keyOf(id: number): number {
    return this.keys[id] ?? 0
  }

  /** Bytes reserved for the state of the records. */
  get reserved(): number {
    return this.sizes.byteLength + this.keys.byteLength
  }

  private knows(id: number): boolean {
    return id >= 0 && id < this.count
  }

  text(id: number): string {
    return `{"i":${id},"p":"${pad(id, this.sizes[id]!)}"}`
  }

  bytes(id: number): Uint8Array {
    const bytes = new Uint8Array(this.sizes[id]!)
    new DataView(bytes.buffer).setUint32(0, id)
    bytes.fill((id * 31 + 7) & 0xff, 4)
    return bytes
  }

  /** The record as its user passes it in; the user may change it afterwards. */
  value(id: number, format: Format): string | Uint8Array | { i: number; p: string } {
    if (format === "json") return this.text(id)
    if (format === "proto") return this.bytes(id)
    return { i: id, p: pad(id, this.sizes[id]!) }
  }

  /** The protobuf encoding, written out here so that it does not repeat an error of the encoder. */
  private message(id: number): Uint8Array {
    const text = Buffer.from(pad(id, this.sizes[id]!))
    return Uint8Array.from([0x08, ...varint(id), 0x12, ...varint(text.length), ...text])
  }

  /** The number of bytes of the payload. */
  size(id: number): number {
    return this.sizes[id]!
  }

  /** The record of a payload on the wire. */
  recogniseAll(payload: Uint8Array): ReadonlyArray<number> {
    return [this.recognise(payload)]
  }

  /** The record of a payload; `damaged` if it is not a record. */
  recognise(payload: Uint8Array | string | { readonly i: number; readonly p: string }): number {
    if (typeof payload === "object" && !(payload instanceof Uint8Array)) {
      const { i, p } = payload
      return this.knows(i) && p === pad(i, this.sizes[i]!) ? i : damaged
    }
    if (typeof payload === "string" || payload[0] === 0x7b) {
      const text = typeof payload === "string" ? payload : Buffer.from(payload).toString()
      const id = Number(/^\{"i":(\d+),/.exec(text)?.[1] ?? damaged)
      if (this.knows(id) && this.text(id) === text) return id
      if (typeof payload === "string") return damaged
    }
    if (payload[0] === 0x08) {
      const id = readVarint(payload, 1)
      return this.knows(id) && Buffer.from(this.message(id)).equals(payload) ? id : damaged
    }
    if (payload.length < 4) return damaged
    const id = new DataView(payload.buffer, payload.byteOffset, payload.length).getUint32(0)
    return this.knows(id) && Buffer.from(this.bytes(id)).equals(payload) ? id : damaged
  }
}
