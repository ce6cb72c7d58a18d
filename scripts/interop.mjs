// Drives the local server with the official native SDK, and the client's Arrow batches into a
// Flight server of pyarrow. Where the SDK or Python cannot be had (another platform, no registry)
// it says so and ends with 1.
import { fetchNativeSdk } from "./nativeSdk.mjs"
import { pythonEnvironment, runSuite } from "./foreignSuite.mjs"

const { path, problem } = fetchNativeSdk()
if (path === undefined) {
  console.error(`The interop suite needs the official native SDK: ${problem}`)
  process.exit(1)
}
const python = pythonEnvironment("arrow", ["pyarrow==26.0.1"])
runSuite("interop", process.argv.slice(2), { NATIVE_SDK: path, ARROW_PYTHON: python })
