// Fetches the official native TypeScript SDK into .cache, for the interop suite and the benchmark.
// It is not a dependency of the package and not in the lockfile. Prints the folder for `require`;
// exits with 1 when the SDK is not available.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const name = "@databricks/zerobus-ingest-sdk-linux-x64-gnu"
const version = "1.3.0"
const folder = fileURLToPath(new URL("../.cache/native-sdk", import.meta.url))

/** The folder of the installed SDK, or why there is none. */
export const fetchNativeSdk = () => {
  if (process.platform !== "linux" || process.arch !== "x64")
    return { problem: "the SDK is fetched for Linux on x64 only" }
  const installed = join(folder, "node_modules", name)
  if (!existsSync(installed)) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(
      join(folder, "package.json"),
      JSON.stringify({ name: "native-sdk", private: true })
    )
    const { status, stderr } = spawnSync(
      "npm",
      ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", `${name}@${version}`],
      { cwd: folder, encoding: "utf8", timeout: 120_000 }
    )
    if (status !== 0 || !existsSync(installed))
      return { problem: `npm could not install ${name}@${version}: ${stderr}` }
  }
  return { path: installed }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { path, problem } = fetchNativeSdk()
  if (path === undefined) {
    console.error(problem)
    process.exit(1)
  }
  console.log(path)
}
