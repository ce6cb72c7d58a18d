/**
 * The server is killed while delta-rs changes its table. `npm run faults:kill -- --delta-rs --kills
 * 100` runs the long form.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const script = fileURLToPath(new URL("../faults/serverKills.ts", import.meta.url))

describe("kills during changes by delta-rs", () => {
  it("lose no acknowledged record, and no row of delta-rs", async () => {
    const args = ["--conditions=effect-zerobus-source", script, "--delta-rs", "--kills", "3"]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    console.log(stdout)
    assert.match(stdout, /^3 passed, 0 failed$/m)
    assert.notMatch(stdout, / 0 commits of delta-rs/)
  }, 300_000)
})
