/**
 * The records of a run: made from a number, recognised by every byte, so that a payload that was damaged on its way is found.
 */
import type { SeededRandom } from "./seededRandom.ts"

/** Number of a payload that is none of the run's records. */
export const damaged = -1

const pad = (id: number, size: number): string => String.fromCharCode(97 + (id % 26)).repeat(size)

/** All records that a run has made. */
export class Records {
  private readonly sizes: Array<number> = []

  /** Makes a new record: mostly small, now and then large enough to need more than the rest of a chunk. */
  next(random: SeededRandom, format: "json" | "proto"): number {
    const dice = random.float()
    const size =
      dice < 0.9
        ? random.int(60)
        : dice < 0.99
          ? random.int(3000)
          : dice < 0.998
            ? random.int(50_000)
            : random.int(400_000)
    this.sizes.push(format === "proto" ? size + 4 : size)
    return this.sizes.length - 1
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

  /** The number of bytes of the payload. */
  size(id: number): number {
    return this.sizes[id]!
  }

  /** Which record a payload is; `damaged` when it is none. */
  recognise(payload: Uint8Array | string): number {
    if (typeof payload === "string" || payload[0] === 0x7b) {
      const text = typeof payload === "string" ? payload : Buffer.from(payload).toString()
      const id = Number(/^\{"i":(\d+),/.exec(text)?.[1] ?? damaged)
      if (id in this.sizes && this.text(id) === text) return id
      if (typeof payload === "string") return damaged
    }
    if (payload.length < 4) return damaged
    const id = new DataView(payload.buffer, payload.byteOffset, payload.length).getUint32(0)
    return id in this.sizes && Buffer.from(this.bytes(id)).equals(payload) ? id : damaged
  }
}
