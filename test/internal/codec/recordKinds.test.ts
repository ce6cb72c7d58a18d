/** A value that is no record is named by its kind, as a sentence would, and not quoted. */
import { assert, it } from "@effect/vitest"
import { bytesCodec, jsonCodec } from "../../../src/internal/codec/untypedCodecs.ts"
import type { RecordCodec } from "../../../src/internal/recordCodec.ts"
import { encode } from "../../support/byteSink.ts"

const said = (codec: RecordCodec<any>, record: unknown) => {
  const outcome = encode(codec, record)
  assert.notInstanceOf(outcome, Uint8Array)
  return (outcome as { readonly message: string }).message
}

it("a value that is no record is named by its kind", () => {
  for (const [record, kind] of [
    [undefined, "undefined"],
    [null, "null"],
    [5, "a number"],
    [[], "an array"],
    [() => {}, "a function"]
  ] as const) {
    assert.include(said(jsonCodec, record), `but the record is ${kind}.`)
    assert.include(said(bytesCodec, record), `but the record is ${kind}.`)
  }
  assert.include(said(bytesCodec, {}), "but the record is an object.")
  assert.include(said(jsonCodec, Uint8Array.of(1)), "but the record is bytes.")
})
