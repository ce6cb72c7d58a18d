/**
 * Records of the log as JSON text: the text gives the same row as the record itself, for random
 * tables and records.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import type { LogFormat } from "../../../src/local/log/logFrames.ts"
import {
  parseDescriptorProto,
  toDescriptorProto
} from "../../../src/internal/protobuf/descriptor.ts"
import { recordTexts } from "../../../src/local/records/recordText.ts"
import { makeMemoryTableStore } from "../../../src/local/store/memoryTableStore.ts"
import { protobufType, record } from "../../support/randomRecords.ts"
import { randomTable, seeded, storable } from "../../support/randomTables.ts"
import { json, table } from "../../support/storedTables.ts"

const get = <A>(result: Result.Result<A, string>): A =>
  Result.getOrThrowWith(result, (why) => new Error(why))

describe("the text of a protobuf record", () => {
  for (let seed = 1; seed <= 30; seed++) {
    it.effect(`gives the same row, for random table ${seed}`, () =>
      Effect.gen(function* () {
        const definition = storable(randomTable(seed))
        const store = yield* makeMemoryTableStore
        const again = { ...definition, name: `${definition.name}_again` }
        yield* store.create(definition)
        yield* store.create(again)
        const descriptor = get(toDescriptorProto(definition))
        const format: LogFormat = { _tag: "Proto", descriptor }
        const shape = get(parseDescriptorProto(descriptor))
        const writer = yield* store.openWriter(definition.name, format)
        const texts = yield* store.openWriter(again.name, { _tag: "Json" })
        const random = seeded(seed * 104_729)
        const linesOf = recordTexts(format)
        for (let n = 0; n < 30; n++) {
          const type = protobufType(shape, n % 2 === 0)
          const { proto } = record(random, definition.columns)
          const bytes = type.encode(type.fromObject(proto as Record<string, unknown>)).finish()
          assert.strictEqual(typeof writer.appendUnsafe([bytes]), "number")
          const line = linesOf(bytes)[0]!
          assert.notInclude(line, "\n")
          const ticket = texts.appendUnsafe([Buffer.from(line)])
          assert.strictEqual(typeof ticket, "number", `${JSON.stringify(ticket)} of ${line}`)
        }
        assert.deepStrictEqual(yield* store.rows(again.name), yield* store.rows(definition.name))
      })
    )
  }

  it.effect("merges the occurrences of a message, and takes the last one of a scalar", () =>
    Effect.sync(() => {
      const definition = table("a.b.c(n INT, s STRUCT<a: INT, b: INT>)")
      const descriptor = get(toDescriptorProto(definition))
      const type = protobufType(get(parseDescriptorProto(descriptor)), true)
      const part = (object: object) => type.encode(type.fromObject(object)).finish()
      const bytes = Buffer.concat([part({ n: 1, s: { a: 1 } }), part({ n: 2, s: { b: 2 } })])
      assert.deepStrictEqual(recordTexts({ _tag: "Proto", descriptor })(bytes), [
        '{"n":2,"s":{"a":1,"b":2}}'
      ])
    })
  )
})

it("the text of a JSON record is one line with the digits that were sent", () => {
  const sent = '{\r\n  "id": 9007199254740993,\n\t"s": "a\\nb  c", "d": 1.10\n}\n'
  assert.strictEqual(
    recordTexts({ _tag: "Json" })(Buffer.from(sent))[0],
    '{   "id": 9007199254740993, \t"s": "a\\nb  c", "d": 1.10 }'
  )
  assert.deepStrictEqual(recordTexts({ _tag: "Json" })(json({ a: 1 })), ['{"a":1}'])
})
