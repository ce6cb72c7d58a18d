/**
 * Counts the acceptance scenarios by group: all, tested, not applicable, and missing. Exits with 1
 * when a scenario is missing, unknown, or both tested and listed as not applicable.
 *
 * A test covers the scenarios whose ids its title starts with: "CR-01 CR-34 opens ...".
 *
 * npm run acceptance:coverage
 *
 * node scripts/acceptanceCoverage.ts --files (prints the files whose tests name scenarios, for `npm
 * run test:acceptance`)
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { notApplicable } from "../test/acceptance/notApplicable.ts"

interface Group {
  readonly group: string
  readonly topic: string
  readonly scenarios: ReadonlyArray<{ readonly id: string; readonly title: string }>
}

const root = Path.resolve(import.meta.dirname, "..")
const path = (file: string) => Path.join(root, file)
const groups = JSON.parse(
  Fs.readFileSync(path("test/acceptance/scenarios.json"), "utf8")
) as ReadonlyArray<Group>
const files = Fs.readdirSync(path("test"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".test.ts"))
  .map((file) => path(`test/${file}`))

const covered = new Set<string>()
const covering = new Set<string>()
for (const file of files) {
  const text = Fs.readFileSync(file, "utf8")
  for (const [, title = ""] of text.matchAll(
    /\bit(?:\.(?!skip|todo|fails)\w+)*\(\s*["`]([^"`]+)["`]/g
  )) {
    const ids = /^(?:[A-Z]{1,2}-\d\d[, ]+)+/.exec(`${title} `)?.[0] ?? ""
    for (const id of ids.match(/[A-Z]{1,2}-\d\d/g) ?? []) {
      covered.add(id)
      covering.add(Path.relative(root, file))
    }
  }
}

if (process.argv.includes("--files")) {
  console.log([...covering].join("\n"))
  process.exit()
}

const problems: Array<string> = []
const known = new Set(groups.flatMap((group) => group.scenarios.map((scenario) => scenario.id)))
for (const id of covered) {
  if (!known.has(id)) problems.push(`${id} is named by a test, but is not a scenario`)
  if (id in notApplicable) problems.push(`${id} is named by a test and in notApplicable.ts`)
}
for (const id of Object.keys(notApplicable))
  if (!known.has(id)) problems.push(`${id} in notApplicable.ts is not a scenario`)

const row = (cells: ReadonlyArray<string | number>) =>
  String(cells[0]).padEnd(6) +
  cells
    .slice(1, 5)
    .map((cell) => String(cell).padStart(9))
    .join("") +
  `  ${cells[5] ?? ""}`
console.log(row(["group", "rows", "tested", "n/a", "missing", "topic"]))
const total = { rows: 0, tested: 0, na: 0, missing: 0 }
for (const { group, scenarios, topic } of groups) {
  const tested = scenarios.filter(({ id }) => covered.has(id)).length
  const na = scenarios.filter(({ id }) => !covered.has(id) && id in notApplicable).length
  const missing = scenarios.filter(({ id }) => !covered.has(id) && !(id in notApplicable))
  total.rows += scenarios.length
  total.tested += tested
  total.na += na
  total.missing += missing.length
  console.log(row([group, scenarios.length, tested, na, missing.length, topic]))
  for (const { id, title } of missing) problems.push(`${id} has no test: ${title}`)
}
console.log(row(["all", total.rows, total.tested, total.na, total.missing]))
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exitCode = 1
