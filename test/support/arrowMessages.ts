/** Arrow data as messages of a Flight call, created with the Arrow project's library. */
import * as Arrow from "apache-arrow"
import {
  type FlightData,
  offsetText,
  writeFlightData
} from "../../src/internal/flight/flightData.ts"

/** The messages of an IPC stream: header and body of each, schema first. */
export const ipcMessages = (
  stream: Uint8Array
): ReadonlyArray<Pick<FlightData, "header" | "body">> => {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength)
  const messages: Array<Pick<FlightData, "header" | "body">> = []
  for (let at = 0; at + 8 <= stream.length;) {
    const length = view.getInt32(at + 4, true)
    if (length === 0) break
    const header = stream.subarray(at + 8, at + 8 + length)
    const bodyLength = bodyLengthOf(header)
    at += 8 + length
    messages.push({ header, body: stream.subarray(at, at + bodyLength) })
    at += bodyLength
  }
  return messages
}

/** Reads `bodyLength` with the Arrow library. */
const bodyLengthOf = (header: Uint8Array): number => Arrow.Message.decode(header).bodyLength

/** A column by its name: type, values, and whether it may be NULL. */
export type Columns = Readonly<
  Record<
    string,
    readonly [type: Arrow.DataType, values: ReadonlyArray<unknown>, nullable?: boolean]
  >
>

/** A batch of these columns. */
export const batchOf = (columns: Columns): Arrow.RecordBatch => {
  const entries = Object.entries(columns)
  const schema = new Arrow.Schema(
    entries.map(([name, [type, , nullable]]) => new Arrow.Field(name, type, nullable ?? true))
  )
  const data = entries.map(
    ([, [type, values]]) => Arrow.vectorFromArray(values as Array<never>, type).data[0]!
  )
  const struct = new Arrow.Struct(schema.fields)
  return new Arrow.RecordBatch(
    schema,
    Arrow.makeData({ type: struct, length: entries[0]![1][1].length, nullCount: 0, children: data })
  )
}

/** The messages of a call that sends these batches. All have the same schema. */
export const flightMessages = (
  ...batches: ReadonlyArray<Arrow.RecordBatch>
): ReadonlyArray<Uint8Array> =>
  flightOf(Arrow.tableToIPC(new Arrow.Table(batches[0]!.schema, [...batches]), "stream"))

/** The messages of a call that sends an IPC stream. */
export const flightOf = (stream: Uint8Array): ReadonlyArray<Uint8Array> =>
  ipcMessages(stream).map(({ body, header }, index) =>
    writeFlightData({
      header,
      body,
      metadata: index === 0 ? undefined : Buffer.from(offsetText(index - 1))
    })
  )

const { Field, List, Map_, Struct } = Arrow
const item = (type: Arrow.DataType) => new List(new Field("item", type, true))
const micros = Arrow.TimeUnit.MICROSECOND

/** The types of the service by the SQL types of columns. */
export const types = {
  string: new Arrow.LargeUtf8(),
  binary: new Arrow.LargeBinary(),
  boolean: new Arrow.Bool(),
  tinyint: new Arrow.Int8(),
  smallint: new Arrow.Int16(),
  int: new Arrow.Int32(),
  bigint: new Arrow.Int64(),
  float: new Arrow.Float32(),
  double: new Arrow.Float64(),
  date: new Arrow.DateDay(),
  timestamp: new Arrow.Timestamp(micros, "UTC"),
  timestampNtz: new Arrow.Timestamp(micros),
  array: item,
  struct: (fields: Readonly<Record<string, Arrow.DataType>>) =>
    new Struct(Object.entries(fields).map(([name, type]) => new Field(name, type, true))),
  map: (key: Arrow.DataType, value: Arrow.DataType) =>
    new Map_(
      new Field(
        "entries",
        new Struct<{ key: Arrow.DataType; value: Arrow.DataType }>([
          new Field("keys", key, false) as never,
          new Field("values", value, true) as never
        ]),
        false
      ) as never
    ),
  variant: new Struct([
    new Field("metadata", new Arrow.LargeBinary(), false),
    new Field("value", new Arrow.LargeBinary(), false)
  ])
}
