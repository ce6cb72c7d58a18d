/**
 * The heap of `zerobus local`, in separate processes, because its flags apply to a whole process.
 * Only Node 24 needs the bound of the young generation: Node 22 has it by default, and Node 26 has
 * other growth rules.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const program = fileURLToPath(new URL("./heapProgram.ts", import.meta.url))
// Without collector threads, the times of collections do not depend on the load of the machine.
const flags = ["--single-threaded-gc", "--conditions=effect-zerobus-source", "--no-warnings"]

interface Largest {
  readonly young: number
  /** The old generation before collections, divided by its live size. */
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
      // One and a half times, plus what is allocated during incremental marking: about 3 times the
      // live size.
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
