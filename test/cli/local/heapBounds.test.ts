/**
 * The young generation of `zerobus local`, in processes of their own: its flags count for all of a
 * process. Node 24 alone needs the bound: Node 22 has it by itself, and Node 26 grows by other rules.
 */
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
  it("has at most two halves of 16 MiB", async () => {
    assert.isAtMost(await largest("bound"), 32 * mebibyte)
  }, 60_000)

  it.runIf(process.versions.node.startsWith("24."))(
    "is larger without the bound",
    async () => {
      assert.isAbove(await largest("free"), 32 * mebibyte)
    },
    60_000
  )
})
