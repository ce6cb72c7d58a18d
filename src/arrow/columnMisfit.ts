/**
 * How columns that do not fit the table are refused: with their name, and what to do.
 */
import type { Data } from "apache-arrow"
import { InvalidArgument } from "../ZerobusError.ts"

/** Names of a column and its parts, outermost first. */
export type Path = ReadonlyArray<string>

/** Brings a column into another type; throws `InvalidArgument` for values that do not fit. */
export type Cast = (data: Data) => Data

/** Throws the `InvalidArgument` of a column that cannot be brought into the table's type. */
export const refuse = (path: Path, why: string, advice: string): never => {
  throw new InvalidArgument({
    message: `The column ${path.join(".")} ${why}. ${advice}`,
    path: [...path]
  })
}
