/** `npm run demo`, run as in a fresh clone of the project. */
import { assert, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { promisify } from "node:util"

const root = Path.resolve(import.meta.dirname, "../..")

it("fills three tables, queries them and finds them equal to their files", async () => {
  const script = JSON.parse(Fs.readFileSync(Path.join(root, "package.json"), "utf8")).scripts
    .demo as string
  const [program, ...args] = script.split(" ")
  assert.strictEqual(program, "node")
  const { stderr, stdout } = await promisify(execFile)(process.execPath, args, { cwd: root })
  const folder = /Delta tables in (\S+)/.exec(stdout)?.[1]
  try {
    assert.strictEqual(stderr, "")
    for (const [table, rows] of [
      ["flights", "200,000"],
      ["birdstrikes", "10,000"],
      ["earthquakes", "1,707"]
    ]) {
      assert.include(
        stdout,
        `main.default.${table}: ${rows} rows, counts and sums equal those of the file`
      )
    }
    assert.isTrue(Fs.existsSync(Path.join(folder!, "main/default/flights/_delta_log")))
  } finally {
    if (folder !== undefined) Fs.rmSync(folder, { recursive: true, force: true })
  }
}, 60_000)
