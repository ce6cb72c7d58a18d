/**
 * `zerobus local --watch`: applies the file of `--tables` whenever it changes.
 *
 * The file is polled twice a second. File notifications do not cross the boundary of a container,
 * and an editor that replaces the file ends them. A change counts once two polls in a row agree, so
 * that a file is not read while it is being written.
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs/promises"
import type { ZerobusLocalShape } from "../../testing/ZerobusLocal.ts"
import { applyChange, changesFor, readTablesFile } from "./tablesFile.ts"

const lookEvery = "500 millis"

/** A text that differs between two states of a file. "missing" while there is no file. */
export const stateOfFile = (path: string): Effect.Effect<string> =>
  Effect.promise(() =>
    Fs.stat(path, { bigint: true }).then(
      ({ ctimeNs, ino, mtimeNs, size }) => [ino, size, mtimeNs, ctimeNs].join(),
      () => "missing"
    )
  )

/** Applies the current file and logs the result for each table. */
const apply = Effect.fnUntraced(function* (path: string, local: ZerobusLocalShape) {
  const wanted = yield* readTablesFile(path)
  let [created, altered] = [0, 0]
  for (const change of yield* changesFor(local, wanted)) {
    const table = change.definition.name
    for (const { column, kind, message } of change.unchangeable) {
      yield* Effect.logWarning("The table differs from the file, and this cannot be changed", {
        table,
        kind,
        ...(column === undefined ? {} : { column }),
        message
      })
    }
    const done = yield* Effect.result(applyChange(local, change))
    if (done._tag === "Failure") {
      yield* Effect.logWarning("The table could not be updated to match the file", {
        table,
        message: done.failure.message
      })
    } else if (change.added === undefined) created++
    else if (change.added.length > 0) altered++
  }
  yield* Effect.logInfo("The file of tables was read", {
    file: path,
    tables: wanted.length,
    created,
    altered
  })
})

/** Follows the file, starting from the state in which it was last read. */
export const watchTables = (
  path: string,
  read: string,
  local: ZerobusLocalShape
): Effect.Effect<never> =>
  Effect.gen(function* () {
    let known = read
    let before = read
    while (true) {
      yield* Effect.sleep(lookEvery)
      const now = yield* stateOfFile(path)
      const settled = now === before
      before = now
      if (!settled || now === known) continue
      known = now
      yield* apply(path, local).pipe(
        Effect.catch(({ message }) =>
          Effect.logWarning("The file of tables cannot be applied; the tables stay as they are", {
            message
          })
        )
      )
    }
  })
