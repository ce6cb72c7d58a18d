// Runs the examples and the golden programs with the packed package on several runtimes: the oldest
// and the newest supported Node, Bun and Deno. Each runtime also runs the server, `zerobus local`,
// for its own clients. Arguments choose runtimes by the start of their names: `-- bun deno`.
// The runtimes come from npm and are kept in `.cache/runtimes`.
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import {
  goldenPrograms,
  goldenTables,
  printed as examplePrograms,
  tables as exampleTables
} from "../test/support/exampleOutputs.ts"
import { mintToken, startServer } from "./localServer.mjs"
import { checklist, emptyProject, pack, root, run } from "./packedProject.mjs"

const windows = process.platform === "win32"
const platform = `${windows ? "win" : process.platform}-${process.arch}`

/** A runtime's executable in the folder of an npm package, fetched once. */
const fromNpm = (name, version, path) => {
  const folder = join(root, ".cache", "runtimes", `${name.replace("/", "+")}-${version}`)
  const program = join(folder, "node_modules", name, path)
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }))
    const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefix", folder]
    run("npm", ["install", ...options, `${name}@${version}`])
  }
  return program
}

// The packages of one platform, which hold nothing but the executable.
const node = (version) => {
  const bin = process.platform === "darwin" && process.arch === "arm64" ? "node-bin" : "node"
  return fromNpm(`${bin}-${platform}`, version, windows ? "bin/node.exe" : "bin/node")
}
const bun = (version) => {
  const cpu = process.arch === "arm64" ? "aarch64" : process.arch
  const name = `@oven/bun-${windows ? "windows" : process.platform}-${cpu}`
  return fromNpm(name, version, windows ? "bin/bun.exe" : "bin/bun")
}
const deno = (version) => {
  const libc = process.platform === "linux" ? "-glibc" : ""
  const name = `@deno/${process.platform}-${process.arch}${libc}`
  return fromNpm(name, version, windows ? "deno.exe" : "deno")
}

/** Names, and how each starts a file. Dependency updates do not know these versions. */
const runtimes = {
  "node@22.19.0": () => [node("22.19.0")],
  "node@current": () => [process.execPath],
  "node@26.10.0": () => [node("26.10.0")],
  "bun@1.4.5": () => [bun("1.4.5"), "run"],
  "deno@2.9.6": () => [deno("2.9.6"), "run", "--allow-all", "--no-check"]
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !Object.keys(runtimes).some((one) => one.startsWith(name)))
if (unknown.length > 0) {
  console.error(`No runtime is called ${unknown.join(", ")}: ${Object.keys(runtimes).join(", ")}`)
  process.exit(1)
}
const chosen = Object.entries(runtimes).filter(
  ([name]) => wanted.length === 0 || wanted.some((start) => name.startsWith(start))
)

const { check, end } = checklist()
const { tarball } = pack()
const project = emptyProject(tarball, ["effect", "@effect/platform-node", "apache-arrow"])
const copyPrograms = (from, to, files) => {
  mkdirSync(join(project, to))
  for (const file of files) copyFileSync(join(root, from, file), join(project, to, file))
}
const examples = Object.keys(examplePrograms)
const present = readdirSync(join(root, "examples")).filter((file) => /^\d\d-.*\.ts$/.test(file))
const missing = present.filter((file) => !examples.includes(file))
check("every example is run", missing.length === 0 ? undefined : missing.join("\n"))
copyPrograms("examples", "examples", examples)
const golden = goldenPrograms.map(([file]) => file)
copyPrograms("test/golden", "golden", golden)
const programs = [
  ...Object.entries(examplePrograms).map(([file, text]) => [join("examples", file), text]),
  ...goldenPrograms.map(([file, text]) => [join("golden", file), text])
]

for (const [name, provide] of chosen) {
  const command = provide()
  const [program, ...args] = command
  const version = run(program, ["--version"]).stdout.trim().split("\n")[0]
  console.log(`${name}: ${version}`)
  rmSync(join(project, "data"), { recursive: true, force: true })
  try {
    const tables = [...new Set([...exampleTables, ...goldenTables])]
    const { settings, stop } = await startServer(project, tables, { command })
    const token = await mintToken(settings, "main.default.air_quality")
    const env = { ...process.env, ...settings, MY_TOKEN: token, NO_COLOR: "1" }
    for (const [file, text] of programs) {
      const options = { cwd: project, env, mayFail: true, timeout: 60_000 }
      const { failure, status, stderr, stdout } = run(program, [...args, file], options)
      const expected = !failure && text.test(stdout)
      check(`${name} ${file}`, expected ? undefined : `exit ${status}\n${stdout}${stderr}`)
    }
    const code = await stop()
    // Windows has no signals: SIGTERM ends the process at once.
    const ended = windows || [0, 130, 143].includes(code)
    check(`${name} zerobus local ends on SIGTERM`, ended ? undefined : `ended with ${code}`)
  } catch (error) {
    check(`${name} zerobus local serves the programs`, error.message)
  }
}
rmSync(project, { recursive: true, force: true })
end()
