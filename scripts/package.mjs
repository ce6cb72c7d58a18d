// Checks the packed package: its list of files, publint, attw, the dependencies a user installs,
// and a first import.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { checkLinks } from "./packedLinks.ts"
import { checklist, emptyProject, manifest, pack, root, run } from "./packedProject.mjs"

const { check, end } = checklist()
const { bytes, files, tarball } = pack()
console.log(
  `${manifest.name}-${manifest.version}.tgz: ${(bytes / 1024).toFixed(0)} KiB, ${files.length} ` +
    `files`
)

const allowed = /^(?:dist|src|proto|docs|examples)\/|^(?:package\.json|LICENSE|[A-Z]+\.md)$/
const strangers = files.filter(
  (file) => !allowed.test(file) || /\.test\.|tsbuildinfo|tsconfig/.test(file)
)
check(
  "only listed files are packed, no tests",
  strangers.length === 0 ? undefined : strangers.join("\n")
)
const needed = [
  "dist/index.js",
  "dist/index.d.ts",
  "dist/testing/index.js",
  "dist/testing/index.d.ts",
  "dist/cluster/index.js",
  "dist/cluster/index.d.ts",
  "dist/arrow/index.js",
  "dist/arrow/index.d.ts",
  "dist/avro/index.js",
  "dist/avro/index.d.ts",
  "dist/cli/main.js",
  "dist/local/console/page.js"
]
const missing = [...needed, "README.md", "LICENSE"].filter((file) => !files.includes(file))
check("nothing that users need is missing", missing.length === 0 ? undefined : missing.join("\n"))

const bin = (name) => join(root, "node_modules", ".bin", name)
const verdict = ({ failure, stderr, stdout }) => (failure ? stdout + stderr : undefined)
check(
  "publint --strict",
  verdict(run(bin("publint"), ["run", tarball, "--strict"], { mayFail: true }))
)
check(
  "attw --profile esm-only",
  verdict(run(bin("attw"), [tarball, "--profile", "esm-only"], { mayFail: true }))
)

// The installation of a user who installs only the package and its peers.
const project = emptyProject(tarball, ["effect", "@effect/platform-node"])
const modules = join(project, "node_modules")
const links = checkLinks(files, (file) => readFileSync(join(modules, manifest.name, file), "utf8"))
check(
  `${links.count} relative links of the packed pages lead to packed files`,
  links.broken.length === 0 ? undefined : links.broken.join("\n")
)
const tree = Object.entries(
  JSON.parse(readFileSync(join(project, "package-lock.json"), "utf8")).packages
).filter(([path]) => path !== "")
const sizeOf = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
const nameOf = (path) => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)
console.log(
  `installed with its peers: ${tree.length} packages, ${(sizeOf(modules) / 1e6).toFixed(1)} MB`
)
console.log(`  ${tree.map(([path, entry]) => `${nameOf(path)}@${entry.version}`).join(" ")}`)
console.log(
  `  of it ${manifest.name}: ${(sizeOf(join(modules, manifest.name)) / 1e6).toFixed(1)} MB`
)

// Every Effect program on Node has the peers. Everything else that the package brings must be pure
// JavaScript.
const own = new Set()
const visit = (name) => {
  const entry = tree.find(([path]) => path === `node_modules/${name}`)?.[1]
  if (own.has(name) || entry === undefined) return
  own.add(name)
  for (const next of Object.keys(entry.dependencies ?? {})) visit(next)
}
visit(manifest.name)
const native = [...own].filter((name) =>
  readdirSync(join(modules, name), { recursive: true, encoding: "utf8" }).some((file) =>
    /\.node$|binding\.gyp$/.test(file)
  )
)
check(
  `no native code among the ${own.size} packages it brings`,
  native.length === 0 ? undefined : native.join("\n")
)
const free = /^\(?(?:MIT|ISC|0BSD|Apache-2\.0|BSD-[23]-Clause|BlueOak-1\.0\.0|Unlicense|CC0-1\.0)\b/
const licences = tree
  .map(([path]) => [
    nameOf(path),
    JSON.parse(readFileSync(join(project, path, "package.json"), "utf8")).license
  ])
  .filter(([, licence]) => !free.test(licence ?? ""))
check(
  "free licences throughout",
  licences.length === 0 ? undefined : licences.map((one) => one.join(": ")).join("\n")
)
const scripts = tree
  .filter(([, entry]) => entry.hasInstallScript === true)
  .map(([path]) => nameOf(path))
if (scripts.length > 0) console.log(`  install scripts that were not run: ${scripts.join(", ")}`)

writeFileSync(
  join(project, "first.js"),
  `import * as client from "effect-zerobus"
import * as testing from "effect-zerobus/testing"
import * as cluster from "effect-zerobus/cluster"
const exported = [client.Zerobus, client.ZerobusLayer, testing.ZerobusLocal, cluster.ZerobusShards]
if (exported.includes(undefined)) throw new Error("an export is missing")
if (cluster.ZerobusShards.layer === undefined) throw new Error("a layer is missing")
try {
  await import("effect-zerobus/dist/internal/envelope.js")
  throw new Error("internal modules can be imported")
} catch (error) {
  if (error.code !== "ERR_PACKAGE_PATH_NOT_EXPORTED") throw error
}
`
)
check(
  "imports from the installed package",
  verdict(run(process.execPath, ["first.js"], { cwd: project, mayFail: true }))
)

writeFileSync(
  join(project, "console.js"),
  `import { Effect, Redacted } from "effect"
import { ZerobusLocal } from "effect-zerobus/testing"
const program = Effect.gen(function*() {
  const { consoleUrl, workspaceUrl } = yield* ZerobusLocal
  const link = Redacted.value(consoleUrl)
  if (!link.startsWith(workspaceUrl + "/#token=")) throw new Error("the link is wrong")
  for (const path of ["/", "/console/console.js", "/console/console.css", "/console/icon.svg"]) {
    const response = yield* Effect.promise(() => fetch(workspaceUrl + path))
    if (response.status !== 200) throw new Error(path + " has status " + response.status)
  }
})
const layer = ZerobusLocal.layerServerMemory({ console: true })
await Effect.runPromise(program.pipe(Effect.provide(layer)))
`
)
check(
  "the console's page is served",
  verdict(run(process.execPath, ["console.js"], { cwd: project, mayFail: true }))
)

// The threads of the local server are separate files that nothing imports.
writeFileSync(
  join(project, "threads.js"),
  `import { Effect } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
let started = 0
process.on("worker", (worker) => {
  worker.once("online", () => started++)
  worker.on("error", (error) => console.error(error))
})
const text = JSON.stringify(Array.from({ length: 100_000 }, (_, n) => ({ n, word: "word " + n })))
const dataDir = mkdtempSync(join(tmpdir(), "package-threads-"))
const program = Effect.gen(function*() {
  const local = yield* ZerobusLocal
  yield* local.createTable("main.default.t(v VARIANT)")
  const zerobus = yield* Zerobus
  const table = TableProperties.json("main.default.t")
  yield* zerobus.withStream(table, (stream) => stream.ingestRecords([{ v: text }]))
  const [row] = yield* local.records("main.default.t")
  if (row.v !== text) throw new Error("the record is wrong")
})
const layers = ZerobusLocal.layerServer({ dataDir })
const connected = program.pipe(Effect.provide(ZerobusLocal.layerClient), Effect.provide(layers))
await Effect.runPromise(connected)
rmSync(dataDir, { recursive: true })
// One decodes, one flushes, and one synchronises the log.
if (started !== 3) throw new Error(started + " threads were started")
`
)
if (availableParallelism() > 1) {
  check(
    "the local server decodes, flushes and synchronises in threads",
    verdict(run(process.execPath, ["threads.js"], { cwd: project, mayFail: true }))
  )
}
const version = run("npx", ["--no", "--", "effect-zerobus", "--version"], {
  cwd: project,
  mayFail: true
})
check(
  "npx effect-zerobus --version",
  version.stdout.includes(manifest.version) ? undefined : version.stdout + version.stderr
)
rmSync(project, { recursive: true, force: true })
end()
