// What the package costs a program of Effect: the packages that npm downloads for it, and what the
// import of each entry point takes. Everything is measured beside the peers alone, so that only
// this package and its dependencies count. `-- --runs 31` sets the number of runs for the times.
// `-- --modules` lists the loaded modules.
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { emptyProject, manifest, pack, root, run } from "../packedProject.mjs"

const args = process.argv.slice(2)
const at = args.indexOf("--runs")
const runs = at < 0 ? 11 : Number(args[at + 1])
if (!Number.isSafeInteger(runs) || runs < 1) {
  console.error("--runs takes a number of runs, 1 or more.")
  process.exit(1)
}

const { bytes, tarball } = pack()
const peers = ["effect", "@effect/platform-node"]
const project = emptyProject(tarball, peers)

const sizeOf = (folder) =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.name !== "node_modules")
    .reduce((sum, entry) => {
      const path = join(folder, entry.name)
      return sum + (entry.isDirectory() ? sizeOf(path) : entry.isFile() ? statSync(path).size : 0)
    }, 0)
const kilobytes = (size) => `${(size / 1000).toFixed(0)} kB`

/** The packages that are installed for `name`, as paths below the project. */
const lock = JSON.parse(readFileSync(join(project, "package-lock.json"), "utf8")).packages
const found = (name, from) => {
  for (let path = from; ; path = path.slice(0, Math.max(0, path.lastIndexOf("/node_modules/")))) {
    const candidate = `${path === "" ? "" : `${path}/`}node_modules/${name}`
    if (lock[candidate] !== undefined) return candidate
    if (path === "") return undefined
  }
}
const closure = (names) => {
  const paths = new Set()
  const visit = (name, from) => {
    const path = found(name, from)
    if (path === undefined || paths.has(path)) return
    paths.add(path)
    for (const next of Object.keys(lock[path].dependencies ?? {})) visit(next, path)
  }
  for (const name of names) visit(name, "")
  return paths
}
const shared = closure(peers)
const own = [...closure([manifest.name])].filter((path) => !shared.has(path))
const rows = own
  .map((path) => ({ path, size: sizeOf(join(project, path)), version: lock[path].version }))
  .sort((a, b) => b.size - a.size)

console.log(`tarball: ${kilobytes(bytes)}`)
console.log(`\ninstalled beside ${peers.join(" and ")}:`)
for (const { path, size, version } of rows)
  console.log(`  ${kilobytes(size).padStart(9)}  ${path.slice("node_modules/".length)}@${version}`)
const total = rows.reduce((sum, { size }) => sum + size, 0)
console.log(`  ${kilobytes(total).padStart(9)}  ${rows.length} packages together`)
const peersSize = [...shared].reduce((sum, path) => sum + sizeOf(join(project, path)), 0)
console.log(`  the peers: ${kilobytes(peersSize)}, ${shared.size} packages`)

/** One process that imports what every program of Effect has, then the entry. */
const probe = pathToFileURL(join(root, "scripts/size/probe.mjs")).href
const measure = (entry, lists) => {
  const code = `import { probe } from ${JSON.stringify(probe)}
await import("effect")
await import("@effect/platform-node/NodeRuntime")
console.log(JSON.stringify(await probe(() => import(${JSON.stringify(entry)}), ${lists})))`
  return JSON.parse(
    run(process.execPath, ["--input-type=module", "-e", code], { cwd: project }).stdout
  )
}
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
const packageOf = (url) => {
  const path = decodeURIComponent(new URL(url).pathname)
  const below = path.slice(path.lastIndexOf("/node_modules/") + "/node_modules/".length)
  return below.split("/", below.startsWith("@") ? 2 : 1).join("/")
}

console.log(
  `\nimport after "effect" and NodeRuntime, median of ${runs} runs, Node ${process.version}:`
)
const entries = Object.keys(manifest.exports).filter((entry) => !entry.endsWith(".json"))
for (const entry of entries.map((path) => join(manifest.name, path))) {
  if (entry.endsWith("/arrow") && lock["node_modules/apache-arrow"] === undefined) {
    // apache-arrow is the program's own package, an optional peer.
    run(
      "npm",
      [
        "install",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-save",
        `apache-arrow@${manifest.devDependencies["apache-arrow"]}`
      ],
      { cwd: project }
    )
  }
  const { loaded } = measure(entry, true)
  const times = Array.from({ length: runs }, () => measure(entry, false))
  const cpu = median(times.map((time) => time.cpu)).toFixed(0)
  const wall = median(times.map(({ milliseconds }) => milliseconds)).toFixed(0)
  console.log(`  ${entry}: ${cpu} ms of processor time, ${wall} ms, ${loaded.length} modules`)
  const counts = Object.entries(Object.groupBy(loaded, ({ url }) => packageOf(url)))
  for (const [name, list] of counts.sort((a, b) => b[1].length - a[1].length)) {
    const size = list.reduce((sum, { length }) => sum + length, 0)
    console.log(`    ${String(list.length).padStart(4)} modules, ${kilobytes(size)}  ${name}`)
    if (args.includes("--modules"))
      for (const { url, length } of list)
        console.log(`         ${length} ${url.split("/node_modules/").at(-1)}`)
  }
}
rmSync(project, { recursive: true, force: true })
