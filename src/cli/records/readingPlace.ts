/**
 * How far a reader has come: the last place between two records, also while the rest of a record
 * that is too long is passed over.
 */

/** The place of a reader that keeps what it could not read yet. */
export class ReadingPlace {
  private between = 0
  /** Bytes behind the place that are not kept. */
  private dropped = 0

  /** Bytes up to the last place between two records. */
  get bytes(): number {
    return this.between
  }

  /** A record ends `count` bytes behind what was dropped or passed before. */
  advance(count: number): void {
    this.between += this.dropped + count
    this.dropped = 0
  }

  /** So many bytes belong to a record whose end has not come, and are not kept. */
  drop(count: number): void {
    this.dropped += count
  }
}
