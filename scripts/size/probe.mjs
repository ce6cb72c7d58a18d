// Loads something and gives the time and processor time it took, or the modules it loaded:
// ECMAScript modules and those of CommonJS, with the length of their files.
import { statSync } from "node:fs"
import { createRequire, registerHooks } from "node:module"
import { fileURLToPath } from "node:url"

/** Runs an import. `lists` records its modules, which takes time of its own. */
export const probe = async (load, lists) => {
  const urls = new Set()
  if (lists)
    registerHooks({
      load: (url, context, next) => {
        if (url.startsWith("file:")) urls.add(url)
        return next(url, context)
      }
    })
  const { cache } = createRequire(import.meta.url)
  const before = new Set(Object.keys(cache))
  const started = performance.now()
  const used = process.cpuUsage()
  await load()
  const { system, user } = process.cpuUsage(used)
  const milliseconds = performance.now() - started
  if (lists)
    for (const path of Object.keys(cache)) if (!before.has(path)) urls.add(`file://${path}`)
  const loaded = [...urls].map((url) => ({ url, length: statSync(fileURLToPath(url)).size }))
  return { milliseconds, cpu: (system + user) / 1000, loaded }
}
