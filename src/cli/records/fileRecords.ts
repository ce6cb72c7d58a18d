/**
 * Codec for the records of a file: checks them and converts them to the wire form while writing
 * them into the stream's memory.
 *
 * Most records take the fast path, from bytes to bytes. The others are checked as text.
 */
import type { ColumnDefinition } from "../../internal/columns/columnType.ts"
import type { ByteSink, RecordCodec } from "../../internal/recordCodec.ts"
import { InvalidArgument } from "../../ZerobusError.ts"
import { CsvShortcut } from "./csvShortcut.ts"
import { JsonShortcut } from "./jsonShortcut.ts"
import {
  type HeaderProblem,
  csvColumns,
  jsonCheck,
  largestRecord,
  rowCheck
} from "./recordCheck.ts"
import type { RecordCheck } from "./recordCheck.ts"
import type { ValueForms } from "./valueForms.ts"
import { typedCheck, typedTargets } from "./typedCheck.ts"
import type { FileColumn } from "./typedRow.ts"
import { PlacedRecord, PlacedRow, type SourceRecord } from "./sourceRecord.ts"

/** Longest record for the fast path, in bytes. Longer records are rare enough for the slow path. */
const longestShort = 64 * 1024

const lineFeed = 0x0a
const decoder = new TextDecoder()

/**
 * Writes records of a table. A refused record is an `InvalidArgument` whose message names the
 * column and what is expected there. The caller prefixes it with the line number.
 */
export class FileRecords implements RecordCodec<SourceRecord> {
  private readonly columns: ReadonlyArray<ColumnDefinition>
  private readonly options: ValueForms
  private readonly scratch = { buffer: Buffer.allocUnsafe(4 * longestShort), position: 0 }
  private readonly json: {
    readonly short: (record: SourceRecord) => boolean
    readonly check: RecordCheck
  }
  private short: (record: SourceRecord) => boolean
  private check: RecordCheck

  /** Reads JSON records until a header is set. */
  constructor(columns: ReadonlyArray<ColumnDefinition>, options: ValueForms = {}) {
    this.columns = columns
    this.options = options
    const shortcut = new JsonShortcut(columns, this.scratch, options)
    const own = Buffer.allocUnsafe(longestShort + 1)
    const short = (record: SourceRecord) => {
      if (record instanceof PlacedRecord) {
        const { bytes, end, start } = record
        return end - start <= longestShort && shortcut.take(bytes, start, end)
      }
      if (record.text.length * 3 > longestShort) return false
      const end = own.write(record.text)
      own[end] = lineFeed
      return shortcut.take(own, 0, end)
    }
    this.json = { short, check: jsonCheck(columns, options) }
    this.short = short
    this.check = this.json.check
  }

  /** Reads JSON records from now on, until a header is set. */
  useJson(): void {
    this.short = this.json.short
    this.check = this.json.check
  }

  /**
   * Reads rows of a CSV file with this header from now on. Returns the problem with the header, if
   * any. Without a header, every row is refused.
   */
  useHeader(header: ReadonlyArray<string> | undefined): HeaderProblem | undefined {
    const targets = header === undefined ? [] : csvColumns(this.columns, header, this.options)
    if ("problem" in targets) return targets
    const shortcut = new CsvShortcut(targets, this.scratch, this.options)
    const longest = Math.floor((this.scratch.buffer.length - shortcut.extra) / 6)
    this.short = (record) =>
      record instanceof PlacedRow && record.end - record.start <= longest && shortcut.take(record)
    this.check =
      header === undefined
        ? ({ problem }) => ({ problem: problem ?? "the header is missing" })
        : rowCheck(targets, this.options)
    return undefined
  }

  /** Takes rows with these columns from now on; answers why they do not fit the table. */
  useColumns(file: ReadonlyArray<FileColumn>): HeaderProblem | undefined {
    const targets = typedTargets(this.columns, file, this.options)
    if ("problem" in targets) return targets
    this.short = () => false
    this.check = typedCheck(targets, file, this.options)
    return undefined
  }

  write(record: SourceRecord, sink: ByteSink): InvalidArgument | undefined {
    const { scratch } = this
    scratch.position = 0
    if (record.problem === undefined && this.short(record) && scratch.position <= largestRecord) {
      sink.ensure(scratch.position)
      scratch.buffer.copy(sink.buffer, sink.position, 0, scratch.position)
      sink.position += scratch.position
      return undefined
    }
    const checked = this.check(record)
    if ("problem" in checked) return new InvalidArgument({ message: checked.problem, path: [] })
    const bytes = Buffer.from(checked.json)
    sink.ensure(bytes.length)
    sink.buffer.set(bytes, sink.position)
    sink.position += bytes.length
    return undefined
  }

  read(payload: Uint8Array): SourceRecord {
    return { line: 0, text: decoder.decode(payload) }
  }
}
