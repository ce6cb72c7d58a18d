#!/usr/bin/env node
/**
 * The executable `zerobus`. It reports a Node version that is too old before it loads the program,
 * with Node's compile cache.
 */
import * as Os from "node:os"
import * as Path from "node:path"

/**
 * The folder in which Node keeps compiled modules between runs: `NODE_COMPILE_CACHE` when set, else
 * the user's cache folder. Node's default is the temporary folder, where another user could place
 * code. Undefined when there is no such folder.
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
    // A user without an entry in the system's user database has no home.
    return undefined
  }
}

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)

if (major < 22 || (major === 22 && minor < 19)) {
  console.error(`effect-zerobus needs Node 22.19 or later; this is ${major}.${minor}.`)
  process.exitCode = 1
} else {
  // Deno has no compile cache of this kind.
  const { enableCompileCache }: Partial<typeof import("node:module")> = await import("node:module")
  const folder = compileCache()
  // When the folder is not writable, nothing is cached and the command continues.
  if (folder !== undefined) enableCompileCache?.(folder)
  const { run } = await import("./program.ts")
  run()
}
