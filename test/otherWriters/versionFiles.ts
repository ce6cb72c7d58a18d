/** Changes to the version files of a table, as the file system reports them. */
import { Effect } from "effect"
import { watch } from "node:fs"
import * as Path from "node:path"

/** The version files of one table. */
export interface VersionFiles {
  /** How many files replaced an existing file of the same version. */
  readonly replaced: () => number
  /**
   * Calls back once when another writer writes the next version under a temporary name, before it
   * renames it.
   */
  readonly onAttempt: (callback: () => void) => void
}

/** The temporary name that Spark's log store uses for a version before it renames the file. */
const attempt = /^\.\d{20}\.json\..+\.tmp$/

/** Watches a table while the scope is open. */
export const watchVersions = Effect.fnUntraced(function* (location: string) {
  const files = new Map<string, number>()
  let callbacks: Array<() => void> = []
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      watch(Path.join(location, "_delta_log"), (event, name) => {
        if (event !== "rename" || name === null) return
        if (/^\d{20}\.json$/.test(name)) files.set(name, (files.get(name) ?? 0) + 1)
        if (!attempt.test(name)) return
        const told = callbacks
        callbacks = []
        for (const callback of told) callback()
      })
    ),
    (watcher) => Effect.sync(() => watcher.close())
  )
  const versions: VersionFiles = {
    replaced: () => [...files.values()].reduce((sum, count) => sum + count - 1, 0),
    onAttempt: (callback) => callbacks.push(callback)
  }
  return versions
})
