/**
 * The GitHub workflows run what `.ci/run` runs, by scripts that exist, with pinned actions and no
 * more rights than they need. `npm run lint:workflows` checks their syntax.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parse } from "yaml"

const root = Path.resolve(import.meta.dirname, "../..")
const read = (file: string) => Fs.readFileSync(Path.join(root, file), "utf8")

interface Step {
  readonly uses?: string
  readonly run?: string
  readonly with?: Readonly<Record<string, unknown>>
}
interface Job {
  readonly "permissions"?: Readonly<Record<string, string>>
  readonly "strategy"?: { readonly matrix?: Readonly<Record<string, ReadonlyArray<string>>> }
  readonly "steps": ReadonlyArray<Step>
  readonly "needs"?: string
  readonly "timeout-minutes"?: number
  readonly "continue-on-error"?: boolean
}
interface Workflow {
  readonly permissions: Readonly<Record<string, string>>
  readonly jobs: Readonly<Record<string, Job>>
}

const folder = ".github/workflows"
const workflows = Fs.readdirSync(Path.join(root, folder)).map((name) => {
  const workflow: Workflow = parse(read(`${folder}/${name}`))
  return { name, workflow, jobs: Object.entries(workflow.jobs) }
})
const action: { runs: { steps: ReadonlyArray<Step> } } = parse(
  read(".github/actions/setup/action.yml")
)
const scripts: Readonly<Record<string, string>> = JSON.parse(read("package.json")).scripts

/** The commands `npm run ...` of a text, without the options of npm. */
const npmRuns = (text: string) =>
  [...text.matchAll(/\bnpm run (?:-s )?([^\n"']+)/g)].map(([, command]) => command!.trim())

/** What a job runs: its commands, one for each value of the matrix. */
const commandsOf = ({ steps, strategy }: Job) =>
  steps.flatMap(({ run = "" }) =>
    npmRuns(run).flatMap((command) => {
      const name = /^\$\{\{ matrix\.(\w+) \}\}$/.exec(command)?.[1]
      return name === undefined ? [command] : (strategy?.matrix?.[name] ?? [])
    })
  )
const nameOf = (command: string) => command.split(" ")[0]!
const ci = workflows.find(({ name }) => name === "ci.yml")!
const release = workflows.find(({ name }) => name === "release.yml")!

describe("workflows", () => {
  it("run npm scripts that exist", () => {
    const commands = workflows.flatMap(({ jobs }) => jobs.flatMap(([, job]) => commandsOf(job)))
    assert.isAbove(commands.length, 20)
    assert.deepStrictEqual(
      commands.map(nameOf).filter((name) => scripts[name] === undefined),
      []
    )
  })

  it("run every step of .ci/run in parallel jobs", () => {
    const ofCi = new Set(
      workflows.flatMap(({ jobs }) => jobs.flatMap(([, job]) => commandsOf(job).map(nameOf)))
    )
    const parts = { test: ["test:unit", "test:docs"] }
    const steps = npmRuns(read(".ci/run"))
      .map(nameOf)
      .concat(/^step test npm test$/m.test(read(".ci/run")) ? parts.test : [])
    assert.isAbove(steps.length, 20)
    assert.deepStrictEqual(
      steps.filter((name) => !ofCi.has(name)),
      []
    )
  })

  it("name each job after what it runs", () => {
    const names = Object.keys(ci.workflow.jobs)
    for (const name of ["check", "unit", "docs", "simulation", "delta", "spark", "interop"])
      assert.include(names, name)
    for (const name of ["browser", "runtimes", "typescript", "smoke"]) assert.include(names, name)
    assert.deepStrictEqual(ci.workflow.jobs["unit"]?.strategy?.matrix, {
      node: ["22.19", "24", "26"]
    })
  })

  it("pin each action to a commit and keep no credentials", () => {
    const steps = workflows
      .flatMap(({ jobs }) => jobs.flatMap(([, job]) => job.steps))
      .concat(action.runs.steps)
    for (const { uses, with: options } of steps) {
      if (uses === undefined || uses.startsWith("./")) continue
      assert.match(uses, /^[\w-]+\/[\w-]+@[0-9a-f]{40}$/)
      if (uses.startsWith("actions/checkout@"))
        assert.strictEqual(options?.["persist-credentials"], false)
    }
  })

  it("have limits of time, and rights where they need them only", () => {
    const granted = workflows.flatMap(({ jobs, name, workflow }) => {
      assert.deepStrictEqual(workflow.permissions, { contents: "read" }, name)
      return jobs.flatMap(([job, { permissions = {}, "timeout-minutes": limit }]) => {
        assert.isAtLeast(limit ?? 0, 5, `${name} ${job}`)
        return Object.entries(permissions)
          .filter(([, right]) => right === "write")
          .map(([right]) => `${name} ${job}: ${right}`)
      })
    })
    assert.deepStrictEqual(granted.sort(), [
      "docs.yml deploy: id-token",
      "docs.yml deploy: pages",
      "release.yml announce: contents",
      "release.yml publish: id-token"
    ])
  })

  it("publish only after .ci/run, without a token of npm", () => {
    const { publish, verify } = release.workflow.jobs
    assert.strictEqual(publish?.needs, "verify")
    assert.isTrue(verify?.steps.some(({ run }) => run === ".ci/run"))
    assert.notMatch(read(`${folder}/release.yml`), /NPM_TOKEN|NODE_AUTH_TOKEN|secrets\./)
    assert.deepStrictEqual(commandsOf(publish!), ["release:publish"])
  })
})
