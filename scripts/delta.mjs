// Holds the local server's tables against Delta readers that are not ours: delta-rs, Polars, and delta-kernel-rs in chdb.
import { pythonEnvironment, runSuite } from "./foreignSuite.mjs"

const python = pythonEnvironment("delta", ["deltalake==1.6.6", "pyarrow==26.0.1", "chdb==4.4.0", "polars==2.1.0"])
runSuite("delta", process.argv.slice(2), { DELTA_PYTHON: python })
