/**
 * The benchmark: `npm run bench -- [options]`. All clients send to one neutral sink, in
 * turns; the ratios are the result.
 *
 * - `--quick`: the rows that have a budget, in short runs; under three minutes on two cores.
 * - `--only TEXT`: the cases whose name contains the text; the other measurements are
 *   named `memory`, `latency`, `recovery`, `streams`, `allocations`, `scale`, `telemetry` and
 *   `end to end`. `native variants` runs only with this option.
 * - `--rounds N`, `--run MILLIS`: how many measured runs of a case, and how long each ingests.
 * - `--json FILE`: writes all figures.
 * - `--save`: stores the ratios as the baseline. `--check`: compares with it and exits with 1
 *   after a regression.
 */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { parseArgs } from "node:util"
import { compareWithBaseline, saveBaseline } from "./baseline.ts"
import { budgeted, further } from "./cases.ts"
import { measureEndToEnd } from "./endToEnd.ts"
import { fetchNative } from "./nativeSdk.ts"
import { measureVariants, type VariantResult, variantTable } from "./nativeVariants.ts"
import { startSink } from "./processes.ts"
import { measureScale } from "./scale.ts"
import {
  budgetSummary,
  figuresText,
  scenarioBudgets,
  scenarioTable,
  type ScenarioResult
} from "./scenario.ts"
import { measureScenarios } from "./scenarios.ts"
import { measureTelemetry } from "./telemetryCost.ts"
import { measureThroughput, type Pace, type ThroughputResult } from "./throughput.ts"
import { ratioTable, throughputBudgets, throughputTable } from "./throughputTables.ts"

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    rounds: { type: "string" },
    run: { type: "string" },
    json: { type: "string" },
    save: { type: "boolean", default: false },
    check: { type: "boolean", default: false }
  }
})

const pace: Pace = {
  rounds: Number(flags.rounds ?? 5),
  warmUp: flags.quick ? 400 : 1000,
  run: Number(flags.run ?? (flags.quick ? 600 : 2000))
}

/**
 * A key and a certificate for 127.0.0.1, and the authority that signed it, made for this run;
 * `undefined` without openssl. They must be separate certificates: Rust's TLS refuses an authority
 * as a server.
 */
const makeCertificate = ():
  | { readonly key: string; readonly cert: string; readonly ca: string }
  | undefined => {
  const folder = mkdtempSync(Path.join(Os.tmpdir(), "benchmark-"))
  try {
    const at = (name: string): string => Path.join(folder, name)
    const openssl = (...args: ReadonlyArray<string>) =>
      execFileSync("openssl", args, { stdio: "ignore" })
    const make = [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "1"
    ]
    const into = (name: string) => ["-keyout", at(`${name}.key`), "-out", at(`${name}.pem`)]
    openssl(...make, ...into("ca"), "-subj", "/CN=benchmark authority")
    const extensions = ["subjectAltName=IP:127.0.0.1", "basicConstraints=critical,CA:FALSE"]
    const signed = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-subj", "/CN=127.0.0.1"]
    openssl(
      ...make,
      ...into("leaf"),
      ...signed,
      ...extensions.flatMap((extension) => ["-addext", extension])
    )
    const read = (name: string): string => readFileSync(at(name), "utf8")
    return { key: read("leaf.key"), cert: read("leaf.pem"), ca: read("ca.pem") }
  } catch {
    return undefined
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const say = (text = ""): void => console.log(text)

const native = fetchNative()
const certificate = makeCertificate()
if ("folder" in native) process.env.NATIVE_SDK = native.folder
else say(`Without the native SDK: ${native.problem}`)
if (certificate === undefined) say("Without TLS: openssl is not there to make a certificate.")

const cpus = Os.cpus()
const machine =
  `${cpus.length} cores (${cpus[0]?.model.trim()}), ${Os.platform()} ` +
  `${Os.arch()}, Node ${process.version}`
const load = Os.loadavg()[0] ?? 0
if (load > 0.5)
  say(
    `The machine is not idle (load ${load.toFixed(1)}): the figures below are those of a busy ` +
      `machine.`
  )
say(`${machine}, load ${load.toFixed(1)}, ${pace.rounds} rounds, median (min to max)\n`)

const wanted = (id: string): boolean => flags.only === undefined || id.includes(flags.only)
const cases = (flags.quick ? budgeted : [...budgeted, ...further])
  .filter(({ id }) => wanted(id))
  .filter(({ tls }) => !tls || certificate !== undefined)

const sink = await startSink(certificate)
const throughput: Array<ThroughputResult> = []
const scenarios: Array<ScenarioResult> = []
let variants: ReadonlyArray<VariantResult> = []
const progress = (line: string): void => console.error(line)
/** Measures a group of scenarios, unless `--only` names others. */
const measureGroup = async (
  group: string,
  measure: () => Promise<ReadonlyArray<ScenarioResult>>
): Promise<void> => {
  if (!wanted(group)) return
  for (const result of await measure()) {
    scenarios.push(result)
    progress(`${result.id}, ${result.client}: ${figuresText(result)}`)
  }
}
try {
  for (const one of cases) {
    const result = await measureThroughput(one, sink, pace, {
      native: "folder" in native,
      ca: certificate?.ca
    })
    throughput.push(result)
    const { native: n, raw } = result.ratios
    progress(
      `${one.id}: ${n?.median.toFixed(2) ?? "-"} x native, ${raw?.median.toFixed(2) ?? "-"} x ` +
        `grpc-js`
    )
  }
  const withNative = { quick: flags.quick, native: "folder" in native }
  scenarios.push(...(await measureScenarios(sink, { ...withNative, wanted, progress })))
  await measureGroup("scale", () => measureScale(sink, flags.quick ? 3 : pace.rounds))
  await measureGroup("telemetry", () =>
    measureTelemetry(sink, flags.quick ? 7 : 4 * pace.rounds, flags.quick)
  )
  await measureGroup("end to end", () =>
    measureEndToEnd({ ...withNative, pace: flags.quick ? { ...pace, rounds: 2 } : pace })
  )
  if (flags.only === "native variants" && withNative.native)
    variants = await measureVariants(sink, pace, progress)
} catch (error) {
  // Figures measured before the error are printed anyway.
  progress(error instanceof Error ? (error.stack ?? error.message) : String(error))
  process.exitCode = 1
} finally {
  await sink.stop()
}
if (throughput.length > 0)
  say(`${throughputTable(throughput)}\n\n${ratioTable(throughput, cases)}\n`)
if (scenarios.length > 0) say(scenarioTable(scenarios))
const budgets = [...throughputBudgets(throughput), ...scenarioBudgets(scenarios)]
if (budgets.length > 0) say(`\n${budgetSummary(budgets)}`)
if (variants.length > 0) say(variantTable(variants))

const date = new Date().toISOString().slice(0, 10)
if (flags.json !== undefined) {
  writeFileSync(
    flags.json,
    `${JSON.stringify({ date, machine, pace, throughput, scenarios, variants }, undefined, 2)}\n`
  )
}
if (flags.save)
  saveBaseline({ date, machine: `${machine}, load ${load.toFixed(1)} at the start`, throughput })
if (flags.check) {
  const { lines, regressions } = compareWithBaseline(throughput)
  say()
  say(lines.join("\n"))
  if (regressions > 0) process.exitCode = 1
}
