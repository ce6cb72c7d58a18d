// Compiles programs against the packed declarations with several versions of TypeScript, from the
// oldest that compiles Effect's own declarations to the newest. All declarations are checked, those
// of Effect included. `-- 5.6.3` tries another version. The compilers come from npm and are kept in
// `.cache/typescript`.
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { checklist, emptyProject, manifest, pack, root, run } from "./packedProject.mjs"

/** TypeScript 5.6 fails on Effect 4.1 itself: `Uint8Array` takes no type argument there. */
const versions = ["5.7.3", "5.8.3", "5.9.3", "6.0.3", "7.0.2"]

const compiler = (version) => {
  const folder = join(root, ".cache", "typescript", version)
  const tsc = join(folder, "node_modules", "typescript", "bin", "tsc")
  if (!existsSync(tsc)) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }))
    const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefix", folder]
    run("npm", ["install", ...options, `typescript@${version}`])
  }
  return tsc
}

const chosen = process.argv.length > 2 ? process.argv.slice(2) : versions
const { check, end } = checklist()
const { tarball } = pack()
const packages = ["effect", "@effect/platform-node", "apache-arrow", "@types/node"]
const project = emptyProject(tarball, packages)

// Effect alone shows whether a failure is the compiler's age or this package.
writeFileSync(
  join(project, "effectAlone.ts"),
  `import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"

NodeRuntime.runMain(Effect.flatMap(Effect.succeed(1), (n) => Console.log(n)))
`
)
const entries = Object.keys(manifest.exports).filter((entry) => !entry.endsWith(".json"))
writeFileSync(
  join(project, "everyEntry.ts"),
  entries.map((entry, n) => `export * as entry${n} from "${join(manifest.name, entry)}"\n`).join("")
)
const programsOf = (folder) =>
  readdirSync(join(root, folder)).filter(
    (file) => /^\d\d-.*\.ts$/.test(file) && !/\.test\./.test(file)
  )
const programs = ["everyEntry.ts"]
for (const folder of ["examples", "test/golden"]) {
  const target = folder.replace("test/", "")
  mkdirSync(join(project, target))
  for (const file of programsOf(folder)) {
    copyFileSync(join(root, folder, file), join(project, target, file))
    programs.push(`${target}/${file}`)
  }
}

const compilerOptions = {
  target: "ES2023",
  module: "NodeNext",
  moduleResolution: "NodeNext",
  types: ["node"],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noEmit: true,
  skipLibCheck: false
}
console.log(`${programs.length} programs, the declarations of ${entries.length} entries and Effect`)
for (const version of chosen) {
  const tsc = compiler(version)
  const compile = (name, files) => {
    const config = join(project, `tsconfig.${name}.json`)
    writeFileSync(config, JSON.stringify({ compilerOptions, files }))
    const options = { cwd: project, mayFail: true, timeout: 600_000 }
    const { failure, stderr, stdout } = run(process.execPath, [tsc, "-p", config], options)
    return failure ? stdout + stderr : undefined
  }
  check(`TypeScript ${version}: Effect alone`, compile("effect", ["effectAlone.ts"]))
  check(`TypeScript ${version}: this package`, compile("package", programs))
}
rmSync(project, { recursive: true, force: true })
end()
