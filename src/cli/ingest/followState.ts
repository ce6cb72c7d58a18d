/**
 * The durable position in a followed file, saved in a state file. The file is replaced as a whole,
 * so that it is never half written.
 */
import * as Data from "effect/Data"
import * as Fs from "node:fs/promises"
import { lstatOf, openPlain, readPlain } from "../../internal/log/plainFile.ts"
import type { FilePlace } from "./filePlace.ts"

/** Content of the state file. */
export interface FollowState extends FilePlace {
  readonly file: string
  readonly table: string
}

/** The state file cannot be used. The message says why. */
export class UnusableState extends Data.TaggedError("UnusableState")<{
  readonly message: string
}> {}

const kind = "zerobus ingest --follow"

/**
 * Reads the saved state. Undefined when there is none yet. Rejects with `UnusableState` when the
 * path holds anything else.
 */
export const readState = async (
  path: string,
  file: string,
  table: string
): Promise<FollowState | undefined> => {
  const refuse = (why: string) =>
    new UnusableState({ message: `--state: ${path} ${why}. Name another file.` })
  const found = await lstatOf(path)
  if (found === undefined) return undefined
  if (!found.isFile()) throw refuse("is not a plain file")
  let state: Partial<FollowState> & { readonly kind?: unknown }
  try {
    state = JSON.parse((await readPlain(path)).toString("utf8"))
  } catch {
    throw refuse("exists and is not the state of a followed file")
  }
  if (state.kind !== kind || typeof state.offset !== "number" || typeof state.end !== "string") {
    throw refuse("exists and is not the state of a followed file")
  }
  if (state.file !== file) throw refuse(`belongs to another file, ${state.file}`)
  if (state.table !== table) throw refuse(`belongs to another table, ${state.table}`)
  return state as FollowState
}

/** Replaces the state. */
export const writeState = async (path: string, state: FollowState): Promise<void> => {
  const next = `${path}.new`
  const handle = await openPlain(next, "replace")
  try {
    await handle.writeFile(`${JSON.stringify({ kind, ...state })}\n`)
    await handle.datasync()
  } finally {
    await handle.close()
  }
  await Fs.rename(next, path)
}

interface Mark extends FilePlace {
  /** Number of records in the stream before the position. */
  readonly accepted: number
}

/** Positions whose records are not durable yet, in order. */
export class Marks {
  private readonly marks: Array<Mark> = []

  /** Adds a position. The records before it are the first `accepted` of the stream. */
  add(place: FilePlace, accepted: number): void {
    this.marks.push({ ...place, accepted })
  }

  /** Removes and returns the last position whose records are all durable. */
  reached(durable: number): FilePlace | undefined {
    let count = 0
    while (count < this.marks.length && this.marks[count]!.accepted <= durable) count++
    if (count === 0) return undefined
    const { accepted: _, ...place } = this.marks.splice(0, count)[count - 1]!
    return place
  }
}
