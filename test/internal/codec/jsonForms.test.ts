/**
 * Values for which the service and JSON have different forms are refused at the call with their
 * path, and never reach the server.
 */
import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Duration, Effect, HashMap, Option, Schema } from "effect"
import { TableProperties } from "effect-zerobus"
import * as A from "../../support/acceptance.ts"

const now = DateTime.makeUnsafe(0)
const zoned = DateTime.setZone(now, DateTime.zoneMakeOffset(0))

/** The schema, a record, and where it is refused; `undefined` if it is accepted. */
const cases: ReadonlyArray<
  readonly [
    name: string,
    Schema.Codec<any, any>,
    record: object,
    path: ReadonlyArray<string | number> | undefined
  ]
> = [
  ["a Date", Schema.Struct({ d: Schema.Date }), { d: new Date(0) }, ["d"]],
  [
    "an optional Date that is there",
    Schema.Struct({ d: Schema.optionalKey(Schema.Date) }),
    { d: new Date(0) },
    ["d"]
  ],
  [
    "an optional Date that is not",
    Schema.Struct({ d: Schema.optionalKey(Schema.Date) }),
    {},
    undefined
  ],
  ["a DateTime", Schema.Struct({ d: Schema.DateTimeUtc }), { d: now }, ["d"]],
  ["a zoned DateTime", Schema.Struct({ d: Schema.DateTimeZoned }), { d: zoned }, ["d"]],
  [
    "a Date in an array",
    Schema.Struct({ d: Schema.Array(Schema.Date) }),
    { d: [new Date(0)] },
    ["d", 0]
  ],
  [
    "a Date deep inside",
    Schema.Struct({ a: Schema.Struct({ b: Schema.NullOr(Schema.Date) }) }),
    { a: { b: new Date(0) } },
    ["a", "b"]
  ],
  [
    "a Date under a renamed key",
    Schema.Struct({ d: Schema.Date }).pipe(Schema.encodeKeys({ d: "at" })),
    { d: new Date(0) },
    ["at"]
  ],
  [
    "a Date of a union",
    Schema.Struct({ d: Schema.Union([Schema.String, Schema.Date]) }),
    { d: new Date(0) },
    ["d"]
  ],
  [
    "the text of such a union",
    Schema.Struct({ d: Schema.Union([Schema.String, Schema.Date]) }),
    { d: "text" },
    undefined
  ],
  ["a Date that is anything", Schema.Struct({ d: Schema.Unknown }), { d: new Date(0) }, ["d"]],
  ["a Duration", Schema.Struct({ d: Schema.Duration }), { d: Duration.seconds(1) }, ["d"]],
  [
    "a Map",
    Schema.Struct({ d: Schema.ReadonlyMap(Schema.String, Schema.Number) }),
    { d: new Map([["a", 1]]) },
    ["d"]
  ],
  [
    "a HashMap",
    Schema.Struct({ d: Schema.HashMap(Schema.String, Schema.Number) }),
    { d: HashMap.make(["a", 1]) },
    ["d"]
  ],
  ["an Option", Schema.Struct({ d: Schema.Option(Schema.Number) }), { d: Option.some(1) }, ["d"]],
  [
    "a Date that its schema makes text of",
    Schema.Struct({ d: Schema.DateFromString }),
    { d: new Date(0) },
    undefined
  ],
  [
    "a decimal",
    Schema.Struct({ d: Schema.BigDecimal }),
    { d: BigDecimal.fromStringUnsafe("1.50") },
    undefined
  ],
  ["a bigint", Schema.Struct({ d: Schema.BigInt }), { d: 5n }, undefined],
  ["bytes", Schema.Struct({ d: Schema.Uint8Array }), { d: new Uint8Array([1]) }, undefined],
  [
    "an object of a record",
    Schema.Struct({ d: Schema.Record(Schema.String, Schema.Number) }),
    { d: { a: 1 } },
    undefined
  ]
]

describe("records of a schema that travel as JSON", () => {
  for (const [name, schema, record, path] of cases) {
    it.effect(`${path === undefined ? "are taken with" : "are refused with"} ${name}`, () =>
      Effect.gen(function* () {
        const { server, zerobus } = yield* A.client()
        const stream = yield* zerobus.createStream(TableProperties.json("main.default.t", schema))
        for (const ingest of [stream.ingestRecord(record), stream.ingestRecords([record])]) {
          const result = yield* Effect.result(ingest)
          if (path === undefined) assert.strictEqual(result._tag, "Success")
          else {
            if (result._tag === "Success") return assert.fail("it was taken")
            const { path: refused } = A.tagged(result.failure, "InvalidArgument")
            assert.deepStrictEqual(
              refused.filter((key, n) => n > 0 || key !== 0 || path[0] === 0),
              path
            )
          }
        }
        yield* stream.flush
        assert.strictEqual(server.records.length, path === undefined ? 2 : 0)
      }).pipe(Effect.scoped)
    )
  }
})
