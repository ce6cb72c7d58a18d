/**
 * Rows of files that name the types of their columns, such as Parquet, Arrow and Avro.
 *
 * Values have the forms that `valueCheck.ts` takes from JSON: dates are days, timestamps
 * microseconds, bytes base64. Decimals, and integers beyond 2^53, are text.
 */
import type { ColumnType } from "../../internal/columns/columnType.ts"
import * as ExactJson from "./exactJson.ts"
import type { SourceRecord } from "./sourceRecord.ts"

/** A column of a file. */
export interface FileColumn {
  readonly name: string
  /** The column type that holds all its values; undefined where there is none. */
  readonly type: ColumnType | undefined
  /** The name of its type in the file, for messages. */
  readonly typeText: string
  readonly nullable: boolean
}

/** One row. Its `line` is its 1-based number in the file. */
export class TypedRow implements SourceRecord {
  readonly line: number
  readonly columns: ReadonlyArray<FileColumn>
  /** A value per column, null where there is none. */
  readonly values: ReadonlyArray<unknown>

  constructor(line: number, columns: ReadonlyArray<FileColumn>, values: ReadonlyArray<unknown>) {
    this.line = line
    this.columns = columns
    this.values = values
  }

  /** The row as a JSON object, for the file of rejects. */
  get text(): string {
    const fields = this.columns.flatMap(({ name }, index) => {
      const value = this.values[index]
      return value === null ? [] : [`${JSON.stringify(name)}:${ExactJson.stringify(value)}`]
    })
    return `{${fields.join(",")}}`
  }
}
