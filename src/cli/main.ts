#!/usr/bin/env node
/**
 * The executable `zerobus`: says so when Node is too old for the rest, which is loaded only after
 * that, from Node's compile cache.
 */
import * as Os from "node:os"
import * as Path from "node:path"

/**
 * Where Node keeps the compiled modules between runs: where NODE_COMPILE_CACHE says, else in the
 * user's own cache. Node's default is the temporary folder, in which another user may have put
 * code. Undefined where there is no such place.
 */
const compileCache = (): string | undefined => {
  const { LOCALAPPDATA, NODE_COMPILE_CACHE, XDG_CACHE_HOME } = process.env
  if (NODE_COMPILE_CACHE !== undefined && NODE_COMPILE_CACHE !== "") return NODE_COMPILE_CACHE
  const own = process.platform === "win32" ? LOCALAPPDATA : XDG_CACHE_HOME
  if (own !== undefined && Path.isAbsolute(own)) return Path.join(own, "effect-zerobus")
  try {
    const home = Os.homedir()
    return Path.isAbsolute(home) ? Path.join(home, ".cache", "effect-zerobus") : undefined
  } catch {
    // A user without an entry in the system's list of users has no home.
    return undefined
  }
}

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)

if (major < 22 || (major === 22 && minor < 19)) {
  console.error(`effect-zerobus needs Node 22.19 or later; this is ${major}.${minor}.`)
  process.exitCode = 1
} else {
  const { enableCompileCache } = await import("node:module")
  const folder = compileCache()
  // Where the folder cannot be written, nothing is cached and the command goes on.
  if (folder !== undefined) enableCompileCache(folder)
  const { run } = await import("./program.ts")
  run()
}
