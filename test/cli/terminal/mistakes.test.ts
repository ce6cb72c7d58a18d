/**
 * Invalid command lines: the mistake and a pointer to the help on standard error, and nothing on
 * standard output.
 */
import { assert, describe, it } from "@effect/vitest"
import { zerobusProcess } from "../../support/commandLine.ts"

describe("a mistake on the command line", () => {
  it.each<readonly [args: ReadonlyArray<string>, says: string, help: string]>([
    [
      ["local", "--port", "abc"],
      'Invalid value for flag --port: "abc". Expected: a port from 0 to 65535',
      "zerobus local"
    ],
    [
      ["ingest", "x", "-t", "y", "--skip", "a"],
      'Invalid value for flag --skip: "a". Expected a whole number',
      "zerobus ingest"
    ],
    [["table", "creat"], 'Unknown subcommand "creat" for "zerobus table"', "zerobus table"],
    [["ingest"], "Missing required argument: file", "zerobus ingest"]
  ])("%j", async (args, says, help) => {
    const { code, err, out } = await zerobusProcess(args)
    assert.deepStrictEqual([code, out], [2, ""])
    assert.include(err, says)
    assert.isTrue(err.endsWith(`\n\nSee ${help} --help\n`), err)
    assert.isBelow(err.split("\n").length, 10)
  })

  it("leaves help that was asked for on standard output", async () => {
    const { code, err, out } = await zerobusProcess(["local", "--help"])
    assert.deepStrictEqual([code, err], [0, ""])
    assert.include(out, "--visible-once-acked")
  })
})
