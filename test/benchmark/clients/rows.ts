/**
 * Rows of the sustained run as protobuf bytes, for the end-to-end case: both clients send the same
 * rows to a server that stores them.
 */
import { encodedRow, Rows } from "../../../scripts/sustained/row.ts"
import { VARIETY } from "./client.ts"

/** Their table. */
export const rowsTable = { name: Rows.tableName, descriptor: Rows.descriptor! }

/** The rows that a client repeats. */
export const rowRecords = (): ReadonlyArray<Buffer> =>
  Array.from({ length: VARIETY }, (_, n) => Buffer.from(encodedRow(n)))
