/**
 * How the records of a typed table travel as Arrow batches: they wait as protobuf, a row each, and
 * become columns when they are sent.
 */
import { fieldOf } from "../arrow/columnField.ts"
import { schemaMessage } from "../arrow/schemaMessage.ts"
import type { ColumnDefinition } from "../columns/columnType.ts"
import { recordEnd } from "../protobuf/envelope.ts"
import type { RecordProtocol } from "../recordCodec.ts"
import { bodyCompression, type CompressionName } from "./bodyCompression.ts"
import { flightRpc } from "./flightRpc.ts"
import { tableBuilder } from "./nestedBuilders.ts"
import { RowBatches } from "./rowBatches.ts"
import { RowWire } from "./rowWire.ts"

/** The protocol of a table with these columns, in order. */
export const rowProtocol = (
  columns: ReadonlyArray<ColumnDefinition>,
  compression: CompressionName
): RecordProtocol => {
  const schema = schemaMessage(columns.map(fieldOf))
  const body = bodyCompression(compression)
  return {
    stored: "proto",
    gathers: true,
    rpc: () =>
      flightRpc(
        () => schema,
        () => new RowWire(new RowBatches(tableBuilder(columns), body))
      ),
    suffix: (content, units) => {
      const buffer = Buffer.from(content.buffer, content.byteOffset, content.length)
      let start = 0
      for (let passed = 0; passed < units; passed++) start = recordEnd(buffer, start)
      let records = 0
      for (let at = start; at < buffer.length; records++) at = recordEnd(buffer, at)
      return { content: buffer.subarray(start), records }
    }
  }
}
