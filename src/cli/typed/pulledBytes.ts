/**
 * Bytes that are pulled from a source as they are needed, however its chunks are cut.
 */

const nothing = Buffer.alloc(0)

/** Takes bytes from a source one piece after another. */
export class PulledBytes {
  private readonly source: AsyncIterator<Uint8Array>
  private held: Buffer = nothing
  private at = 0

  constructor(source: AsyncIterable<Uint8Array>) {
    this.source = source[Symbol.asyncIterator]()
  }

  /** The next bytes without taking them: `count`, or fewer where the source ends. */
  async peek(count: number): Promise<Buffer> {
    if (this.held.length - this.at < count) await this.pull(count)
    return this.held.subarray(this.at, this.at + count)
  }

  /** The next `count` bytes; undefined where the source ends within them. */
  async take(count: number): Promise<Buffer | undefined> {
    const bytes = await this.peek(count)
    if (bytes.length < count) return undefined
    this.at += count
    return bytes
  }

  /** An integer in the zigzag coding of Avro; undefined where the source ends within it. */
  async long(): Promise<number | undefined> {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const bytes = await this.take(1)
      if (bytes === undefined) return undefined
      value |= BigInt(bytes[0]! & 0x7f) << shift
      if (bytes[0]! < 0x80) return Number((value >> 1n) ^ -(value & 1n))
    }
    return Number.NaN
  }

  /** What has not been taken. */
  async *rest(): AsyncGenerator<Uint8Array> {
    if (this.held.length > this.at) yield this.held.subarray(this.at)
    this.held = nothing
    this.at = 0
    for (;;) {
      const next = await this.source.next()
      if (next.done === true) return
      yield next.value
    }
  }

  private async pull(count: number): Promise<void> {
    const parts = [this.held.subarray(this.at)]
    let length = parts[0]!.length
    while (length < count) {
      const next = await this.source.next()
      if (next.done === true) break
      parts.push(Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength))
      length += next.value.length
    }
    this.held = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    this.at = 0
  }
}
