/**
 * A table with a history of many days, created in seconds: a virtual clock for the times in the
 * log, and file times set to match.
 *
 * The server is stopped every night, so that file times change only while no log is open: they
 * distinguish a version's file from another one.
 */
import { Effect } from "effect"
import * as Clock from "effect/Clock"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { makeDurableTableStore } from "../../src/local/store/durableTableStore.ts"
import { otherWriter } from "./otherWriter.ts"
import { append, byHand, json, table } from "./storedTables.ts"

/** A day in milliseconds. */
export const day = 24 * 3600 * 1000

/** The columns of the table. */
export const agedDefinition = table("main.default.aged(id BIGINT NOT NULL, word STRING)")

/** A version of the table: its commit time, and its rows, whose ids are those below `rows`. */
export interface AgedVersion {
  readonly version: number
  readonly time: number
  readonly rows: number
}

/** The table after its last day. */
export interface AgedTable {
  readonly location: string
  readonly now: number
  /** All versions, oldest first. */
  readonly versions: ReadonlyArray<AgedVersion>
  /**
   * For each data file, the last time it existed while the server ran, and whether it was removed
   * later.
   */
  readonly lastSeen: ReadonlyMap<string, number>
}

const clockAt = (now: () => number): Clock.Clock => ({
  currentTimeMillisUnsafe: now,
  currentTimeMillis: Effect.sync(now),
  currentTimeNanosUnsafe: () => BigInt(now()) * 1_000_000n,
  currentTimeNanos: Effect.sync(() => BigInt(now()) * 1_000_000n),
  monotonicTimeNanosUnsafe: () => BigInt(now()) * 1_000_000n,
  monotonicTimeNanos: Effect.sync(() => BigInt(now()) * 1_000_000n),
  sleep: () => Effect.never
})

/**
 * Creates a table with a number of commits of three rows a day, evenly spaced, up to the present.
 * Another writer sets `configuration` on the first day. `atNight` runs after each day while the
 * folder's server is stopped.
 */
export const agedTable = Effect.fnUntraced(function* (options: {
  readonly folder: string
  readonly days: number
  readonly commitsPerDay: number
  readonly configuration?: Readonly<Record<string, string>>
  readonly atNight?: (day: number, location: string) => Promise<void>
}) {
  const { atNight, commitsPerDay, configuration, days, folder } = options
  let now = Date.now() - days * day
  const versions: Array<AgedVersion> = []
  const times = new Map<string, number>()
  const lastSeen = new Map<string, number>()
  let location = ""
  let rows = 0
  /** Records new files and existing files. */
  const look = async (): Promise<void> => {
    for (const entry of await Fs.readdir(location, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const path = Path.join(entry.parentPath, entry.name)
      // The checkpoint pointer is replaced repeatedly.
      if (!times.has(path) || entry.name === "_last_checkpoint") times.set(path, now)
      if (entry.name.startsWith("zerobus-")) lastSeen.set(entry.name, now)
    }
    for (let version = versions.length; times.has(versionPath(location, version)); version++) {
      versions.push({ version, time: now, rows })
    }
  }
  const setTimes = async (): Promise<void> => {
    for (const [path, time] of times)
      await Fs.utimes(path, time / 1000, time / 1000).catch(() => {})
  }
  for (let n = 0; n < days; n++) {
    yield* Effect.gen(function* () {
      const store = yield* makeDurableTableStore({
        ...byHand,
        folder,
        worker: false,
        limits: { compactFiles: 4, lookAfterMillis: 0 }
      })
      if (n === 0) {
        location = (yield* store.create(agedDefinition)).location
        yield* Effect.promise(look)
        if (configuration !== undefined) {
          const other = otherWriter(location)
          yield* other.commit({ metaData: { ...(yield* other.metadata), configuration } })
          yield* Effect.promise(look)
        }
      }
      const writer = yield* store.openWriter(agedDefinition.name, { _tag: "Json" })
      for (let commit = 0; commit < commitsPerDay; commit++) {
        now += day / commitsPerDay
        yield* append(
          writer,
          Array.from({ length: 3 }, () => json({ id: rows++, word: "w" }))
        )
        yield* store.flush()
        yield* Effect.promise(look)
      }
    }).pipe(
      Effect.scoped,
      Effect.provideService(
        Clock.Clock,
        clockAt(() => now)
      )
    )
    yield* Effect.promise(async () => {
      await look()
      await setTimes()
      await atNight?.(n, location)
    })
  }
  return { location, now, versions, lastSeen } satisfies AgedTable
})

const versionPath = (location: string, version: number): string =>
  Path.join(location, "_delta_log", `${String(version).padStart(20, "0")}.json`)

/** Copies a table's folder including its file times. */
export const copyAged = async (location: string, to: string): Promise<void> => {
  await Fs.cp(location, to, { recursive: true, preserveTimestamps: true })
}
