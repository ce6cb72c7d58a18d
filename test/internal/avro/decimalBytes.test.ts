/** Decimals as bytes and as text, at the edges of signs, scales and sizes. */
import { assert, it } from "@effect/vitest"
import { decimalBytesOf, decimalTextOf } from "../../../src/internal/avro/decimalBytes.ts"

const whole = { precision: 38, scale: 0 }
const most = "9".repeat(38)
const padded = (byte: number, ...rest: ReadonlyArray<number>) =>
  Uint8Array.from([...Array.from({ length: 20 }, () => byte), ...rest])

it("are read with more bytes than they need, and with none", () => {
  assert.strictEqual(decimalTextOf(padded(0xff, 0xfe), whole), "-2")
  assert.strictEqual(decimalTextOf(padded(0, 0xfe), whole), "254")
  assert.strictEqual(decimalTextOf(new Uint8Array(0), { precision: 3, scale: 2 }), "0.00")
  assert.strictEqual(decimalTextOf(Uint8Array.of(0xfb), { precision: 3, scale: 2 }), "-0.05")
  // One byte more than 38 digits need, and a sign that is visible only in the omitted bytes.
  const low = (first: number) =>
    Uint8Array.from([first, 0x80, ...Array.from({ length: 15 }, () => 0)])
  assert.throws(() => decimalTextOf(low(0), whole))
  assert.throws(() => decimalTextOf(low(1), whole))
  assert.strictEqual(decimalTextOf(low(0xff), whole), String(-(2n ** 127n)))
})

it("are written in as few bytes as can be, and read back", () => {
  for (const text of ["0", "-1", "127", "128", "-128", "-129", most, `-${most}`]) {
    const bytes = decimalBytesOf(text, whole)!
    assert.strictEqual(decimalTextOf(bytes, whole), text)
    assert.strictEqual(decimalTextOf(decimalBytesOf(text, whole, 16)!, whole), text)
  }
  assert.deepStrictEqual(decimalBytesOf("-128", whole), Uint8Array.of(0x80))
  assert.deepStrictEqual(decimalBytesOf("128", whole), Uint8Array.of(0, 0x80))
  assert.strictEqual(decimalBytesOf("128", whole, 1), undefined)
  for (const text of ["", "-", "1.", ".5", "1e3", " 1", "1_000", "0x1"]) {
    assert.strictEqual(decimalBytesOf(text, whole), undefined, text)
  }
})
