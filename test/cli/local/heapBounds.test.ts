/**
 * The heap of `zerobus local`, in processes of their own: its flags count for all of a process.
 * Node 24 alone needs the bound of the young generation: Node 22 has it by itself, and Node 26
 * grows by other rules.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const program = fileURLToPath(new URL("./heapProgram.ts", import.meta.url))
// Without threads for the collection its moments do not depend on what else the machine does.
const flags = ["--single-threaded-gc", "--conditions=effect-zerobus-source", "--no-warnings"]

interface Largest {
  readonly young: number
  /** The old generation before collections over what was in use. */
  readonly grown: number
}

const largest = async (how: "bound" | "free"): Promise<Largest> =>
  JSON.parse(
    (await promisify(execFile)(process.execPath, [...flags, program, how])).stdout
  ) as Largest

const mebibyte = 1024 * 1024

describe("The heap", () => {
  it(
    "has a young generation of at most two halves of 16 MiB, and an old one of hardly more " +
      "than is in use",
    async () => {
      const { grown, young } = await largest("bound")
      assert.isAtMost(young, 32 * mebibyte)
      // Half as much again, and what is made while V8 marks in turns: about 3 times what is in use.
      assert.isAtMost(grown, 5)
    },
    120_000
  )

  it.runIf(process.versions.node.startsWith("24."))(
    "is larger without the bounds",
    async () => {
      const { grown, young } = await largest("free")
      assert.isAbove(young, 32 * mebibyte)
      assert.isAbove(grown, 8)
    },
    120_000
  )
})
