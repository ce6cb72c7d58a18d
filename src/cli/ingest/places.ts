/**
 * Where accepted records stand in the files, from the first one that is not durable yet.
 */
import type { Place } from "../terminal/progress.ts"

/** How many places are forgotten at a time. */
const forgetEvery = 65_536

/** The places of accepted records. */
export class Places {
  private lines: Array<number> = []
  private records: Array<number> = []
  private first = 0
  /** From which accepted record on which file is read. */
  private readonly files: Array<{ readonly from: number; readonly name: string }> = []

  /** Says which file the next records are of, where there are several. */
  begin(name: string): void {
    this.files.push({ from: this.first + this.lines.length, name })
  }

  /** Notes the place of the next accepted record. */
  add(line: number, records: number): void {
    this.lines.push(line)
    this.records.push(records)
  }

  /** The place of an accepted record by its number from 0, undefined when it was forgotten. */
  of(accepted: number): Place | undefined {
    const index = accepted - this.first
    if (index < 0 || index >= this.lines.length) return undefined
    const file = this.files.findLast(({ from }) => from <= accepted)?.name
    const place = { line: this.lines[index]!, records: this.records[index]! }
    return file === undefined ? place : { ...place, file }
  }

  /**
   * The place of the last of the first `durable` accepted records; forgets the places before it.
   */
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
