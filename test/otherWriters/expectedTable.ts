/**
 * The rows that a table must contain, computed from the order of its commits: those of the server
 * add the rows that its client sent; those of another writer change the rows that it had read. The
 * server's commits must contain each sent record exactly once.
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { type Change, matches, type Row } from "./changes.ts"

/** The rows that a table must hold, and faults of the server that its log shows. */
export interface ExpectedTable {
  readonly rows: ReadonlyArray<Row>
  /** The ids of the records that the server committed. */
  readonly committed: ReadonlySet<number>
  /** How many commits other writers made, by operation. */
  readonly foreign: Readonly<Record<string, number>>
  readonly wrong: ReadonlyArray<string>
}

/** A row, and the version that wrote it. */
interface Held {
  readonly row: Row
  readonly since: number
}

/** Applies a change that was made from version `read` and committed as `version`. */
const apply = (rows: Map<number, Held>, change: Change, read: number, version: number): void => {
  const put = (row: Row) => rows.set(row.id, { row, since: version })
  // Rows newer than the version that the change was made from stay unchanged.
  const seen = [...rows.values()].filter(({ since }) => since <= read).map(({ row }) => row)
  switch (change.operation) {
    case "append":
      return change.rows.forEach(put)
    case "delete":
      return seen.filter((row) => matches(change.where, row)).forEach(({ id }) => rows.delete(id))
    case "update":
      return seen
        .filter((row) => matches(change.where, row))
        .forEach((row) => put({ ...row, note: change.note }))
    case "overwrite": {
      const { where } = change
      seen
        .filter((row) => where === undefined || matches(where, row))
        .forEach(({ id }) => rows.delete(id))
      return change.rows.forEach(put)
    }
    case "merge": {
      const byId = new Map(seen.map((row) => [row.id, row]))
      return change.rows.forEach((row) => {
        const target = byId.get(row.id)
        if (target !== undefined) put({ ...target, note: row.note })
        else if (change.insert) put(row)
      })
    }
    default:
  }
}

type Info = Readonly<Record<string, unknown>>

interface Commit {
  readonly info: Info
  readonly adds: ReadonlyArray<{ readonly stats: string; readonly dataChange: boolean }>
  /** Whether the table has a constraint after the commit; undefined if the commit does not say. */
  readonly constrained: boolean | undefined
}

const readCommit = (text: string): Commit => {
  const actions = text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))
  const metadata = actions.find((action) => action.metaData !== undefined)?.metaData
  return {
    info: actions.find((action) => action.commitInfo !== undefined)?.commitInfo ?? {},
    adds: actions.flatMap((action) => action.add ?? []),
    constrained:
      metadata &&
      Object.keys(metadata.configuration).some((name: string) =>
        name.startsWith("delta.constraints.")
      )
  }
}

/**
 * The ids of the records in a commit of the server. The client sends them in order, so all
 * acknowledged records of the range belong to it. The others belong to a refused batch and are
 * committed either all or not at all. Undefined if the count contradicts this.
 */
const idsOf = (commit: Commit, { acknowledged, sent }: Sent): ReadonlyArray<number> | undefined => {
  const stats = commit.adds.map((add) => JSON.parse(add.stats))
  const first = Math.min(...stats.map(({ minValues }) => Number(minValues.id)))
  const last = Math.max(...stats.map(({ maxValues }) => Number(maxValues.id)))
  const count = stats.reduce((sum, { numRecords }) => sum + numRecords, 0)
  const range = Array.from({ length: last - first + 1 }, (_, n) => first + n).filter((id) =>
    sent.has(id)
  )
  return [range.filter((id) => acknowledged.has(id)), range].find(({ length }) => length === count)
}

/** What a client sent, and what was acknowledged. */
interface Sent {
  readonly sent: ReadonlyMap<number, Row>
  readonly acknowledged: ReadonlySet<number>
}

/** Replays a table. `changes` are those of the other writer by tag. */
export const expectedTable = async (
  location: string,
  client: Sent,
  changes: ReadonlyMap<string, Change>
): Promise<ExpectedTable> => {
  const folder = Path.join(location, "_delta_log")
  const names = (await Fs.readdir(folder)).filter((name) => /^\d{20}\.json$/.test(name)).sort()
  const rows = new Map<number, Held>()
  const committed = new Set<number>()
  const foreign: Record<string, number> = {}
  const wrong: Array<string> = []
  let constrained = false
  for (const [version, name] of names.entries()) {
    const commit = readCommit(await Fs.readFile(Path.join(folder, name), "utf8"))
    const { info } = commit
    constrained = commit.constrained ?? constrained
    if (info["engineInfo"] === "effect-zerobus") {
      // Merges, and files that replace those that VACUUM deleted, contain rows that existed before.
      if (!commit.adds.some(({ dataChange }) => dataChange)) continue
      if (constrained) wrong.push(`version ${version} has rows in spite of the constraint`)
      const ids = idsOf(commit, client)
      if (ids === undefined) wrong.push(`version ${version} has other records than were sent`)
      for (const id of ids ?? []) {
        if (committed.has(id)) wrong.push(`version ${version} has the record ${id} once more`)
        committed.add(id)
        rows.set(id, { row: client.sent.get(id)!, since: version })
      }
      continue
    }
    const operation = String(info["operation"])
    foreign[operation] = (foreign[operation] ?? 0) + 1
    const change = changes.get(String(info["tag"] ?? info["userMetadata"]))
    if (change !== undefined)
      apply(rows, change, Number(info["seenVersion"] ?? info["readVersion"]), version)
    else if (commit.adds.length > 0)
      wrong.push(`version ${version} (${operation}) is by an unknown writer`)
  }
  return { rows: [...rows.values()].map(({ row }) => row), committed, foreign, wrong }
}
