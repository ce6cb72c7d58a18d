/**
 * `npm run bench:trickle -- --commits 2000`: the cost of a table that gets ten rows per second all
 * day.
 *
 * Writes directly to the store, without gRPC: each commit appends ten rows as protobuf and flushes
 * them. The store's clock is virtual: it moves by a second per commit and ends at the present, so
 * that tombstones age as they would in a day. The times of files are real: by them nothing is old,
 * so commits and checkpoints are not deleted. Exits with 1 if a figure misses its goal.
 */
import { Effect } from "effect"
import * as Clock from "effect/Clock"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { encodedRow, Rows } from "../../scripts/sustained/row.ts"
import type { Add } from "../../src/local/delta/deltaActions.ts"
import { makeDurableTableStore } from "../../src/local/store/durableTableStore.ts"
import { seeded } from "../support/randomTables.ts"
import { append } from "../support/storedTables.ts"
import { digits, spreadOf, spreadText, table } from "./figures.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    commits: { type: "string", default: "2000" },
    seed: { type: "string", default: "1" },
    restarts: { type: "string", default: "5" }
  }
})
const commits = Number(values.commits)
const ROWS = 10
/** Commits before the first measured restart. */
const EARLY = 100
/** Commits into another table, so that compiling is not measured. */
const WARM_UP = 1000
const GOALS = { bytes: 4, processor: 1.2, files: 200, restart: 2 }

let now = 0
/** A clock that the benchmark moves by hand; sleeps on it never end. */
const clock: Clock.Clock = {
  currentTimeMillisUnsafe: () => now,
  currentTimeMillis: Effect.sync(() => now),
  currentTimeNanosUnsafe: () => BigInt(now) * 1_000_000n,
  currentTimeNanos: Effect.sync(() => BigInt(now) * 1_000_000n),
  monotonicTimeNanosUnsafe: () => BigInt(now) * 1_000_000n,
  monotonicTimeNanos: Effect.sync(() => BigInt(now) * 1_000_000n),
  sleep: () => Effect.never
}
type Store = Effect.Success<ReturnType<typeof makeDurableTableStore>>

const withStore = <A>(
  folder: string,
  use: (store: Store) => Effect.Effect<A, unknown>
): Promise<A> =>
  Effect.runPromise(
    makeDurableTableStore({ folder }).pipe(
      Effect.flatMap(use),
      Effect.scoped,
      Effect.provideService(Clock.Clock, clock)
    )
  )

const random = seeded(Number(values.seed))
/** Commits ten rows to a table `times` times, a virtual second apart. */
const commit = Effect.fnUntraced(function* (store: Store, name: string, times: number) {
  const writer = yield* store.openWriter(name, { _tag: "Proto", descriptor: Rows.descriptor! })
  for (let n = 0; n < times; n++) {
    now += 1000
    yield* append(
      writer,
      Array.from({ length: ROWS }, () => encodedRow(Math.floor(random() * 1e9)))
    )
    yield* store.flush()
  }
})

/** Creates the table with its first commits. */
const begin = (folder: string): Promise<void> =>
  withStore(folder, (store) =>
    Effect.gen(function* () {
      yield* store.create(Rows.definition)
      yield* commit(store, Rows.tableName, EARLY)
    })
  )

/**
 * Commits `count` more times. Returns the processor time of each tenth, in milliseconds per commit.
 */
const goOn = (folder: string, count: number): Promise<ReadonlyArray<number>> =>
  withStore(folder, (store) =>
    Effect.gen(function* () {
      // The same process and worker, so that starting and compiling are not measured.
      const warmUp = { ...Rows.definition, name: "main.default.warm_up" }
      yield* store.create(warmUp)
      yield* commit(store, warmUp.name, WARM_UP)
      yield* store.drop(warmUp.name)
      const tenths: Array<number> = []
      for (let tenth = 0; tenth < 10; tenth++) {
        const times = Math.floor((count * (tenth + 1)) / 10) - Math.floor((count * tenth) / 10)
        const before = process.cpuUsage()
        yield* commit(store, Rows.tableName, times)
        const { system, user } = process.cpuUsage(before)
        tenths.push((system + user) / 1000 / times)
      }
      return tenths
    })
  )

/**
 * The duration of a start in milliseconds: from the start of the process, and for the opening of
 * the store alone.
 */
interface Start {
  readonly whole: number
  readonly opening: number
}

/** Starts a process that opens the store, several times. */
const restarts = (folder: string): ReadonlyArray<Start> => {
  const args = ["--conditions=effect-zerobus-source", process.argv[1]!, "open", folder, String(now)]
  const once = () => JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as Start
  return Array.from({ length: Number(values.restarts) }, once)
}

/**
 * All bytes below a folder, by kind of file, and all bytes of Parquet that its commits ever added.
 */
const bytesIn = (folder: string) => {
  const sizes = { data: 0, commits: 0, checkpoints: 0, other: 0 }
  let added = 0
  let flushed = 0
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const commit = /^\d{20}\.json$/.test(entry.name)
    const kind = commit
      ? "commits"
      : entry.name.includes(".checkpoint.")
        ? "checkpoints"
        : entry.name.endsWith(".parquet")
          ? "data"
          : "other"
    sizes[kind] += statSync(path).size
    if (!commit) continue
    for (const line of readFileSync(path, "utf8").trim().split("\n")) {
      const { add } = JSON.parse(line) as { readonly add?: Add }
      if (add === undefined) continue
      added += add.size
      if (add.dataChange) flushed += add.size
    }
  }
  return { sizes, added, flushed }
}

const measure = async (): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "zerobus-trickle-"))
  try {
    now = Date.now() - (commits + WARM_UP) * 1000
    await begin(folder)
    const early = restarts(folder)
    const tenths = await goOn(folder, commits - EARLY)
    const late = restarts(folder)
    const { files, rows, version } = await withStore(folder, (store) => store.stats(Rows.tableName))
    if (rows !== commits * ROWS)
      throw new Error(`The table has ${rows} rows where ${commits * ROWS} were committed.`)
    const { added, flushed, sizes } = bytesIn(folder)
    const all = sizes.data + sizes.commits + sizes.checkpoints + sizes.other
    const first = tenths[0]!
    const last = tenths[tenths.length - 1]!
    const spread = (starts: ReadonlyArray<Start>, part: keyof Start) =>
      spreadOf(starts.map((start) => start[part]))
    const restart = spread(late, "whole").median / spread(early, "whole").median
    const mega = (bytes: number) => `${digits(bytes / 1e6)} MB`
    console.log(
      `${commits} commits of ${ROWS} rows, seed ${values.seed}, version ${version}, load ` +
        `${loadavg()[0]!.toFixed(1)}`
    )
    console.log(`Processor time per commit by tenths, ms: ${tenths.map(digits).join(", ")}`)
    console.log(
      `Data files ${mega(sizes.data)}, commits ${mega(sizes.commits)}, checkpoints ` +
        `${mega(sizes.checkpoints)}, ` +
        `others ${mega(sizes.other)}; Parquet bytes ever written, merges included: ${mega(added)}`
    )
    console.log(
      `Opening the store alone, ms: ${spreadText(spread(early, "opening"))} at ${EARLY} commits, ` +
        `${spreadText(spread(late, "opening"))} at the end`
    )
    const figures: ReadonlyArray<readonly [string, number, number, string]> = [
      [
        "bytes of all files / Parquet bytes of flushes",
        all / flushed,
        GOALS.bytes,
        `${mega(all)} / ${mega(flushed)}`
      ],
      [
        "processor time per commit, last / first tenth",
        last / first,
        GOALS.processor,
        `${digits(last)} / ${digits(first)} ms`
      ],
      ["live data files", files, GOALS.files, String(files)],
      [
        `process start to open store, end / ${EARLY} commits`,
        restart,
        GOALS.restart,
        `${spreadText(spread(late, "whole"))} / ${spreadText(spread(early, "whole"))} ms`
      ]
    ]
    const lines = figures.map(([name, value, goal, how]) => [
      name,
      digits(value),
      `<= ${goal}`,
      how
    ])
    console.log(table(["figure", "value", "goal", "of"], lines))
    if (figures.some(([, value, goal]) => value > goal)) process.exitCode = 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (positionals[0] === "open") {
  now = Number(positionals[2])
  const started = performance.now()
  await withStore(positionals[1]!, () =>
    Effect.sync(() => {
      const whole = performance.now()
      console.log(JSON.stringify({ whole, opening: whole - started } satisfies Start))
    })
  )
} else await measure()
