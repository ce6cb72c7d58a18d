/**
 * The help of each command ends with two examples. Completions cover files, flags and words.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type * as Command from "effect/cli/Command"
import { zerobus as zerobusCommand } from "../../src/cli/Commands.ts"
import { temporaryFolder, zerobus } from "../support/commandLine.ts"

/** The names of a command and of all its subcommands, as typed. */
const namesBelow = (command: Command.Command.Any, above: string): ReadonlyArray<string> => [
  above,
  ...command.subcommands.flatMap(({ commands }) =>
    commands.flatMap((each) => namesBelow(each, `${above} ${each.name}`.trim()))
  )
]
const commands = namesBelow(zerobusCommand, "")

describe("the help of a command", () => {
  it.each(commands)("ends with two examples: %s", async (command) => {
    const { code, out } = await zerobus([
      ...command.split(" ").filter((word) => word !== ""),
      "--help"
    ])
    assert.strictEqual(code, 0)
    const examples = out.slice(out.lastIndexOf("EXAMPLES"))
    const lines = examples.split("\n").filter((line) => /^\s+zerobus /.test(line))
    assert.lengthOf(lines, 2, out)
    assert.lengthOf(
      examples.split("\n").filter((line) => line.trim().startsWith("#")),
      2
    )
  })

  it("lists every command that there is, and so does the documentation", async () => {
    const { out } = await zerobus(["--help"])
    const page = Fs.readFileSync(Path.join(import.meta.dirname, "../../docs/cli.md"), "utf8")
    const top = commands.filter((command) => command !== "" && !command.includes(" "))
    assert.isAbove(top.length, 5)
    for (const name of top) {
      assert.include(out, `  ${name} `)
      assert.include(page, `\n## \`zerobus ${name}`)
    }
  })
})

/**
 * The completions of a shell for a line, in a folder with the completion script. Each word once.
 */
const shells: Readonly<Record<string, (line: string, folder: string) => ReadonlyArray<string>>> = {
  bash: (line, folder) => {
    const words = line.split(" ")
    const script = `source ./completions
COMP_LINE=${JSON.stringify(line)}; COMP_POINT=\${#COMP_LINE}
COMP_WORDS=(${words.join(" ")}); COMP_CWORD=${words.length - 1}
_zerobus zerobus ${JSON.stringify(words.at(-1))} ${JSON.stringify(words.at(-2))} 2>/dev/null
printf '%s\\n' "\${COMPREPLY[@]}"`
    return linesOf(
      execFileSync("bash", ["--norc", "-c", script], { cwd: folder, encoding: "utf8" })
    )
  },
  zsh: (line, folder) => {
    Fs.renameSync(Path.join(folder, "completions"), Path.join(folder, "_zerobus"))
    const harness = Path.join(import.meta.dirname, "../support/completeInZsh.zsh")
    return linesOf(
      execFileSync("zsh", ["-f", harness, line], { cwd: folder, encoding: "utf8", timeout: 60_000 })
    )
  },
  fish: (line, folder) => {
    const script = `source ./completions; complete -C ${JSON.stringify(line)}`
    const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder }
    const out = execFileSync("fish", ["--no-config", "-c", script], {
      cwd: folder,
      encoding: "utf8",
      env
    })
    return linesOf(out).map((offered) => offered.split("\t")[0]!.replace(/\/$/, ""))
  }
}

const linesOf = (text: string): ReadonlyArray<string> => [
  ...new Set(text.split("\n").map((word) => word.trim().replaceAll("\\ ", " ")))
]

const isInstalled = (shell: string) => spawnSync(shell, ["--version"]).status === 0

describe("completions", () => {
  it.each(["bash", "zsh", "fish", "powershell"])("are printed for %s", async (shell) => {
    const { code, out } = await zerobus(["--completions", shell])
    assert.strictEqual(code, 0)
    for (const word of ["ingest", "rejects", "ndjson"]) assert.include(out, word)
  })

  for (const [shell, complete] of Object.entries(shells)) {
    // The title says why nothing ran: the shell is not installed.
    const there = isInstalled(shell)
    describe.skipIf(!there)(`in ${shell}${there ? "" : ", which is not installed"}`, () => {
      it.each<readonly [line: string, expected: ReadonlyArray<string>]>([
        ["zerobus ing", ["ingest"]],
        ["zerobus table sh", ["show"]],
        ["zerobus ingest re", ["readings one.csv", "records.ndjson"]],
        ["zerobus ingest records.ndjson re", ["readings one.csv", "records.ndjson"]],
        ["zerobus ingest -t a.b.c --rejects rec", ["records.ndjson"]],
        ["zerobus ingest --state da", ["data"]],
        ["zerobus ingest --format nd", ["ndjson"]],
        ["zerobus ingest --max", ["--max-rejects"]],
        ["zerobus local --data-dir da", ["data"]],
        ["zerobus local --tables rec", ["records.ndjson"]],
        ["zerobus generate --from rec", ["records.ndjson"]],
        ["zerobus table register da", ["data"]]
      ])("complete %s", async (line, expected) => {
        const folder = temporaryFolder()
        Fs.mkdirSync(Path.join(folder, "data"))
        for (const name of ["readings one.csv", "records.ndjson", "other.txt"])
          Fs.writeFileSync(Path.join(folder, name), "")
        const { out } = await zerobus(["--completions", shell])
        Fs.writeFileSync(Path.join(folder, "completions"), out)
        const found = complete(line, folder).filter((word) => word !== "")
        assert.deepStrictEqual([...found].sort(), [...expected].sort())
        Fs.rmSync(folder, { recursive: true })
      })
    })
  }
})
