// Drives the local server with the official native SDK. Where the SDK cannot be had (another platform, no registry) it says so and ends with 1.
import { fetchNativeSdk } from "./nativeSdk.mjs"
import { runSuite } from "./foreignSuite.mjs"

const { path, problem } = fetchNativeSdk()
if (path === undefined) {
  console.error(`The interop suite needs the official native SDK: ${problem}`)
  process.exit(1)
}
runSuite("interop", process.argv.slice(2), { NATIVE_SDK: path })
