#!/usr/bin/env node
/**
 * The executable `zerobus`: says so when Node is too old for the rest, which is loaded only after that.
 */
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)

if (major < 22 || (major === 22 && minor < 19)) {
  console.error(`effect-zerobus needs Node 22.19 or later; this is ${major}.${minor}.`)
  process.exitCode = 1
} else {
  const { run } = await import("./program.ts")
  run()
}
