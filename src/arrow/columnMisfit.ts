/**
 * Errors for columns that do not fit the table, with the column's name and advice.
 */
import type { Data } from "apache-arrow"
import { InvalidArgument } from "../ZerobusError.ts"

/** Names of a column and its nested fields, outermost first. */
export type Path = ReadonlyArray<string>

/** Casts a column to another type. Throws `InvalidArgument` for values that do not fit. */
export type Cast = (data: Data) => Data

/** Throws the `InvalidArgument` for a column that cannot be cast to the table's type. */
export const refuse = (path: Path, why: string, advice: string): never => {
  throw new InvalidArgument({
    message: `The column ${path.join(".")} ${why}. ${advice}`,
    path: [...path]
  })
}
