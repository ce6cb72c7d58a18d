// Tests the local server's tables with foreign Delta readers and writers: delta-rs, Polars, DuckDB,
// and delta-kernel-rs in chdb. `--full` runs the long form. `--write-matrix` writes the results to
// the table of types and readers in docs/storage.md.
import { pythonEnvironment, runSuite, suiteOptions } from "./foreignSuite.mjs"

const python = pythonEnvironment("delta", [
  "deltalake==1.6.6",
  "pyarrow==26.0.1",
  "chdb==4.4.0",
  "polars==2.1.0"
])
const { env, rest } = suiteOptions("DELTA")
runSuite("delta", rest, { DELTA_PYTHON: python, ...env })
