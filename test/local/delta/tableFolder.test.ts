/** The declarations in a table's log, and the columns that are refused. */
import { assert, describe, it } from "@effect/vitest"
import {
  protocolOf,
  unsupportedColumn,
  upgradedProtocol
} from "../../../src/local/delta/tableFolder.ts"
import { table } from "../../support/storedTables.ts"

const protocol = (columns: string) => protocolOf(table(`a.b.c(${columns})`))

describe("the protocol", () => {
  it(
    "lists the features of writer version 2 where writer version 7 is needed, and never for " +
      "readers",
    () => {
      assert.deepStrictEqual(protocol("id INT NOT NULL"), {
        minReaderVersion: 1,
        minWriterVersion: 2
      })
      assert.deepStrictEqual(protocol("at TIMESTAMP_NTZ, l ARRAY<VARIANT>"), {
        minReaderVersion: 3,
        minWriterVersion: 7,
        readerFeatures: ["timestampNtz", "variantType"],
        writerFeatures: ["timestampNtz", "variantType", "appendOnly", "invariants"]
      })
    }
  )

  it("is upgraded only where features are missing, and keeps what it has", () => {
    const complete = protocol("v VARIANT")
    assert.isUndefined(upgradedProtocol(complete))
    assert.isUndefined(upgradedProtocol({ minReaderVersion: 1, minWriterVersion: 2 }))
    assert.deepStrictEqual(
      upgradedProtocol({ ...complete, writerFeatures: ["invariants", "variantType"] }),
      {
        ...complete,
        writerFeatures: ["invariants", "variantType", "appendOnly"]
      }
    )
  })
})

describe("NOT NULL", () => {
  it.each([
    ["l ARRAY<STRUCT<a: INT, b: INT NOT NULL>>", "l.element.b"],
    ["s STRUCT<m: MAP<STRING, STRUCT<x: STRUCT<y: INT NOT NULL>>>>", "s.m.value.x.y"],
    ["a INT, l ARRAY<ARRAY<STRUCT<b: INT NOT NULL>>> NOT NULL", "l.element.element.b"]
  ])("inside a collection is refused with its path: %s", (columns, path) => {
    const refused = unsupportedColumn(table(`a.b.c(${columns})`))
    assert.include(refused?.message, `The field ${path} is NOT NULL inside an ARRAY or a MAP`)
  })

  it("is allowed at the top and in STRUCTs", () => {
    const definition = table(
      "a.b.c(id INT NOT NULL, s STRUCT<x: INT NOT NULL, l: ARRAY<INT> NOT NULL> NOT NULL)"
    )
    assert.isUndefined(unsupportedColumn(definition))
  })
})
