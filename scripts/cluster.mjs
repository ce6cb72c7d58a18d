// Runs a cluster of real processes over PostgreSQL, from Debian's package, and kills, adds and stops runners.
// `--full` ingests 1,000,000 records, `--seed N` decides when and in which order; the default seed is 1.
// Without PostgreSQL the test counts as skipped; root on Debian gets it installed.
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { output, run, runSuite, suiteOptions } from "./foreignSuite.mjs"

const versions = "/usr/lib/postgresql"

/** The folder of the newest PostgreSQL's programs. */
const programs = () =>
  (existsSync(versions) ? readdirSync(versions) : [])
    .sort((one, other) => Number(other) - Number(one))
    .map((version) => join(versions, version, "bin"))
    .find((folder) => existsSync(join(folder, "initdb")))

const { env, rest } = suiteOptions("CLUSTER")
const at = rest.indexOf("--seed")
const seed = at === -1 ? "1" : rest.splice(at, 2)[1]
if (programs() === undefined && process.getuid?.() === 0 && output("apt-get", ["--version"]) !== undefined) {
  run("apt-get", ["install", "-y", "-q", "--no-install-recommends", "postgresql"])
}
const found = programs()
if (found === undefined) {
  console.log("Every test of clusters is skipped: this machine lacks PostgreSQL (apt-get install postgresql).")
}
runSuite("cluster", rest, { ...env, CLUSTER_SEED: seed, CLUSTER_POSTGRES: found ?? "" })
