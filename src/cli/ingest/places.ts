/**
 * Positions of accepted records in the files, from the first one that is not durable yet.
 */
import type { Place } from "../terminal/progress.ts"

/** Number of positions removed at a time. */
const forgetEvery = 65_536

interface FileStart {
  readonly from: number
  readonly file: Pick<Place, "file" | "unit">
}

/** The positions of accepted records. */
export class Places {
  private lines: Array<number> = []
  private records: Array<number> = []
  private first = 0
  /** The files, each with the number of its first accepted record. */
  private readonly files: Array<FileStart> = []

  /** Sets the file of the next records: its name when there are several, and what `line` counts. */
  begin(file: Pick<Place, "file" | "unit">): void {
    this.files.push({ from: this.first + this.lines.length, file })
  }

  /** Adds the position of the next accepted record. */
  add(line: number, records: number): void {
    this.lines.push(line)
    this.records.push(records)
  }

  /** The position of an accepted record by its number, from 0. Undefined when it was removed. */
  of(accepted: number): Place | undefined {
    const index = accepted - this.first
    if (index < 0 || index >= this.lines.length) return undefined
    const found = this.files.findLast(({ from }) => from <= accepted)
    return { ...found?.file, line: this.lines[index]!, records: this.records[index]! }
  }

  /** The position of the record number `durable - 1`. Removes positions before it. */
  reached(durable: number): Place | undefined {
    const place = this.of(durable - 1)
    const index = durable - 1 - this.first
    if (place !== undefined && index >= forgetEvery) {
      this.lines = this.lines.slice(index)
      this.records = this.records.slice(index)
      this.first += index
    }
    return place
  }
}
