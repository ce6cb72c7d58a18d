// Holds the local server's tables against Delta readers and writers that are not ours: delta-rs, Polars, DuckDB, and
// delta-kernel-rs in chdb. `--full` runs the long form.
import { pythonEnvironment, runSuite } from "./foreignSuite.mjs"

const python = pythonEnvironment("delta", ["deltalake==1.6.6", "pyarrow==26.0.1", "chdb==4.4.0", "polars==2.1.0"])
const args = process.argv.slice(2)
const form = args.includes("--full") ? { DELTA_FULL: "1" } : {}
runSuite(
  "delta",
  args.filter((arg) => arg !== "--full"),
  { DELTA_PYTHON: python, ...form }
)
