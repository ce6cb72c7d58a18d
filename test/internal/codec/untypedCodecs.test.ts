/**
 * Valid JSON and protobuf records: no object that JSON would strip of its content, and bytes of any
 * realm.
 */
/* oxlint-disable unicorn/no-thenable -- what has a then is what is tested */
import { assert, describe, it } from "@effect/vitest"
import { Data, Effect, Redacted } from "effect"
import { Column, Table, TableProperties } from "effect-zerobus"
import * as Vm from "node:vm"
import { bytesCodec, jsonCodec, jsonTextCodec } from "../../../src/internal/codec/untypedCodecs.ts"
import type { RecordCodec } from "../../../src/internal/recordCodec.ts"
import * as A from "../../support/acceptance.ts"
import { encode } from "../../support/byteSink.ts"

const written = (codec: RecordCodec<any>, record: unknown) => {
  const outcome = encode(codec, record)
  return outcome instanceof Uint8Array ? Buffer.from(outcome).toString("utf8") : outcome
}

const refusal = (record: unknown) => {
  const outcome = written(jsonTextCodec, record)
  assert.notStrictEqual(typeof outcome, "string", `accepted as ${String(outcome)}`)
  return outcome as Exclude<typeof outcome, string>
}

class Reading {
  readonly id = 1
  readonly #secret = 2
  get secret() {
    return this.#secret
  }
}
class Hidden {
  #value = 1
  get value() {
    return this.#value
  }
}
// Like a query builder.
const query = new (class {
  readonly table = "readings"
  then() {}
})()
class Failure extends Data.TaggedError("Failure")<{ readonly id: number }> {}

const foreign = (source: string): unknown => Vm.runInNewContext(source)

describe("a JSON record", () => {
  const lost: ReadonlyArray<readonly [name: string, value: object, what: RegExp, advice: RegExp]> =
    [
      ["a promise", Promise.resolve({ id: 1 }), /a promise/, /Await it/],
      ["a thenable", query, /a promise/, /Await it/],
      [
        "a promise of another realm",
        foreign("Promise.resolve(1)") as object,
        /a promise/,
        /Await it/
      ],
      ["an Effect", Effect.succeed({ id: 1 }), /an Effect/, /yield\*/],
      ["a Map", new Map([["id", 1]]), /a Map/, /Object\.fromEntries/],
      [
        "a Map of another realm",
        foreign("new Map([['id', 1]])") as object,
        /a Map/,
        /Object\.fromEntries/
      ],
      ["a Set", new Set([1]), /a Set/, /Array\.from/],
      ["a WeakMap", new WeakMap(), /a WeakMap/, /plain values/],
      ["a WeakSet", new WeakSet(), /a WeakSet/, /plain values/],
      ["a WeakRef", new WeakRef({}), /a WeakRef/, /plain values/],
      ["a RegExp", /x/, /a RegExp/, /String/],
      ["an Error", new Error("boom"), /an Error/, /fields/],
      ["an Error with fields", Object.assign(new Error("boom"), { code: 1 }), /an Error/, /fields/],
      ["an ArrayBuffer", new ArrayBuffer(1), /binary data/, /base64/],
      ["a SharedArrayBuffer", new SharedArrayBuffer(1), /binary data/, /base64/],
      ["a class that hides all it has", new Hidden(), /without fields/, /toJSON/],
      ["search parameters", new URLSearchParams("a=1"), /without fields/, /plain object/]
    ]

  it("IN-17 is no object that JSON writes without its content", () => {
    for (const [name, value, what, advice] of lost) {
      const { message, path } = refusal(value)
      assert.match(message, what, name)
      assert.match(message, advice, name)
      assert.deepStrictEqual(path, [], name)
    }
    for (const bytes of [
      new Float32Array(1),
      Buffer.from("a"),
      new DataView(new ArrayBuffer(1)),
      foreign("new Uint8Array(1)")
    ]) {
      refusal(bytes)
    }
  })

  it("IN-17 holds no object of which JSON keeps nothing, however deep", () => {
    for (const [name, value, what, advice] of lost) {
      // These keep some content, so the table refuses them.
      if (Effect.isEffect(value) || Object.keys(value).length > 0) continue
      for (const [record, path] of [
        [{ id: 1, tags: value }, ["tags"]],
        [{ id: 1, place: { all: [1, { x: value }] } }, ["place", "all", 1, "x"]]
      ] as const) {
        const { message, path: at } = refusal(record)
        assert.match(message, what, name)
        assert.match(message, advice, name)
        assert.include(message, path.join("."), name)
        assert.deepStrictEqual(at, path, name)
      }
    }
    const { message, path } = refusal({ "not a name: 4711": new Map() })
    assert.notInclude(message + path.join(), "4711")
  })

  it("IN-17 is any object that JSON can write whole", () => {
    const circular: { self?: unknown; readonly empty: object; toJSON?: unknown } = {
      empty: new Map()
    }
    circular.self = circular
    circular.toJSON = () => ({ empty: {} })
    const whole: ReadonlyArray<readonly [unknown, string]> = [
      [{}, "{}"],
      [Object.create(null), "{}"],
      [foreign("({})"), "{}"],
      [foreign("({ a: [{}], b: new Date(0) })"), '{"a":[{}],"b":"1970-01-01T00:00:00.000Z"}'],
      [
        { text: "{}", empty: {}, list: [], none: null, not: undefined },
        '{"text":"{}","empty":{},"list":[],"none":null}'
      ],
      [
        { at: new Date(0), boxed: new Number(1), empty: Object.create(null) },
        '{"at":"1970-01-01T00:00:00.000Z","boxed":1,"empty":{}}'
      ],
      [
        { empty: {}, boxed: [new String(""), new Boolean(false), new Number(0)] },
        '{"empty":{},"boxed":["",false,0]}'
      ],
      [{ empty: {}, secret: Redacted.make("s") }, '{"empty":{},"secret":"<redacted>"}'],
      [new Reading(), '{"id":1}'],
      [{ reading: new Reading(), empty: {} }, '{"reading":{"id":1},"empty":{}}'],
      [{ then: "x" }, '{"then":"x"}'],
      [{ constructor: "x" }, '{"constructor":"x"}'],
      [Object.assign(new Map(), { toJSON: () => ({ a: 1 }) }), '{"a":1}'],
      [
        { empty: {}, map: Object.assign(new Map(), { toJSON: () => ({}) }) },
        '{"empty":{},"map":{}}'
      ],
      [new Failure({ id: 1 }), '{"id":1,"_tag":"Failure"}'],
      [circular, '{"empty":{}}'],
      [{ circular }, '{"circular":{"empty":{}}}']
    ]
    for (const [record, text] of whole) assert.strictEqual(written(jsonTextCodec, record), text)
    assert.strictEqual(written(jsonCodec, { a: 1 }), '{"a":1}')
  })

  it.effect("IN-17 fails the call when it is a promise, and the stream goes on", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      const stream = yield* zerobus.createStream(A.table)
      const fetchRow = async () => ({ n: 1 })
      // @ts-expect-error the await is missing
      const error = yield* Effect.flip(stream.ingestRecord(fetchRow()))
      assert.include(A.tagged(error, "InvalidArgument").message, "Await it")
      yield* stream.ingestRecord(A.record(0))
      yield* stream.flush
      assert.strictEqual(server.writes, 1)
    })
  )
})

describe("bytes", () => {
  const bytes = foreign("new Uint8Array([10, 1, 65])") as Uint8Array

  it("IN-17 are a record also when another realm made them", () => {
    assert.notInstanceOf(bytes, Uint8Array)
    assert.strictEqual(written(bytesCodec, bytes), "\n\u0001A")
    const binary = Table.make("main.default.blobs", { blob: Column.Binary })
    const own = { blob: new Uint8Array(bytes) }
    assert.strictEqual(
      written(binary.codec, { blob: bytes } as never),
      written(binary.codec, own) as string
    )
    for (const other of [
      "new Uint16Array(1)",
      "new Uint8ClampedArray(1)",
      "new ArrayBuffer(1)",
      "[1]"
    ]) {
      assert.notStrictEqual(typeof written(bytesCodec, foreign(other)), "string", other)
    }
  })

  it("are the caller's own again once a table has its descriptor", () => {
    const given = Buffer.from([0x0a, 1, 0x54, 0x12, 0])
    const { descriptor } = TableProperties.proto("a.b.c", given)
    given.fill(0)
    assert.deepStrictEqual([...descriptor!], [0x0a, 1, 0x54, 0x12, 0])
    assert.deepStrictEqual([...TableProperties.proto("a.b.c", bytes).descriptor!], [10, 1, 65])
    assert.strictEqual(TableProperties.proto("a.b.c", 5 as never).descriptor?.length, 0)
  })

  it.effect("and names that are missing are refused when the stream opens", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client()
      const missing = undefined as never
      A.tagged(
        yield* Effect.flip(zerobus.createStream(TableProperties.json(missing))),
        "InvalidTable"
      )
      const proto = TableProperties.proto("a.b.c", missing)
      assert.deepStrictEqual(
        A.tagged(yield* Effect.flip(zerobus.createStream(proto)), "InvalidArgument").path,
        ["descriptor"]
      )
    })
  )
})
