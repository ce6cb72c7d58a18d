/**
 * The benchmark: `npm run bench -- [options]`. All clients run side by side against one neutral sink, in turns; read the ratios.
 *
 * - `--quick`: the rows that have a budget, in short runs; under three minutes on two cores.
 * - `--only TEXT`: the cases whose name contains the text; of the other measurements `memory`, `latency`, `recovery`, `streams` and
 *   `allocations` are the names.
 * - `--rounds N`, `--run MILLIS`: how many measured runs of a case, and how long each ingests.
 * - `--json FILE`: writes all figures.
 * - `--save`: stores the ratios as the baseline. `--check`: compares with it and ends with 1 after a regression.
 */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { parseArgs } from "node:util"
import { compareWithBaseline, saveBaseline } from "./baseline.ts"
import { budgeted, further } from "./cases.ts"
import { fetchNative } from "./nativeSdk.ts"
import { startSink } from "./processes.ts"
import { measureScenarios, scenarioTable, type ScenarioResult } from "./scenarios.ts"
import { measureThroughput, type Pace, ratioTable, type ThroughputResult, throughputTable } from "./throughput.ts"

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

/** A key and a certificate for 127.0.0.1, made for this run; `undefined` where there is no openssl. */
const makeCertificate = (): { readonly key: string; readonly cert: string } | undefined => {
  const folder = mkdtempSync(Path.join(Os.tmpdir(), "benchmark-"))
  try {
    const [key, cert] = [Path.join(folder, "key.pem"), Path.join(folder, "cert.pem")]
    const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    execFileSync("openssl", ["req", ...kind, "-keyout", key, "-out", cert, ...subject], { stdio: "ignore" })
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") }
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
const machine = `${cpus.length} cores (${cpus[0]?.model.trim()}), ${Os.platform()} ${Os.arch()}, Node ${process.version}`
const load = Os.loadavg()[0] ?? 0
if (load > 0.5) say(`The machine is not idle (load ${load.toFixed(1)}): the figures below are those of a busy machine.`)
say(`${machine}, load ${load.toFixed(1)}, ${pace.rounds} rounds, median (min to max)\n`)

const wanted = (id: string): boolean => flags.only === undefined || id.includes(flags.only)
const cases = (flags.quick ? budgeted : [...budgeted, ...further])
  .filter(({ id }) => wanted(id))
  .filter(({ tls }) => !tls || certificate !== undefined)

const sink = await startSink(certificate)
const throughput: Array<ThroughputResult> = []
let scenarios: ReadonlyArray<ScenarioResult> = []
try {
  for (const one of cases) {
    const result = await measureThroughput(one, sink, pace, { native: "folder" in native, ca: certificate?.cert })
    throughput.push(result)
    const { native: n, raw } = result.ratios
    console.error(`${one.id}: ${n?.median.toFixed(2) ?? "-"} x native, ${raw?.median.toFixed(2) ?? "-"} x grpc-js`)
  }
  const peak = throughput.find(({ id }) => id === "single 1 KB")?.figures ?? []
  scenarios = await measureScenarios(sink, {
    quick: flags.quick,
    native: "folder" in native,
    wanted,
    peak: Object.fromEntries(peak.map(({ client, rate }) => [client, rate.median])),
    progress: (line) => console.error(line)
  })
} finally {
  await sink.stop()
}
if (throughput.length > 0) say(`${throughputTable(throughput)}\n\n${ratioTable(throughput, cases)}\n`)
if (scenarios.length > 0) say(scenarioTable(scenarios))

const date = new Date().toISOString().slice(0, 10)
if (flags.json !== undefined) {
  writeFileSync(flags.json, `${JSON.stringify({ date, machine, pace, throughput, scenarios }, undefined, 2)}\n`)
}
if (flags.save) saveBaseline({ date, machine: `${machine}, load ${load.toFixed(1)} at the start`, throughput })
if (flags.check) {
  const { lines, regressions } = compareWithBaseline(throughput)
  say()
  say(lines.join("\n"))
  if (regressions > 0) process.exitCode = 1
}
