/**
 * Which values of users count as bytes.
 */
import { assert, it } from "@effect/vitest"
import { runInNewContext } from "node:vm"
import { isBytes } from "../../../src/internal/protobuf/bytes.ts"

it("bytes are Uint8Arrays of any realm, and nothing that only looks like them", () => {
  const foreign = (program: string): unknown => runInNewContext(program)
  for (const bytes of [
    new Uint8Array(),
    Uint8Array.of(1),
    Buffer.from("a"),
    foreign("new Uint8Array(3)")
  ]) {
    assert.isTrue(isBytes(bytes))
  }
  const others = [
    new Uint8ClampedArray(1),
    new Uint16Array(1),
    new DataView(new ArrayBuffer(1)),
    new ArrayBuffer(1),
    foreign("new Uint16Array(3)"),
    foreign("new DataView(new ArrayBuffer(1))"),
    { [Symbol.toStringTag]: "Uint8Array", length: 0 },
    [1, 2],
    "bytes",
    1,
    null,
    undefined
  ]
  for (const other of others) assert.isFalse(isBytes(other))
})
