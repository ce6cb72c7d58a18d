/** The young generation of `zerobus local`, in processes of their own: its flags count for all of a process. */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const program = fileURLToPath(new URL("./youngProgram.ts", import.meta.url))
const flags = ["--conditions=effect-zerobus-source", "--no-warnings"]

const largest = async (how: "bound" | "free"): Promise<number> =>
  Number((await promisify(execFile)(process.execPath, [...flags, program, how])).stdout)

const mebibyte = 1024 * 1024

describe("The young generation", () => {
  it("has two halves of 16 MiB where V8 alone makes it larger", async () => {
    const [bound, free] = await Promise.all([largest("bound"), largest("free")])
    assert.isAbove(free, 32 * mebibyte)
    assert.strictEqual(bound, 32 * mebibyte)
  }, 60_000)
})
