/**
 * One run with crashes: consecutive processes of the client use one spool on the run's disk,
 * network and server, and the rules check the history of all of them.
 */
import { Effect, Exit, Layer, type Scope, Scope as Scopes } from "effect"
import { HeadersProvider, InvalidToken, Transport, Zerobus } from "effect-zerobus"
import { openSpool } from "../../../src/internal/spool/openSpool.ts"
import type { LogOwner, Spool, SpooledLog } from "../../../src/internal/spooledLog.ts"
import type { World } from "../calls.ts"
import { History } from "../history.ts"
import { Hostility } from "../hostile.ts"
import { Network } from "../network.ts"
import { Records } from "../records.ts"
import { makeRandom } from "../seededRandom.ts"
import { Server } from "../server.ts"
import { type RunResult, statisticsOf } from "../simulation.ts"
import { Store } from "../store.ts"
import { Tokens } from "../tokens.ts"
import { VirtualTime } from "../virtualTime.ts"
import { ClientProcess } from "./clientProcess.ts"
import { type CrashPlan, type DiskTrouble, makeCrashPlan, type ProcessPlan } from "./crashPlan.ts"
import { crashProgram } from "./crashProgram.ts"
import { checkCrashes } from "./crashRules.ts"
import { SimulatedDisk, spoolFolder } from "./simulatedDisk.ts"
import { SpoolWatch } from "./spoolWatch.ts"

/** The result of a run with crashes. */
export interface CrashResult extends Omit<RunResult, "plan"> {
  readonly plan: CrashPlan
}

/** Runs one seed with crashes. `plan` is that of the seed unless a test passes another. */
export const runCrashSeed = async (
  seed: string,
  plan: CrashPlan = makeCrashPlan(seed)
): Promise<CrashResult> => {
  const { base } = plan
  const random = makeRandom(`${seed}/crashRun`)
  const time = new VirtualTime(random.fork("schedule"), base.schedule)
  const history = new History(time)
  const records = new Records()
  const network = new Network({
    time,
    history,
    plan: base,
    records,
    random: random.fork("network")
  })
  const { fsync, poison } = base
  const store = new Store({ time, history, records, random: random.fork("store"), fsync, poison })
  const tokens = new Tokens(time, history, base)
  const server = new Server({
    time,
    history,
    network,
    store,
    plan: base,
    random: random.fork("server"),
    expired: tokens.expired
  })
  const { latency, syncLatency } = plan
  const disk = new SimulatedDisk({
    time,
    random: random.fork("disk"),
    history,
    latency,
    syncLatency
  })
  const watch = new SpoolWatch(disk, history, records)
  const scope = Scopes.makeUnsafe()
  const transport = Layer.succeed(Transport, transportOf(network, server, scope))
  const violations: Array<string> = []
  let streams = 0
  let readers = 0
  let over = false

  const start = (index: number): void => {
    const own = plan.processes[index]!
    const last = index === plan.processes.length - 1
    const next = () => {
      if (last) over = true
      else time.after(own.downFor, () => start(index + 1))
    }
    const note = (how: "start" | "kill" | "power" | "end", more = {}) =>
      history.add({
        e: "process",
        process: index,
        how,
        sync: own.sync,
        maxBytes: own.maxBytes,
        ...watch.standing(),
        ...more
      })
    const crash = () => {
      streams = world.streams
      readers = world.readers
      const how = own.crash?.how ?? "kill"
      disk.crash(process, how === "power")
      network.loseClient()
      note(how)
      next()
    }
    const process = new ClientProcess(index, time, own.crash?.moment, crash)
    const world: World = {
      time: process,
      history,
      records,
      random: random.fork(`users${index}`),
      plan: base,
      hostility: new Hostility(random, undefined),
      tokens,
      strike: (fault) => server.strike(fault),
      streams,
      readers
    }
    note("start")
    watch.isSynchronised = own.sync === "group"
    if (own.onceOpen) process.isArmed = false
    else process.arm()
    // A process that never ends, or whose moment to crash does not come.
    if (!last) time.after(base.horizon + longestStay, () => process.end())
    const restored = (text: string | undefined) => history.add({ e: "restored", text })
    const spool = spoolOf(process, own, disk, time, restored)
    const users = crashProgram({ world, plan, own, spool, opened: () => process.arm(), last })
    const client = Zerobus.layerNoDeps.pipe(Layer.provide([noHeaders, transport]))
    const main = Effect.runForkWith(process.context())(Effect.provide(users, client))
    main.addObserver((exit) => {
      if (!process.isRunning) return
      if (Exit.isFailure(exit))
        violations.push(`the program of process ${index} died: ${String(exit.cause)}`)
      // Work that ends with the stream runs before the process is over.
      time.after(1_000, () => {
        if (!process.isRunning) return
        process.leave()
        streams = world.streams
        readers = world.readers
        note("end", { ...process.counts, drained: Exit.isSuccess(exit) && exit.value })
        next()
      })
    })
  }

  /** Another process tries to open the spool while it is in use. */
  const rival = (): void => {
    if (disk.owner === undefined) return
    const other = new ClientProcess(-1, time, undefined, () => {})
    const opened = (log: SpooledLog) => {
      // It may have found the lock released in between.
      if (disk.owner !== other)
        history.add({ e: "broken", what: "a second process has opened the spool" })
      void log.close().then(() => other.leave())
    }
    const identity = {
      table: "main.default.simulated",
      recordType: "json" as const,
      descriptor: undefined,
      keyed: false
    }
    const now = () => ({ monotonic: time.now, wall: time.now })
    spoolOf(other, plan.processes[0]!, disk, time)
      .open({ ...identity, now })
      .then(opened, () => {})
  }

  for (const at of plan.rivals) time.after(at, rival)
  for (const trouble of plan.troubles) time.after(trouble.at, () => strike(disk, time, trouble))
  time.after(base.horizon, () => void (disk.faults = []))
  server.start()
  start(0)
  const terminated = await time.runAsync(() => over)
  if (!terminated)
    violations.push("LIVE: the run did not come to an end (more than 1,000,000 turns)")
  else if (!over) violations.push("LIVE: the program is stuck: nothing can wake it")
  else violations.push(...judged(history, plan, (record) => records.keyOf(record)))
  return {
    seed,
    plan,
    history,
    hash: history.hash,
    violations,
    statistics: statisticsOf(history.events, network.links.length, tokens, time.now)
  }
}

/** The latest time after the horizon at which a process is killed, in milliseconds. */
const longestStay = 120_000

const noHeaders = Layer.succeed(HeadersProvider, {
  getHeaders: () =>
    Effect.fail(new InvalidToken({ message: "Every simulated stream has a provider of its own." }))
})

/** The transport belongs to the machine: connections are numbered over all processes. */
const transportOf = (network: Network, server: Server, scope: Scope.Scope): Transport["Service"] =>
  Effect.runSync(
    Effect.provide(
      Transport,
      Effect.runSync(
        Layer.buildWithScope(
          network.layer((link, headers) => server.accept(link, headers)),
          scope
        )
      )
    )
  )

/**
 * The checker's violations. A history that it cannot read counts as one, so that the run is
 * reported.
 */
const judged = (
  history: History,
  plan: CrashPlan,
  numberOf: (record: number) => number
): ReadonlyArray<string> => {
  try {
    return checkCrashes(history.events, plan, numberOf)
  } catch (error) {
    return [`the checker failed: ${error instanceof Error ? error.stack : String(error)}`]
  }
}

const strike = (disk: SimulatedDisk, time: VirtualTime, trouble: DiskTrouble): void => {
  switch (trouble.kind) {
    case "fail":
      return void disk.faults.push({ call: trouble.call, code: trouble.code, times: trouble.times })
    case "slow":
      disk.slow.until = time.now + trouble.millis
      disk.slow.millis = trouble.extra
      return
    case "full":
      disk.fullUntil = time.now + trouble.millis
  }
}

/** The spool as a process uses it, on the simulated disk. */
const spoolOf = (
  process: ClientProcess,
  { maxBytes, sync }: ProcessPlan,
  simulated: SimulatedDisk,
  time: VirtualTime,
  restored: (text: string | undefined) => void = () => {}
): Spool => {
  const disk = simulated.of(process)
  /** Promises of these calls may resolve without a disk call. */
  const promising =
    <Args extends ReadonlyArray<unknown>, A>(call: (...args: Args) => A) =>
    (...args: Args): A => {
      time.hasPromises = true
      return call(...args)
    }
  const open = async ({ now, ...identity }: LogOwner): Promise<SpooledLog> => {
    const log = await openSpool({
      folder: spoolFolder,
      identity,
      maxBytes,
      sync,
      disk,
      now,
      soon: (task) =>
        void process.soon(() => {
          time.hasPromises = true
          task()
        })
    })
    log.acknowledge = promising(log.acknowledge.bind(log))
    log.close = promising(log.close.bind(log))
    log.reader.load = promising(log.reader.load.bind(log.reader))
    restored(log.lastPosition && String(Buffer.from(log.lastPosition.bytes).readUInt16LE()))
    return log
  }
  return {
    path: spoolFolder,
    open: promising(open),
    // These runs do not read a spool without opening it.
    left: promising(() => Promise.resolve(undefined))
  }
}
