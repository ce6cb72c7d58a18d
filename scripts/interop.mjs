// Tests the local server with the official native SDK, and the client's Arrow batches with a Flight
// server of pyarrow. When the SDK or Python is not available (another platform, no registry), it
// reports that and exits with 1.
import { fetchNativeSdk } from "./nativeSdk.mjs"
import { pythonEnvironment, runSuite } from "./foreignSuite.mjs"

const { path, problem } = fetchNativeSdk()
if (path === undefined) {
  console.error(`The interop suite needs the official native SDK: ${problem}`)
  process.exit(1)
}
const python = pythonEnvironment("arrow", ["pyarrow==26.0.1"])
runSuite("interop", process.argv.slice(2), { NATIVE_SDK: path, ARROW_PYTHON: python })
