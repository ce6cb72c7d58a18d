/** Memory that is freed explicitly: only memory with one owner. */
import { assert, it } from "@effect/vitest"
import { freeMemory, freePassed } from "../../../src/local/parquet/columnMemory.ts"

it("memory with one owner is freed, and pools of Buffers are not", () => {
  const own = Buffer.allocUnsafeSlow(3000)
  freeMemory(own.subarray(0, 2999))
  assert.strictEqual(own.length, 0)
  // Sizes around those of pooled Buffers.
  for (let size = 1; size < 70_000; size += 7) {
    const part = Buffer.allocUnsafe(size)
    const isPooled = part.buffer.byteLength > 2 * size
    const beside = Buffer.from("beside")
    freeMemory(part)
    if (isPooled) assert.strictEqual(part.length, size)
    assert.strictEqual(beside.toString(), "beside")
  }
})

it("memory that was passed on is freed, and shared memory is not", () => {
  const passed = new ArrayBuffer(10)
  const shared = new SharedArrayBuffer(10)
  freePassed([passed, shared])
  assert.strictEqual(passed.byteLength, 0)
  assert.strictEqual(shared.byteLength, 10)
})
