/**
 * `npm run sim -- --seeds N --seed S [--from F] [--workers W] [--trace]`: runs N simulations,
 * spread over processes, and prints the seeds that broke a rule. The exit code is 1 if any did.
 * Every fourth seed also runs with crashes of the client, with a spool for its streams, and with
 * several lanes; every sixteenth seed also runs with Arrow batches. `--no-crashes`, `--no-lanes`
 * and `--no-arrow` leave these runs out. Other options replace the simulations:
 *
 * - `--crashes`, `--lanes` and `--arrow` run N simulations of that kind alone,
 * - `--model` compares N random sequences of calls with the model of the stream,
 * - `--replies R` compares the engine with the reference on sequences of R random replies in total,
 * - `--soak-days D` runs one simulation of D days.
 *
 * `--trace` prints the history of the first seed. `--generation 1` makes plans of the first
 * generation; `2` those before user code that throws, `3` those before stores that refuse records,
 * and `4` those before lanes in runs with crashes.
 */
import * as Os from "node:os"
import { parseArgs } from "node:util"
import type { Kind } from "./chunks.ts"
import { makeCrashPlan } from "./crashes/crashPlan.ts"
import { runArrowSeed } from "./arrow/arrowRun.ts"
import { runCrashSeed } from "./crashes/crashRun.ts"
import { traceModel } from "./model.ts"
import { runReplies } from "./replies.ts"
import { runLaneSeed } from "./lanes/laneRun.ts"
import { runSeed } from "./simulation.ts"
import { soak } from "./soak.ts"
import { serveChunks, spread } from "./spread.ts"

const { values } = parseArgs({
  options: {
    "seeds": { type: "string", default: "200" },
    "seed": { type: "string", default: "1" },
    "from": { type: "string", default: "0" },
    "generation": { type: "string", default: "5" },
    "workers": { type: "string", default: String(Os.availableParallelism()) },
    "trace": { type: "boolean", default: false },
    "crashes": { type: "boolean" },
    "lanes": { type: "boolean" },
    "arrow": { type: "boolean" },
    "model": { type: "boolean", default: false },
    "replies": { type: "string" },
    "soak-days": { type: "string" },
    "failures": { type: "string", default: "10" },
    "worker": { type: "boolean", default: false }
  },
  allowNegative: true
})

const say = (line: string) => void process.stdout.write(`${line}\n`)

const whole = (option: keyof typeof values, least: number): number => {
  const value = Number(values[option])
  if (!Number.isSafeInteger(value) || value < least) {
    process.stderr.write(`--${option} must be a whole number from ${least} on\n`)
    process.exit(2)
  }
  return value
}

const generation = ([1, 2, 3, 4] as const).find((known) => String(known) === values.generation) ?? 5
const kind: Kind = values.model
  ? "model"
  : values.replies !== undefined
    ? "replies"
    : values.crashes === true
      ? "crashes"
      : values.lanes === true
        ? "lanes"
        : values.arrow === true
          ? "arrow"
          : "seeds"
/** The kinds that also run in addition to ordinary seeds, and the number of seeds per run. */
const besides = [
  ["crashes", 4],
  ["lanes", 4],
  ["arrow", 16]
] as const
const base = /^[\w-]+$/.test(values.seed) ? values.seed : JSON.stringify(values.seed)

/** The options that repeat the run of one index. */
const repeat = (kind: Kind, index: number): string => {
  const one = `--from ${index} --seeds 1${generation === 5 ? "" : ` --generation ${generation}`}`
  if (kind === "model") return `--model ${one}`
  if (kind === "replies") return `--replies 1 --seed ${base} ${one}`
  if (kind === "crashes") return `--crashes --seed ${base} ${one}`
  if (kind === "lanes") return `--lanes --seed ${base} ${one}`
  if (kind === "arrow") return `--arrow --seed ${base} ${one}`
  return `--no-crashes --no-lanes --no-arrow --seed ${base} ${one}`
}

/** Runs of a single seed, with a plan and a history. */
const runOne = {
  seeds: (seed: string) => runSeed(seed, generation),
  lanes: runLaneSeed,
  arrow: runArrowSeed,
  crashes: (seed: string) => runCrashSeed(seed, makeCrashPlan(seed, generation))
}
const isSeeded = (kind: Kind): kind is keyof typeof runOne => kind in runOne

const trace = async (from: number): Promise<void> => {
  if (isSeeded(kind)) {
    const { hash, history, plan, violations } = await runOne[kind](`${values.seed}/${from}`)
    say(JSON.stringify(plan))
    for (const event of history.events) say(JSON.stringify(event))
    for (const violation of violations) say(violation)
    return say(`trace ${hash}`)
  }
  if (kind === "model") {
    const { commands, differences, events, hash } = traceModel(from)
    say(JSON.stringify(commands))
    for (const event of events) say(JSON.stringify(event))
    for (const difference of differences) say(`model: ${difference}`)
    return say(`trace ${hash}`)
  }
  const { difference, hash, steps } = runReplies(`${values.seed}/${from}`, true)
  for (const step of steps) say(step)
  if (difference !== undefined) say(`replies: ${difference}`)
  say(`trace ${hash}`)
}

/** Pieces of one chunk: a second of work or less. */
const chunkSizes: Record<Kind, number> = {
  seeds: 25,
  lanes: 25,
  crashes: 25,
  arrow: 10,
  model: 50,
  replies: 500
}

/** Runs all pieces of a kind. Returns how many passed and failed. */
const runAll = async (
  kind: Kind,
  seeds: number
): Promise<readonly [passed: number, failed: number]> => {
  const [from, workers, failuresShown] = [
    whole("from", 0),
    whole("workers", 1),
    whole("failures", 1)
  ]
  const replies = kind === "replies" ? whole("replies", 1) : Infinity
  // Sequences of replies differ in length, so their number follows from the replies; a single one
  // can be requested.
  const endless = kind === "replies" && seeds !== 1
  const began = performance.now()
  const { failures, totals } = await spread({
    first: { kind, base: values.seed, generation, from },
    chunkSize: chunkSizes[kind],
    workers,
    failures: failuresShown,
    end: endless ? Infinity : from + seeds,
    enough: (sums) => sums.replies >= replies
  })
  for (const { about, hash, index, repeats, violations } of failures.slice(0, failuresShown)) {
    const name = kind === "model" ? "model" : values.seed
    say(
      `seed ${name}/${index} (${about}) broke ${violations.length} ` +
        `rules${repeats ? "" : ", and does not repeat"}:`
    )
    for (const violation of violations.slice(0, 3)) say(`  ${violation.slice(0, 300)}`)
    say(
      `  repeat: npm run sim -- ${repeat(kind, index)}    (trace ${hash}, add --trace for the ` +
        `history)`
    )
  }
  const seconds = (performance.now() - began) / 1000
  const pace =
    `in ${seconds.toFixed(1)} s (${(totals.seeds / seconds).toFixed(0)} ` +
    `${isSeeded(kind) ? "seeds" : "sequences"}/s)`
  if (isSeeded(kind)) {
    say(
      `${totals.seeds} seeds ${kind === "seeds" ? "" : `with ${kind} `}of "${values.seed}" from ` +
        `${from}: ${failures.length} failed; ${totals.records} records, ${totals.durable} ` +
        `durable, ` +
        `${totals.duplicates} duplicates, ${totals.connections} connections, ${totals.mints} ` +
        `tokens minted, ${totals.expiries} refused as expired, ` +
        `${(totals.virtualMillis / 86_400_000).toFixed(1)} virtual days ${pace}; ` +
        `${totals.repeated} repeated with the same trace`
    )
    if (failures.length === 0 && seeds === 1) {
      say(`trace ${(await runOne[kind](`${values.seed}/${from}`)).hash}`)
    }
  } else {
    const what = kind === "model" ? "of calls" : `with ${totals.replies} replies`
    say(`${totals.seeds} sequences ${what} from ${from}: ${failures.length} failed; ${pace}`)
  }
  return [totals.seeds - failures.length, failures.length]
}

const runKinds = async (): Promise<void> => {
  const seeds = whole("seeds", 1)
  const results = [await runAll(kind, seeds)]
  for (const [other, share] of kind === "seeds" ? besides : []) {
    const count = Math.floor(seeds / share)
    if (count > 0 && values[other] === undefined) results.push(await runAll(other, count))
  }
  const sum = (index: 0 | 1) => results.reduce((total, result) => total + result[index], 0)
  say(`${sum(0)} checks passed, ${sum(1)} failed`)
  process.exitCode = sum(1) === 0 ? 0 : 1
}

const runSoak = (): void => {
  const { checks, lines, violations } = soak(values.seed, whole("soak-days", 1), say)
  for (const line of lines) say(line)
  for (const violation of violations.slice(0, 10)) say(`  ${violation.slice(0, 300)}`)
  if (violations.length > 0)
    say(`  repeat: npm run sim -- --seed ${base} --soak-days ${values["soak-days"]}`)
  say(`${checks - Math.min(checks, violations.length)} checks passed, ${violations.length} failed`)
  process.exitCode = violations.length === 0 ? 0 : 1
}

if (values.worker) serveChunks()
else if (values["soak-days"] !== undefined) runSoak()
else if (values.trace) await trace(whole("from", 0))
else await runKinds()
