/**
 * Encodes records that are copied elsewhere at once, such as into a log: every write begins at the
 * start of one buffer.
 */
import { RecordWriter } from "./recordWriter.ts"

const initialBytes = 64 * 1024
/** A buffer that a large write grew beyond this size is dropped with the next write. */
const keptBytes = 1024 * 1024

export class ScratchWriter<A> extends RecordWriter<A> {
  override begin(): void {
    if (this.buffer.length === 0 || this.buffer.length > keptBytes)
      this.buffer = Buffer.allocUnsafeSlow(initialBytes)
    this.mark = this.position = 0
  }

  override ensure(bytes: number): void {
    const needed = this.position + bytes
    if (needed <= this.buffer.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2))
    this.buffer.copy(grown, 0, 0, this.position)
    this.buffer = grown
  }
}
