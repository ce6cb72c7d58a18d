// Runs the golden programs as a user would: with the packed package in an empty project,
// type-checked under the strictest settings, unchanged, against `zerobus local`. Each program must
// print its expected output.
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import {
  goldenPrograms as programs,
  goldenTables as tables
} from "../test/support/exampleOutputs.ts"
import { mintToken, startServer } from "./localServer.mjs"
import { checklist, emptyProject, pack, root, run } from "./packedProject.mjs"

const golden = join(root, "test", "golden")
const { check, end } = checklist()

const readable = readdirSync(golden).filter((file) => file.endsWith(".ts"))
const listed = [...programs.map(([file]) => file), "07-local.test.ts"]
const unlisted = readable.filter((file) => !listed.includes(file))
check("every golden program is run", unlisted.length === 0 ? undefined : unlisted.join("\n"))

// The programs are also agreed on outside this repository. Where that copy exists, the two must be
// equal.
const agreed = join(root, "..", "shared", "golden")
if (existsSync(agreed)) {
  const differing = readdirSync(agreed).filter(
    (file) =>
      !existsSync(join(golden, file)) ||
      !readFileSync(join(agreed, file)).equals(readFileSync(join(golden, file)))
  )
  check(
    "the golden programs are the agreed ones",
    differing.length === 0 ? undefined : differing.join("\n")
  )
}

const { tarball } = pack()
const project = emptyProject(tarball, [
  "effect",
  "@effect/platform-node",
  "apache-arrow",
  "@effect/vitest",
  "vitest",
  "typescript",
  "@types/node"
])
const modules = join(project, "node_modules")
for (const file of readable) copyFileSync(join(golden, file), join(project, file))
writeFileSync(
  join(project, "tsconfig.json"),
  JSON.stringify({
    compilerOptions: {
      target: "ES2023",
      module: "NodeNext",
      moduleResolution: "NodeNext",
      types: ["node"],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noEmit: true,
      skipLibCheck: false
    },
    include: ["*.ts"]
  })
)
const typed = run(join(modules, ".bin", "tsc"), ["-p", "."], { cwd: project, mayFail: true })
check(
  "type-check, declarations of the package included",
  typed.failure ? typed.stdout + typed.stderr : undefined
)

try {
  const { settings, stop } = await startServer(project, tables)
  const token = await mintToken(settings, "main.default.air_quality")
  const environment = { ...process.env, ...settings, MY_TOKEN: token }
  for (const [file, expected] of programs) {
    const { failure, status, stderr, stdout } = run(process.execPath, [file], {
      cwd: project,
      env: environment,
      mayFail: true,
      timeout: 60_000
    })
    const asExpected = !failure && expected.test(stdout) && stderr === ""
    check(
      `${file} prints ${expected.source}`,
      asExpected ? undefined : `exit ${status}\n${stdout}${stderr}`
    )
  }
  const code = await stop()
  check(
    "zerobus local stops on SIGTERM",
    [0, 130, 143].includes(code) ? undefined : `ended with ${code}`
  )
} catch (error) {
  check("zerobus local serves the programs", error.message)
}

const suite = run(join(modules, ".bin", "vitest"), ["run", "07-local.test.ts"], {
  cwd: project,
  env: { ...process.env, NO_COLOR: "1" },
  mayFail: true
})
check(
  "07-local.test.ts: 1 test passes",
  !suite.failure && /Tests\s+1 passed/.test(suite.stdout) ? undefined : suite.stdout + suite.stderr
)

rmSync(project, { recursive: true, force: true })
end()
