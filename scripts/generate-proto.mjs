// Generates test/generated from proto/zerobus_service.proto with protobufjs-cli. With --check it
// generates into a temporary folder and fails when the result differs from the committed files.
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const checkedIn = join(root, "test", "generated")

const generate = (folder) => {
  mkdirSync(folder, { recursive: true })
  const module = join(folder, "zerobus_service.js")
  // Offsets stay below 2^53, so 64-bit fields are plain numbers and the package `long` is not
  // needed.
  const flags =
    "--target static-module --wrap esm --force-number --no-delimited --no-typeurl --no-service " +
    "--no-verify --no-convert --root effect-zerobus --dts"
  const run = spawnSync(
    process.execPath,
    [
      join(root, "node_modules", "protobufjs-cli", "bin", "pbjs"),
      ...flags.split(" "),
      "--dependency",
      "protobufjs/minimal.js",
      "--out",
      module,
      join("proto", "zerobus_service.proto")
    ],
    { cwd: root, stdio: "inherit" }
  )
  if (run.status !== 0) process.exit(run.status ?? 1)
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    // The runtime reads 64-bit fields as objects of the package `long`, and the declarations import
    // it. Both are replaced by numbers here.
    const text = readFileSync(path, "utf8")
      .replace(/^import Long = require\("long"\);\n/m, "")
      .replaceAll("reader.int64()", "Number(reader.int64())")
    writeFileSync(
      path,
      `// Generated from proto/zerobus_service.proto by scripts/generate-proto.mjs. Do not ` +
        `edit.\n${text.trimEnd()}\n`
    )
  }
}

if (process.argv.includes("--check")) {
  const folder = mkdtempSync(join(tmpdir(), "zerobus-proto-"))
  try {
    generate(folder)
    const names = new Set([...readdirSync(folder), ...readdirSync(checkedIn)])
    const read = (base, name) => {
      try {
        return readFileSync(join(base, name), "utf8")
      } catch {
        return undefined
      }
    }
    const stale = [...names].filter((name) => read(folder, name) !== read(checkedIn, name))
    if (stale.length > 0) {
      console.error(
        `test/generated is not current (${stale.join(", ")}). Run: npm run proto:generate`
      )
      process.exitCode = 1
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
} else {
  rmSync(checkedIn, { recursive: true, force: true })
  generate(checkedIn)
}
