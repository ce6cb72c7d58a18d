// Runs the bridge from PostgreSQL against a real server, which the suite starts in a temporary folder. `--full` has more kills.
// Root installs Debian's package where it is missing; elsewhere every test then counts as skipped.
import { existsSync } from "node:fs"
import { output, run, runSuite, suiteOptions } from "./foreignSuite.mjs"

const programs = "/usr/lib/postgresql"

const install = () => {
  if (process.getuid?.() !== 0 || output("apt-get", ["--version"]) === undefined) return
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
  run("apt-get", ["update", "-qq"], { env })
  run("apt-get", ["install", "-qq", "-y", "--no-install-recommends", "postgresql"], { env })
}

if (!existsSync(programs)) install()
if (!existsSync(programs)) {
  console.log("Every test of PostgreSQL is skipped: this machine lacks its server (Debian's package postgresql).")
}
const { env, rest } = suiteOptions("POSTGRES")
runSuite("postgres", rest, env)
