/**
 * Interleavings of the server and another writer on the same tables. A real client ingests, and the
 * other writer changes the table between the server's flushes or at the same time, as the seed
 * decides. At the end, after a restart of the server, each acknowledged record and each row of the
 * other writer must be in the table exactly once.
 */
import { Deferred, Effect, Exit, Fiber, References, Result } from "effect"
import { Zerobus } from "effect-zerobus"
import { ZerobusLocal, type ZerobusLocalShape } from "effect-zerobus/testing"
import * as Path from "node:path"
import { compareCells, plainRow } from "../support/foreignCells.ts"
import { pick, seeded } from "../support/randomTables.ts"
import { table, temporaryFolder } from "../support/storedTables.ts"
import { type Change, type ChangeKinds, randomChanges } from "./changes.ts"
import { expectedTable } from "./expectedTable.ts"
import { columns, type Extra, makeProducer, type Producer } from "./producer.ts"
import { type VersionFiles, watchVersions } from "./versionFiles.ts"

/** Another writer of Delta tables. */
export interface OtherWriter {
  /**
   * Whether it first writes a version under another name, so that a test can aim the server's
   * commit at the same version.
   */
  readonly renames: boolean
  readonly kinds: ChangeKinds
  /**
   * Makes a change. Its commit names the tag and the version that was read. Rejects with the
   * writer's error.
   */
  readonly change: (location: string, change: Change, tag: string) => Promise<void>
  /** The rows that it reads, in the form of `plainValues.py`. */
  readonly read: (location: string) => Promise<ReadonlyArray<Readonly<Record<string, unknown>>>>
}

/** Whether the other writer works between the flushes of the server or at the same time. */
export type Turns = "in turn" | "at the same time"

/** The result of a run of interleavings. `wrong` names the seed and the problem. */
export interface Found {
  acknowledged: number
  /** Commits of the other writer. */
  foreign: number
  /**
   * How many changes the other writer gave up because of concurrent commits of the server, by
   * operation and reason.
   */
  readonly conflicts: Record<string, number>
  /** Streams that the server ended or refused, each with a reason that names the table. */
  refusals: number
  /**
   * Versions whose file the other writer replaced. The server commits its rows of such versions
   * again.
   */
  replaced: number
  readonly wrong: Array<string>
}

/** One table under test. */
interface Work {
  readonly seed: number
  readonly name: string
  readonly location: string
  readonly producer: Producer
  readonly changes: Map<string, Change>
  readonly extras: Array<Extra>
  readonly wrong: Array<string>
  /** The changes that the other writer gave up, as operation and reason. */
  readonly conflicts: Array<string>
  readonly versions: VersionFiles
}

const serverOf = (dataDir: string, turns: Turns, { renames }: OtherWriter) =>
  ZerobusLocal.layerServer({
    dataDir,
    ackInterval: "5 millis",
    // In turn, and with aimed commits, the steps decide when to flush.
    flushInterval: turns === "in turn" || renames ? "1 hour" : "200 millis"
  })

/** A client of the server. It does not recover, so no record is sent twice. */
const clientOf = (local: ZerobusLocalShape) =>
  Zerobus.layer({
    serverEndpoint: local.serverEndpoint,
    workspaceUrl: local.workspaceUrl,
    clientId: local.clientId,
    clientSecret: local.clientSecret,
    proxy: false,
    stream: { recovery: false }
  })

/** Whether a message is the server's refusal of a table with the constraint of the suite. */
const named = (work: Work, message: string): boolean =>
  message.includes(work.name) && /CHECK constraint/.test(message)

const flushed = (local: ZerobusLocalShape, { name }: Work) => Effect.exit(local.flush(name))

/**
 * The other writer's error when the server has committed concurrently, or when its own VACUUM has
 * deleted a file that the server was about to commit, until the server has checked.
 */
const givenUp = /conflict|concurrent|CommitFailed|not found|No such file|FILE_NOT_EXIST/i

/** A short reason: the error's class if it has one. */
const reasonOf = (failure: string): string =>
  /\[([A-Z][A-Z_.]+)\]/.exec(failure)?.[1] ?? /^\w+/.exec(failure)?.[0] ?? failure.slice(0, 80)

/** Makes a change by the other writer. A conflict with a commit of the server is not an error. */
const change = Effect.fnUntraced(function* (
  writer: OtherWriter,
  work: Work,
  made: Change,
  turns: Turns
) {
  const tag = String(work.changes.size + 1)
  work.changes.set(tag, made)
  const failure = yield* Effect.promise(() =>
    writer.change(work.location, made, tag).then(
      () => undefined,
      (error: Error) => error.message
    )
  )
  if (failure === undefined) return true
  if (turns === "at the same time" && givenUp.test(failure))
    work.conflicts.push(`${made.operation}: ${reasonOf(failure)}`)
  else work.wrong.push(`${made.operation} failed: ${failure}`)
  return false
})

/** While the constraint exists, the server must refuse the table by name and lose nothing. */
const refusedMeanwhile = Effect.fnUntraced(function* (
  local: ZerobusLocalShape,
  writer: OtherWriter,
  work: Work,
  turns: Turns
) {
  const { producer, wrong } = work
  if (turns === "in turn") {
    yield* producer.send(5)
    const flush = yield* flushed(local, work)
    // If no row is waiting, there is nothing to refuse. Rows that were committed anyway are found
    // in the log.
    if (Exit.isFailure(flush) && !named(work, String(flush.cause)))
      wrong.push(`the flush was refused without the reason: ${String(flush.cause)}`)
    const before = producer.refusals.length
    yield* producer.send(5)
    if (producer.refusals.length !== before + 1)
      wrong.push("a stream was opened in spite of the constraint")
  }
  while (!(yield* change(writer, work, { operation: "dropConstraint" }, turns)))
    if (wrong.length > 0) return
  const again = yield* flushed(local, work)
  if (Exit.isFailure(again)) wrong.push(`the table stays refused: ${String(again.cause)}`)
})

/** Ids of some rows that the table may contain. */
const someIds = (random: () => number, { producer, changes }: Work): ReadonlyArray<number> => {
  const ids = [...producer.acknowledged]
  for (const made of changes.values())
    if ("rows" in made) ids.push(...made.rows.map(({ id }) => id))
  return Array.from({ length: Math.min(20, ids.length) }, () => pick(random, ids)).filter(
    (id, n, all) => all.indexOf(id) === n
  )
}

const foreignChange = Effect.fnUntraced(function* (
  local: ZerobusLocalShape,
  writer: OtherWriter,
  work: Work,
  turns: Turns,
  made: Change
) {
  if (!(yield* change(writer, work, made, turns))) return
  if (made.operation === "addConstraint") yield* refusedMeanwhile(local, writer, work, turns)
  if (made.operation === "addColumn") {
    work.extras.push(made)
    yield* work.producer.follow(made)
  }
})

/** Runs batches, flushes and changes one after another. */
const inTurn = Effect.fnUntraced(function* (
  local: ZerobusLocalShape,
  writer: OtherWriter,
  work: Work,
  steps: number
) {
  const random = seeded(work.seed)
  const changes = randomChanges(random, writer.kinds)
  yield* work.producer.send(20)
  for (let step = 0; step < steps; step++) {
    yield* foreignChange(local, writer, work, "in turn", changes.next(someIds(random, work)))
    for (let more = Math.floor(random() * 3); more > 0; more--) {
      yield* work.producer.send(1 + Math.floor(random() * 40))
      if (random() < 0.6) yield* Effect.orDie(local.flush(work.name))
    }
  }
})

/** The client sends without a pause during `work`, and the server commits now and then. */
const busy = <A>(local: ZerobusLocalShape, { name, producer }: Work, work: Effect.Effect<A>) =>
  Effect.gen(function* () {
    let sending = true
    let batches = 0
    const batch = Effect.suspend(() => producer.send(1 + (batches % 7)))
    const client = yield* Effect.forkChild(
      Effect.whileLoop({
        while: () => sending,
        body: () =>
          ++batches % 20 === 0 ? Effect.andThen(batch, Effect.exit(local.flush(name))) : batch,
        step: () => {}
      })
    )
    yield* work
    sending = false
    yield* Fiber.join(client)
  })

/**
 * The server has nothing to commit until the other writer's commit is in progress, and then
 * commits.
 */
const aimed = <A>(
  local: ZerobusLocalShape,
  { name, producer, versions }: Work,
  work: Effect.Effect<A>
) =>
  Effect.gen(function* () {
    yield* Effect.exit(local.flush(name))
    const underWay = yield* Deferred.make<boolean>()
    const told = (made: boolean) => void Deferred.doneUnsafe(underWay, Effect.succeed(made))
    versions.onAttempt(() => told(true))
    // Acknowledged already, so only the commit remains.
    yield* producer.send(3)
    const client = yield* Effect.forkChild(
      Effect.flatMap(Deferred.await(underWay), (made) =>
        made ? Effect.exit(local.flush(name)) : Effect.void
      )
    )
    yield* work
    told(false)
    yield* Fiber.join(client)
  })

/** The client and the server continue while the other writer makes its changes. */
const atTheSameTime = Effect.fnUntraced(function* (
  local: ZerobusLocalShape,
  writer: OtherWriter,
  work: Work,
  steps: number
) {
  const random = seeded(work.seed)
  const changes = randomChanges(random, writer.kinds)
  for (let step = 0; step < steps; step++) {
    const made = foreignChange(
      local,
      writer,
      work,
      "at the same time",
      changes.next(someIds(random, work))
    )
    yield* writer.renames && random() < 0.5 ? aimed(local, work, made) : busy(local, work, made)
    for (let more = Math.floor(random() * 12); more > 0; more--) yield* work.producer.send(1)
  }
})

/** Compares the expected rows with those read by the server and by the other writer. */
const judge = Effect.fnUntraced(function* (
  local: ZerobusLocalShape,
  writer: OtherWriter,
  work: Work,
  found: Found
) {
  const { changes, conflicts, extras, location, name, producer, seed } = work
  const expected = yield* Effect.promise(() => expectedTable(location, producer, changes))
  const wrong = [...work.wrong, ...expected.wrong]
  for (const id of producer.acknowledged) {
    if (!expected.committed.has(id)) wrong.push(`the acknowledged record ${id} is in no commit`)
  }
  wrong.push(...producer.refusals.filter((message) => !named(work, message)))
  const types = extras.map(
    ({ column, type }) => `${column} ${type === "integer" ? "INT" : "STRING"}`
  )
  const definition = table(`a.b.c(${[columns, ...types].join(", ")})`)
  const ours = Effect.map(local.records(name), (rows) =>
    rows.map((row) => plainRow(definition.columns, row))
  )
  const theirs = Effect.tryPromise({
    try: () => writer.read(location),
    catch: (error) => error as Error
  })
  for (const [reader, read] of [
    ["the server", ours],
    ["the other writer", theirs]
  ] as const) {
    const rows = yield* Effect.result(read)
    if (Result.isFailure(rows)) {
      wrong.push(`${reader} cannot read the table: ${rows.failure.message}`)
      continue
    }
    const differences = compareCells(definition.columns, expected.rows, rows.success).wrong
    wrong.push(...differences.slice(0, 5).map((text) => `${reader} reads ${text}`))
  }
  found.acknowledged += producer.acknowledged.size
  found.foreign += Object.values(expected.foreign).reduce((sum, count) => sum + count, 0)
  for (const conflict of conflicts) found.conflicts[conflict] = (found.conflicts[conflict] ?? 0) + 1
  found.refusals += producer.refusals.length
  found.replaced += work.versions.replaced()
  found.wrong.push(...wrong.map((text) => `seed ${seed}: ${text}`))
})

/** Runs an interleaving per seed, each on a separate table. */
export const runInterleavings = Effect.fnUntraced(function* (
  writer: OtherWriter,
  turns: Turns,
  seeds: ReadonlyArray<number>,
  steps: number
) {
  const folder = yield* temporaryFolder
  const works: Array<Work> = []
  const run = turns === "in turn" ? inTurn : atTheSameTime
  yield* Effect.gen(function* () {
    const local = yield* ZerobusLocal
    yield* Effect.forEach(seeds, (seed) =>
      Effect.gen(function* () {
        const name = `main.default.t${seed}`
        const partitioned = seed % 2 === 0 ? " PARTITIONED BY (part)" : ""
        yield* local.createTable(`${name}(${columns})${partitioned}`)
        const location = Path.join(folder, ...name.split("."))
        const producer = yield* makeProducer(name)
        const versions = yield* watchVersions(location)
        const account = { changes: new Map(), extras: [], wrong: [], conflicts: [] }
        const work: Work = { seed, name, location, producer, versions, ...account }
        works.push(work)
        yield* run(local, writer, work, steps)
        yield* producer.close
      }).pipe(Effect.provide(clientOf(local)), Effect.scoped)
    )
  }).pipe(
    Effect.provide(serverOf(folder, turns, writer)),
    Effect.provideService(References.MinimumLogLevel, "None")
  )
  // A restarted server finds the rows that the previous one did not commit, or whose commit was
  // lost.
  const found: Found = {
    acknowledged: 0,
    foreign: 0,
    conflicts: {},
    refusals: 0,
    replaced: 0,
    wrong: []
  }
  yield* Effect.gen(function* () {
    const local = yield* ZerobusLocal
    for (const work of works) yield* judge(local, writer, work, found)
  }).pipe(Effect.provide(serverOf(folder, turns, writer)))
  return found
})
