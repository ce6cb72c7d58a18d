/**
 * Every codec names the kind of a refused value in the same words, and never quotes it.
 */
/* oxlint-disable unicorn/no-thenable -- what has a then is what is tested */
import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Effect } from "effect"
import { Column, Table } from "effect-zerobus"
import * as Vm from "node:vm"
import { describeValue } from "../../../src/internal/codec/describeValue.ts"
import { bytesCodec, jsonCodec } from "../../../src/internal/codec/untypedCodecs.ts"
import type { RecordCodec } from "../../../src/internal/recordCodec.ts"
import { encode } from "../../support/byteSink.ts"

class Reading {
  readonly id = 1
}
const throwing = {
  get then(): never {
    throw new Error("getter")
  }
}
const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const kinds: ReadonlyArray<readonly [value: unknown, kind: string]> = [
  [undefined, "undefined"],
  [null, "null"],
  [true, "a boolean"],
  ["secret", "a string"],
  [7n, "a bigint"],
  [Symbol("secret"), "a symbol"],
  [() => {}, "a function"],
  [Reading, "a function"],
  [5, "an integer"],
  [-0, "an integer"],
  [1e300, "an integer"],
  [0.5, "a number with a fraction"],
  [Number.NaN, "NaN"],
  [-Infinity, "an infinite number"],
  [[1], "an array"],
  [{}, "an object"],
  [Object.create(null), "an object"],
  [new Reading(), "an object"],
  [{ then: "a column" }, "an object"],
  [Uint8Array.of(1), "bytes"],
  [Buffer.from("secret"), "bytes"],
  [Vm.runInNewContext("new Uint8Array(1)"), "bytes"],
  [new Float32Array(1), "binary data"],
  [new DataView(new ArrayBuffer(1)), "binary data"],
  [new ArrayBuffer(1), "binary data"],
  [new Date(0), "a Date"],
  [Vm.runInNewContext("new Date(0)"), "a Date"],
  [new Date(Number.NaN), "an invalid Date"],
  [new Map(), "a Map"],
  [Vm.runInNewContext("new Map()"), "a Map"],
  [new Set(), "a Set"],
  [/secret/, "a RegExp"],
  [new Error("secret"), "an Error"],
  [Promise.resolve(1), "a promise"],
  [Effect.succeed(1), "an Effect"],
  [DateTime.makeUnsafe(0), "a DateTime"],
  [BigDecimal.fromBigInt(1n), "a BigDecimal"]
]

const refusal = (codec: RecordCodec<any>, record: unknown): string => {
  const outcome = encode(codec, record)
  assert.notInstanceOf(outcome, Uint8Array)
  return (outcome as { readonly message: string }).message
}

describe("the kind of a value", () => {
  it.each(kinds.map(([value, kind]) => ({ kind, value })))("is $kind", ({ kind, value }) => {
    assert.strictEqual(describeValue(value), kind)
  })

  it("is an object where looking at it throws", () => {
    assert.strictEqual(describeValue(throwing), "an object")
    assert.strictEqual(describeValue(revoked()), "an object")
  })

  const column = Table.make("a.b.c", { n: Column.Boolean }).codec
  it("is the same in every message", () => {
    for (const [value, kind] of kinds) {
      if (typeof value !== "boolean")
        assert.include(refusal(column, { n: value }), `, got ${kind}. `)
      if (kind !== "bytes") assert.include(refusal(bytesCodec, value), `but the record is ${kind}.`)
      if (typeof value !== "object" || value === null || Array.isArray(value) || kind === "bytes") {
        assert.include(refusal(jsonCodec, value), `but the record is ${kind}.`)
      }
    }
  })
})
