/**
 * `npm run sim -- --seeds N --seed S [--from F] [--workers W] [--trace]`: runs N simulations, spread over processes, and says which of
 * them broke a rule. Exit code 1 when any did. `--trace` prints the history of the first seed instead; `--model` compares N random
 * sequences of calls with the model of the stream.
 */
import * as ChildProcess from "node:child_process"
import * as Os from "node:os"
import { parseArgs } from "node:util"
import { type Chunk, emptyTotals, type Failure, runChunk, type Totals } from "./chunks.ts"
import { firstDifference } from "./model.ts"
import { runSeed } from "./simulation.ts"

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    workers: { type: "string", default: String(Os.availableParallelism()) },
    trace: { type: "boolean", default: false },
    model: { type: "boolean", default: false },
    failures: { type: "string", default: "10" },
    worker: { type: "boolean", default: false }
  }
})

const say = (line: string) => void process.stdout.write(`${line}\n`)

const whole = (option: "seeds" | "from" | "workers" | "failures", least: number): number => {
  const value = Number(values[option])
  if (!Number.isSafeInteger(value) || value < least) {
    process.stderr.write(`--${option} must be a whole number from ${least} on\n`)
    process.exit(2)
  }
  return value
}

const worker = (): void => {
  process.on("message", (chunk: Chunk) => process.send!(runChunk(chunk)))
  process.on("disconnect", () => process.exit())
}

const trace = (seed: string): void => {
  const { hash, history, plan, violations } = runSeed(seed)
  say(JSON.stringify(plan))
  for (const event of history.events) say(JSON.stringify(event))
  for (const violation of violations) say(violation)
  say(`trace ${hash}`)
}

const chunkSize = 25

const runAll = async (): Promise<void> => {
  const [from, seeds, workers, failuresShown] = [
    whole("from", 0),
    whole("seeds", 1),
    whole("workers", 1),
    whole("failures", 1)
  ]
  const began = performance.now()
  const totals = emptyTotals()
  const failures: Array<Failure> = []
  let next = from
  const end = from + seeds
  const take = (): Chunk | undefined => {
    if (next >= end || failures.length >= failuresShown) return undefined
    const chunk = { base: values.seed, from: next, count: Math.min(chunkSize, end - next) }
    next += chunk.count
    return chunk
  }
  const collect = (result: { readonly totals: Totals; readonly failures: ReadonlyArray<Failure> }) => {
    for (const key of Object.keys(totals) as Array<keyof Totals>) totals[key] += result.totals[key]
    failures.push(...result.failures)
  }
  const runWorker = () =>
    new Promise<void>((resolve, reject) => {
      const child = ChildProcess.fork(import.meta.filename, ["--worker"], { execArgv: process.execArgv })
      const feed = () => {
        const chunk = take()
        if (chunk !== undefined) child.send(chunk)
        else child.disconnect()
      }
      child.on("message", (result: { readonly totals: Totals; readonly failures: ReadonlyArray<Failure> }) => {
        collect(result)
        feed()
      })
      child.on("error", reject)
      child.on("exit", (code) =>
        code === 0 ? resolve() : reject(new Error(`a simulation process ended with code ${code}`))
      )
      feed()
    })
  if (seeds <= chunkSize) {
    const chunk = take()
    if (chunk !== undefined) collect(runChunk(chunk))
  } else await Promise.all(Array.from({ length: Math.min(workers, Math.ceil(seeds / chunkSize)) }, runWorker))

  failures.sort((a, b) => a.index - b.index)
  for (const { hash, index, profile, repeats, violations } of failures.slice(0, failuresShown)) {
    say(
      `seed ${values.seed}/${index} (${profile}) broke ${violations.length} rules${repeats ? "" : ", and does not repeat"}:`
    )
    for (const violation of violations.slice(0, 3)) say(`  ${violation.slice(0, 300)}`)
    say(
      `  repeat: npm run sim -- --seed ${values.seed} --from ${index} --seeds 1    (trace ${hash}, add --trace for the history)`
    )
  }
  const seconds = (performance.now() - began) / 1000
  say(
    `${totals.seeds} seeds of "${values.seed}" from ${from}: ${failures.length} failed; ${totals.records} records, ${totals.durable} durable, ` +
      `${totals.duplicates} duplicates, ${totals.connections} connections, ${(totals.virtualMillis / 86_400_000).toFixed(1)} virtual days ` +
      `in ${seconds.toFixed(1)} s (${(totals.seeds / seconds).toFixed(0)} seeds/s); ${totals.repeated} repeated with the same trace`
  )
  if (failures.length === 0 && seeds === 1) say(`trace ${runSeed(`${values.seed}/${from}`).hash}`)
  say(`${totals.seeds - failures.length} checks passed, ${failures.length} failed`)
  process.exitCode = failures.length === 0 ? 0 : 1
}

const compare = (from: number, count: number): void => {
  const difference = firstDifference(from, count)
  if (difference !== undefined) {
    say(`seed model/${difference.index} differs from the model:`)
    for (const text of difference.differences) say(`  model: ${text}`)
    say(`  ${JSON.stringify(difference.commands)}`)
  }
  say(
    difference === undefined ? `${count} checks passed, 0 failed` : `${difference.index - from} checks passed, 1 failed`
  )
  process.exitCode = difference === undefined ? 0 : 1
}

if (values.worker) worker()
else if (values.model) compare(whole("from", 0), whole("seeds", 1))
else if (values.trace) trace(`${values.seed}/${whole("from", 0)}`)
else await runAll()
