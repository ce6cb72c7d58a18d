/**
 * Schema messages, read by the Arrow library and by the server's reader.
 */
import { assert, describe, it } from "@effect/vitest"
import { tableFromIPC } from "apache-arrow"
import { Result } from "effect"
import { fieldOf } from "../../../src/internal/arrow/columnField.ts"
import { typeText } from "../../../src/internal/arrow/arrowSchema.ts"
import { readMessage } from "../../../src/internal/arrow/ipcMessage.ts"
import { schemaMessage } from "../../../src/internal/arrow/schemaMessage.ts"
import { parseTableDefinition } from "../../../src/internal/columns/columnType.ts"
import { END_OF_STREAM } from "../../../src/internal/flight/ipcStream.ts"

const { columns } = Result.getOrThrow(
  parseTableDefinition(
    "a.b.c(b BOOLEAN, t TINYINT NOT NULL, s SMALLINT, i INT, l BIGINT, f FLOAT, d DOUBLE, " +
      "text STRING, dec DECIMAL(10,2), bin BINARY, day DATE, ts TIMESTAMP, ntz TIMESTAMP_NTZ, " +
      "v VARIANT, st STRUCT<a: INT NOT NULL, other: STRING>, li ARRAY<STRUCT<x: BIGINT>>, " +
      "m MAP<STRING, DOUBLE>)"
  )
)

describe("a schema message", () => {
  it("is read by the server's reader as it was", () => {
    const fields = columns.map(fieldOf)
    const message = readMessage(schemaMessage(fields).subarray(8))
    assert.strictEqual(message._tag, "Schema")
    assert.deepStrictEqual(message._tag === "Schema" && message.fields, fields)
  })

  it("is read by the Arrow library", () => {
    const fields = columns.map(fieldOf)
    const { schema } = tableFromIPC(Buffer.concat([schemaMessage(fields), END_OF_STREAM]))
    assert.deepStrictEqual(
      schema.fields.map(({ name, nullable }) => [name, nullable]),
      columns.map(({ name, nullable }) => [name, nullable])
    )
    assert.deepStrictEqual(
      schema.fields.slice(0, 13).map(({ type }) => String(type)),
      [
        "Bool",
        "Int8",
        "Int16",
        "Int32",
        "Int64",
        "Float32",
        "Float64",
        "LargeUtf8",
        "LargeUtf8",
        "LargeBinary",
        "Date32<DAY>",
        "Timestamp<MICROSECOND, UTC>",
        "Timestamp<MICROSECOND>"
      ]
    )
    assert.strictEqual(typeText(fields[14]!.type), "Struct")
    assert.deepStrictEqual(
      schema.fields[14]!.type.children.map((child: { readonly name: string }) => child.name),
      ["a", "other"]
    )
  })

  it("of many columns is whole", () => {
    const fields = Array.from({ length: 2_000 }, (_, n) => ({
      ...fieldOf(columns[n % columns.length]!),
      name: `column_${n}`
    }))
    const { schema } = tableFromIPC(Buffer.concat([schemaMessage(fields), END_OF_STREAM]))
    assert.strictEqual(schema.fields.length, 2_000)
    assert.strictEqual(schema.fields[1_999]!.name, "column_1999")
  })
})
