/**
 * Position of a reader: the last boundary between two records, also while the rest of an overlong
 * record is skipped.
 */

/** Position of a reader that buffers incomplete records. */
export class ReadingPlace {
  private between = 0
  /** Bytes after the position that are not buffered. */
  private dropped = 0

  /** Number of bytes up to the last boundary between two records. */
  get bytes(): number {
    return this.between
  }

  /**
   * Moves the position to the end of a record, `count` bytes after everything dropped or passed
   * before.
   */
  advance(count: number): void {
    this.between += this.dropped + count
    this.dropped = 0
  }

  /** Counts bytes of an incomplete record that are not buffered. */
  drop(count: number): void {
    this.dropped += count
  }
}
