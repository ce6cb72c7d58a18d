// Builds dist from src: compiles the sources, bundles the console page and makes the command
// executable. The build starts from an empty folder, so that no file of an earlier build is packed.
import { spawnSync } from "node:child_process"
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { pageFiles } from "./consolePage.mjs"

const root = fileURLToPath(new URL("..", import.meta.url))
const dist = join(root, "dist")

rmSync(dist, { recursive: true, force: true })
const compiled = spawnSync("tsc", ["-p", "src"], {
  cwd: root,
  stdio: "inherit",
  shell: process.platform === "win32"
})
if (compiled.status !== 0) process.exit(compiled.status ?? 1)

const page = JSON.stringify(await pageFiles())
writeFileSync(
  join(dist, "local/console/page.js"),
  `export const pageFiles = async () => (${page})\n`
)

const command = join(dist, "cli", "main.js")
if (existsSync(command)) {
  if (!readFileSync(command, "utf8").startsWith("#!/usr/bin/env node\n")) {
    console.error(
      "dist/cli/main.js does not start with '#!/usr/bin/env node', so it cannot run as the " +
        "command zerobus."
    )
    process.exit(1)
  }
  chmodSync(command, 0o755)
} else {
  console.error("src/cli/main.ts is missing, so the package would have no command zerobus.")
  process.exit(1)
}
