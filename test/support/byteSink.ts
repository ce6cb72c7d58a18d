/**
 * A byte sink for encoder tests. It is small, so that it has to grow and move often.
 */
import type { ByteSink } from "../../src/internal/recordCodec.ts"
import type { RecordCodec } from "../../src/internal/recordCodec.ts"
import type { InvalidArgument } from "../../src/ZerobusError.ts"

/** Stores the written bytes and, like the engine, moves them when it grows. */
export class TestSink implements ByteSink {
  buffer: Buffer = Buffer.alloc(8)
  position = 3
  mark = 3

  ensure(bytes: number): void {
    if (this.position + bytes <= this.buffer.length) return
    const used = this.position - this.mark
    // Each move changes where the record starts.
    const mark = (this.mark + 5) % 13
    const next = Buffer.alloc(mark + used + bytes, 0xee)
    next.set(this.buffer.subarray(this.mark, this.position), mark)
    this.buffer = next
    this.mark = mark
    this.position = mark + used
  }
}

/** The bytes of one record, or why it was refused. */
export const encode = <A>(codec: RecordCodec<A>, record: A): Uint8Array | InvalidArgument => {
  const sink = new TestSink()
  return (
    codec.write(record, sink) ?? Uint8Array.from(sink.buffer.subarray(sink.mark, sink.position))
  )
}
