/**
 * `npm run sim:planted -- [--seeds N] [--only text] [--by crashes]`: proves that the simulation
 * finds bugs. For each planted bug it writes a copy of the sources with the bug to a temporary
 * folder, runs the simulation there, and expects it to fail.
 */
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { parseArgs } from "node:util"
import type { Mutation } from "./mutations.ts"
import type { Generation } from "./plan.ts"
import { mutations } from "./plantedBugs.ts"
import { replaced } from "./plantedText.ts"

/**
 * Seeds that found bugs of the engine, by the name of the planted bug that reintroduces the bug.
 * Other planted bugs have none.
 */
const pastFailures = JSON.parse(
  Fs.readFileSync(Path.join(import.meta.dirname, "pastFailures.json"), "utf8")
) as ReadonlyArray<{
  readonly seed: string
  readonly generation: Generation
  readonly bug?: string
}>

interface PastSeed {
  readonly base: string
  readonly from: number
  readonly generation: Generation
}

const root = Path.resolve(import.meta.dirname, "../..")

/**
 * The result for one planted bug; `after` is the number of seeds until it was found, undefined if
 * it was not.
 */
export interface Catch {
  readonly name: string
  readonly after: number | undefined
  readonly rule: string
}

/**
 * Writes a copy of the sources and the simulation with the mutation. The caller removes the folder.
 */
const plant = (mutation: Mutation | undefined): string => {
  const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "planted-"))
  Fs.cpSync(Path.join(root, "src"), Path.join(folder, "src"), { recursive: true })
  Fs.cpSync(Path.join(root, "test/simulation"), Path.join(folder, "test/simulation"), {
    recursive: true
  })
  Fs.copyFileSync(Path.join(root, "package.json"), Path.join(folder, "package.json"))
  Fs.symlinkSync(Path.join(root, "node_modules"), Path.join(folder, "node_modules"))
  for (const { file, find, replace } of mutation === undefined
    ? []
    : [mutation, ...(mutation.also ?? [])]) {
    const path = Path.join(folder, "src", file)
    const text = replaced(Fs.readFileSync(path, "utf8"), { find, replace })
    if (typeof text === "number") {
      Fs.rmSync(folder, { recursive: true })
      throw new Error(
        `"${mutation!.name}": its text occurs ${text} times in ${file}; rewrite the mutation`
      )
    }
    Fs.writeFileSync(path, text)
  }
  return folder
}

const modes: Record<NonNullable<Mutation["by"]>, ReadonlyArray<string>> = {
  simulation: ["--no-crashes", "--no-lanes", "--no-arrow"],
  lanes: ["--lanes"],
  crashes: ["--crashes"],
  arrow: ["--arrow"],
  model: ["--model"],
  replies: ["--replies", "200000"]
}

/** Runs the simulation with the planted bug, or only one seed, with plans of a generation. */
export const hunt = async (
  mutation: Mutation,
  seeds: number,
  { base = "1", from = 0, generation = 5 }: Partial<PastSeed> = {}
): Promise<Catch> => {
  const folder = plant(mutation)
  try {
    const output = await new Promise<string>((resolve) => {
      ChildProcess.execFile(
        process.execPath,
        [
          "--conditions=effect-zerobus-source",
          "test/simulation/main.ts",
          ...modes[mutation.by ?? "simulation"],
          `--generation=${generation}`,
          `--seed=${base}`,
          `--from=${from}`,
          `--seeds=${seeds}`,
          "--failures=1",
          "--workers=1"
        ],
        { cwd: folder, maxBuffer: 1 << 26, timeout: 600_000 },
        (error, stdout, stderr) =>
          resolve(
            error === null
              ? ""
              : error.killed
                ? "no end within ten minutes"
                : `${stdout}\n${stderr}`
          )
      )
    })
    const first = /^seed \w+\/(\d+) .*\n {2}([\w-]+):/m.exec(output)
    const crashed = output !== "" && first === null
    if (crashed)
      throw new Error(`"${mutation.name}": the simulation itself failed:\n${output.slice(-2000)}`)
    return {
      name: mutation.name,
      after: first === null ? undefined : Number(first[1]) + 1 - from,
      rule: first?.[2] ?? ""
    }
  } finally {
    Fs.rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * The next seed that finds the bug when run alone, without the buffer pool state that earlier seeds
 * left.
 */
const findAlone = async (
  mutation: Mutation,
  { base, from, generation }: PastSeed
): Promise<string> => {
  for (let next = from; next < from + 1_000; next++) {
    const found = await hunt(mutation, from + 1_000 - next, { base, from: next, generation })
    if (found.after === undefined) break
    next += found.after - 1
    const alone = await hunt(mutation, 1, { base, from: next, generation })
    if (alone.after !== undefined) return `${base}/${next} of generation ${generation}`
  }
  return "none of the next 1,000"
}

/** Runs with crashes need fewer seeds to find a bug, and take longer. */
const seedsWithCrashes = 1_000

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "3000" },
      only: { type: "string", default: "" },
      by: { type: "string", default: "" }
    }
  })
  const chosen = mutations.filter(
    ({ by = "simulation", name }) => name.includes(values.only) && by.includes(values.by)
  )
  let passed = 0
  let failed = 0
  const check = (ok: boolean, text: string) => {
    if (ok) passed++
    else failed++
    process.stdout.write(`${text}\n`)
  }
  const queue = [...chosen]
  const work = async () => {
    for (let mutation = queue.shift(); mutation !== undefined; mutation = queue.shift()) {
      const { harmless = false, name } = mutation
      try {
        const most = mutation.by !== "crashes" ? Infinity : harmless ? 200 : seedsWithCrashes
        const seeds = Math.min(Number(values.seeds), most)
        const { after, rule } = await hunt(mutation, seeds)
        const found = after !== undefined
        if (harmless)
          check(
            !found,
            found
              ? `harmless, but ${rule} fails after ${after} seeds: ${name}`
              : `harmless: ${name}`
          )
        else
          check(
            found,
            found
              ? `found by ${rule} after ${after} seeds: ${name}`
              : `NOT FOUND in ${seeds} seeds: ${name}`
          )
      } catch (error) {
        // A bug that cannot be planted must not hide the results of the others.
        check(false, `NOT TRIED: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(2, Os.availableParallelism()) }, work))
  for (const { bug, generation, seed } of pastFailures) {
    if (bug === undefined) continue
    const mutation = mutations.find(({ name }) => name === bug)
    const [base, from] = seed.split("/") as [string, string]
    if (mutation === undefined)
      throw new Error(`pastFailures.json names "${bug}", which is not a planted bug`)
    if (!chosen.includes(mutation)) continue
    const { after } = await hunt(mutation, 1, { base, from: Number(from), generation }).catch(
      () => ({
        after: undefined
      })
    )
    if (after !== undefined) check(true, `past failure ${seed} still finds it: ${bug}`)
    else {
      const moved = await findAlone(mutation, { base, from: Number(from) + 1, generation }).catch(
        String
      )
      check(
        false,
        `past failure ${seed} DOES NOT FIND IT any more: ${bug}; ${moved} could replace it`
      )
    }
  }
  process.stdout.write(`${passed} checks passed, ${failed} failed\n`)
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1
}

if (process.argv[1] === import.meta.filename) await main()
