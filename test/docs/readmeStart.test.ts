/**
 * Checks the README's start command against its samples and the examples: the server has every
 * table that they use. Also runs the block of commands, and checks the length of the README.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parseTableDefinition } from "../../src/internal/columns/columnType.ts"
import { startServer, temporaryFolder } from "../support/commandLine.ts"
import { root } from "../support/localEnvironment.ts"

const read = (file: string) => Fs.readFileSync(Path.join(root, file), "utf8")
const readme = read("README.md")

/** The tables that the `zerobus local` commands of a text, or of its comments, create. */
const started = (text: string) =>
  [...text.replace(/\n \* +/g, " ").matchAll(/--table '([^']+)'/g)].map(([, table]) =>
    Result.getOrThrow(parseTableDefinition(table!))
  )
const start = /```sh\n(npx effect-zerobus local[^`]*)```/.exec(readme)![1]!

describe("the tables of the start command", () => {
  it("are those of the samples", () => {
    const samples = [...readme.matchAll(/```(?:ts|typescript)\n(?!\/\/)([^]*?)```/g)]
      .map(([, code]) => code!)
      .join("")
    const used = new Set([...samples.matchAll(/"(main\.default\.\w+)"/g)].map(([, name]) => name!))
    assert.isAtLeast(used.size, 2)
    assert.sameMembers(
      started(start).map(({ name }) => name),
      [...used]
    )
  })

  it("are those of the examples that need more than the first one", () => {
    const readings = started(start).filter(({ name }) => name === "main.default.readings")
    assert.lengthOf(readings, 1)
    for (const file of Fs.globSync("examples/*.ts", { cwd: root })) {
      if (read(file).includes('"main.default.readings"'))
        assert.deepStrictEqual(started(read(file)), readings, file)
    }
  })
})

it("has a block of commands that runs as written, after the start command", async () => {
  const block = /## Command line\n[^]*?```sh\n([^]*?)```/.exec(readme)![1]!
  const folder = temporaryFolder()
  const tables = [...start.matchAll(/--table '([^']+)'/g)].flatMap(([, table]) => [
    "--table",
    table!
  ])
  const server = await startServer(["--data-dir", Path.join(folder, "data"), ...tables])
  try {
    // The packages are those of the repository: npx runs the sources, npm installs nothing.
    const main = Path.join(root, "src/cli/main.ts")
    const node = `"${process.execPath}" --conditions=effect-zerobus-source "${main}"`
    const npx = `npx() { shift; ${node} "$@"; }`
    const { status, stderr, stdout } = spawnSync("sh", ["-ec", `${npx}\nnpm() { :; }\n${block}`], {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, ...server.environment }
    })
    assert.strictEqual(status, 0, stdout + stderr)
    assert.match(stdout, /sensor-2[^]*sensor-3|sensor-3[^]*sensor-2/)
    assert.isNotEmpty(Fs.readdirSync(Path.join(folder, "src/tables")))
  } finally {
    server.child.kill("SIGTERM")
    await server.end
    Fs.rmSync(folder, { recursive: true, force: true })
  }
}, 120_000)

it("has 1,200 to 1,500 words", () => {
  const words = readme.split(/\s+/).filter((word) => word !== "").length
  assert.isAtLeast(words, 1200)
  assert.isAtMost(words, 1500)
})
