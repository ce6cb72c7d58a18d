// Holds the local server's tables against delta-rs and delta-kernel-rs (in chdb), Delta readers that are not ours: a Python environment under .cache, then the suite.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const environment = join(root, ".cache", "delta")
const windows = process.platform === "win32"
const python = join(environment, windows ? "Scripts/python.exe" : "bin/python")
const packages = ["deltalake==1.6.6", "pyarrow==26.0.1", "chdb==4.4.0"]

const run = (command, args, env = process.env) => {
  const { error, status } = spawnSync(command, args, { cwd: root, stdio: "inherit", env })
  if (error !== undefined) {
    console.error(
      `${command} could not be started (${error.code}). The suite needs Python 3.10 or later with venv and pip.`
    )
  }
  if (status !== 0) process.exit(status ?? 1)
}

if (!existsSync(python)) {
  mkdirSync(join(root, ".cache"), { recursive: true })
  run(windows ? "python" : "python3", ["-m", "venv", environment])
}
run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages])
run(
  process.execPath,
  [join(root, "node_modules/vitest/vitest.mjs"), "run", "--project", "delta", ...process.argv.slice(2)],
  {
    ...process.env,
    DELTA_PYTHON: python
  }
)
