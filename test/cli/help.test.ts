/**
 * The help of each command ends with two examples, and completions know files, flags and words.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { temporaryFolder, zerobus } from "../support/commandLine.ts"

const commands = [
  "",
  "local",
  "ingest",
  "query",
  "generate",
  "table",
  "spool",
  ..."show drain export repair".split(" ").map((name) => `spool ${name}`),
  ..."create list show snippet alter rewrite register salvage drop".split(" ").map((name) => `table ${name}`)
]

describe("the help of a command", () => {
  it.each(commands)("ends with two examples: %s", async (command) => {
    const { code, out } = await zerobus([...command.split(" ").filter((word) => word !== ""), "--help"])
    assert.strictEqual(code, 0)
    const examples = out.slice(out.lastIndexOf("EXAMPLES"))
    const lines = examples.split("\n").filter((line) => /^\s+zerobus /.test(line))
    assert.lengthOf(lines, 2, out)
    assert.lengthOf(
      examples.split("\n").filter((line) => line.trim().startsWith("#")),
      2
    )
  })

  it("lists every command that there is", async () => {
    const { out } = await zerobus(["--help"])
    for (const name of commands.filter((command) => command !== "" && !command.includes(" ")))
      assert.include(out, `  ${name} `)
  })
})

describe("completions", () => {
  const bash = spawnSync("bash", ["--version"]).status === 0

  it.each(["bash", "zsh", "fish", "powershell"])("are printed for %s", async (shell) => {
    const { code, out } = await zerobus(["--completions", shell])
    assert.strictEqual(code, 0)
    for (const word of ["ingest", "rejects", "ndjson"]) assert.include(out, word)
  })

  it.skipIf(!bash).each<readonly [line: string, expected: ReadonlyArray<string>]>([
    ["zerobus ing", ["ingest"]],
    ["zerobus ingest re", ["readings one.csv", "records.ndjson"].map((name) => name.replace(" ", "\\ "))],
    ["zerobus ingest records.ndjson re", ["readings\\ one.csv", "records.ndjson"]],
    ["zerobus ingest -t a.b.c --rejects rec", ["records.ndjson"]],
    ["zerobus ingest --state da", ["data"]],
    ["zerobus ingest --format nd", ["ndjson"]],
    ["zerobus ingest --max", ["--max-rejects"]],
    ["zerobus local --data-dir da", ["data"]],
    ["zerobus generate --from rec", ["records.ndjson"]],
    ["zerobus table register da", ["data"]]
  ])("complete in bash: %s", async (line, expected) => {
    const folder = temporaryFolder()
    Fs.mkdirSync(Path.join(folder, "data"))
    for (const name of ["readings one.csv", "records.ndjson", "other.txt"])
      Fs.writeFileSync(Path.join(folder, name), "")
    const { out } = await zerobus(["--completions", "bash"])
    Fs.writeFileSync(Path.join(folder, "completions"), out)
    const words = line.split(" ")
    const script = `source ./completions
COMP_LINE=${JSON.stringify(line)}; COMP_POINT=\${#COMP_LINE}; COMP_WORDS=(${words.join(" ")}); COMP_CWORD=${words.length - 1}
_zerobus zerobus ${JSON.stringify(words.at(-1))} ${JSON.stringify(words.at(-2))} 2>/dev/null
printf '%s\\n' "\${COMPREPLY[@]}"`
    const completed = execFileSync("bash", ["--norc", "-c", script], { cwd: folder, encoding: "utf8" })
    const found = completed
      .split("\n")
      .map((word) => word.trim())
      .filter((word) => word !== "")
    assert.deepStrictEqual(found.sort(), [...expected].sort())
    Fs.rmSync(folder, { recursive: true })
  })
})
