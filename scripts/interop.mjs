// Drives the local server with the official native SDK. Where the SDK cannot be had (another platform, no registry) it says so and ends with 1.
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { fetchNativeSdk } from "./nativeSdk.mjs"

const root = fileURLToPath(new URL("..", import.meta.url))
const { path, problem } = fetchNativeSdk()
if (path === undefined) {
  console.error(`The interop suite needs the official native SDK: ${problem}`)
  process.exit(1)
}
const vitest = [join(root, "node_modules/vitest/vitest.mjs"), "run", "--project", "interop", ...process.argv.slice(2)]
const { status } = spawnSync(process.execPath, vitest, {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, NATIVE_SDK: path }
})
process.exit(status ?? 1)
