/**
 * Events of a long run, stored as text outside the heap: the heap then contains only the engine,
 * the server and the users.
 */
import type { Archive, HistoryEvent } from "./history.ts"

const blockSize = 1 << 20

/** An archive of events as lines of JSON. */
export class PackedEvents implements Archive {
  /** Reserved bytes. */
  reserved = 0
  private blocks: Array<{ readonly bytes: Buffer; used: number }> = []

  readonly put = (event: HistoryEvent): void => {
    const line = `${JSON.stringify(event)}\n`
    const size = Buffer.byteLength(line)
    let last = this.blocks[this.blocks.length - 1]
    if (last === undefined || last.used + size > last.bytes.length) {
      last = { bytes: Buffer.allocUnsafeSlow(Math.max(blockSize, size)), used: 0 }
      this.reserved += last.bytes.length
      this.blocks.push(last)
    }
    last.used += last.bytes.write(line, last.used)
  };

  *takeAll(): Iterable<HistoryEvent> {
    const blocks = this.blocks
    this.blocks = []
    this.reserved = 0
    for (const { bytes, used } of blocks) {
      for (const line of bytes.toString("utf8", 0, used).split("\n")) {
        if (line !== "") yield JSON.parse(line) as HistoryEvent
      }
    }
  }
}
