// Mutation testing of the engine: applies many small changes, one at a time, and checks that a test
// fails. Changes that no test detects are listed in reports/mutation/survivors.md. Exits with 1
// when less than 80 % are detected.
//
//     npm run mutation
//         all rooms listed below; takes a night
//     npm run mutation -- src/internal/engine src/internal/grpc/grpcStatus.ts
//         some folders or files; the report keeps the results of the others
//     npm run mutation -- --tests=test/internal/** src/internal/engine/session.ts
//         judged by some tests only: a lower bound
//     npm run mutation -- --committed ...
//         the committed sources instead of the edited ones
//     npm run mutation -- --skip-loading ...
//         without code that runs when a module loads, which takes longest; it does not count then
//
// The tool is fetched into .cache, so that it is not a dependency. It works on a copy of the
// sources, so that they can be edited in the meantime.
import { spawnSync } from "node:child_process"
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const version = "10.1.1"
const wanted = 80
const root = fileURLToPath(new URL("..", import.meta.url))
const tool = join(root, ".cache/mutation")
const reports = join(root, "reports/mutation")

/**
 * The folders whose files are changed: the engine and its foundations. Columns and codecs have
 * property tests instead.
 */
const rooms = ["engine", "landing", "protobuf", "grpc", "net"].map((room) => `src/internal/${room}`)

/** The files of a folder, or the file itself. */
const filesOf = (path) =>
  path.endsWith(".ts")
    ? [path]
    : readdirSync(join(root, path))
        .filter((name) => name.endsWith(".ts"))
        .map((name) => `${path.replace(/\/$/, "")}/${name}`)

/** The fast tests of the engine, which judge the changes. */
const tests = [
  "test/internal/**/*.test.ts",
  "test/acceptance/**/*.test.ts",
  "test/security/**/*.test.ts"
]
/** Excluded: tests of column types, which load none of the changed folders. */
const others = ["test/internal/columns/**"]

const run = (command, args, options) => {
  const { error, status, stderr } = spawnSync(command, args, {
    encoding: "utf8",
    stdio: ["ignore", "inherit", "inherit"],
    ...options
  })
  if (error !== undefined || status !== 0)
    throw new Error(`${command} ended with ${status}: ${error?.message ?? stderr ?? ""}`)
}

const fetchTool = () => {
  const core = join(tool, "node_modules/@stryker-mutator/core")
  if (
    existsSync(core) &&
    JSON.parse(readFileSync(join(core, "package.json"), "utf8")).version === version
  )
    return
  mkdirSync(tool, { recursive: true })
  writeFileSync(join(tool, "package.json"), JSON.stringify({ name: "mutation", private: true }))
  // The runner finds this package's Vitest by searching upwards from .cache.
  const packages = ["core", "vitest-runner"].map((name) => `@stryker-mutator/${name}@${version}`)
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--legacy-peer-deps"]
  run("npm", ["install", ...flags, ...packages], { cwd: tool, timeout: 300_000 })
}

/**
 * A copy of the commit, or of all tracked and untracked files that git does not ignore, with
 * node_modules linked.
 */
const copySources = (committed) => {
  const copy = mkdtempSync(join(tmpdir(), "zerobus-mutation-"))
  if (committed) {
    const archive = join(copy, "archive.tar")
    run("git", ["archive", "-o", archive, "HEAD"], { cwd: root })
    run("tar", ["-xf", archive], { cwd: copy })
  } else {
    const { stdout } = spawnSync("git", ["ls-files", "-co", "--exclude-standard", "-z"], {
      cwd: root,
      encoding: "utf8"
    })
    for (const path of stdout.split("\0")) {
      if (path === "" || !existsSync(join(root, path))) continue
      mkdirSync(dirname(join(copy, path)), { recursive: true })
      cpSync(join(root, path), join(copy, path))
    }
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"))
  return copy
}

/**
 * Two passes. Most changes are switched on while a test runs, so that all test files share their
 * modules. Values computed when a module loads, such as constants, need fresh modules for each test
 * file: a second pass covers only these places.
 */
const configure = (copy, { concurrency, judges, places, whileLoading }) => {
  const vitest = `
    import { defineConfig } from "vitest/config"
    import { BaseSequencer } from "vitest/node"

    // The first failure ends the search: start with the test that detected the last change,
    // then run the fastest tests.
    class LikelyFirst extends BaseSequencer {
      async sort(files) {
        const { cache } = this.ctx
        const rank = (file) => {
          const name = file.project.config.root + "/"
          const { moduleId } = file
          const path = moduleId.startsWith(name) ? moduleId.slice(name.length) : moduleId
          const failed = cache.getFileTestResults(file.project.name + ":" + path)?.failed === true
          return (failed ? "0" : path.includes("/internal/") ? "1" : "2") + path
        }
        return [...files].sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
      }
    }
    export default defineConfig({
      cacheDir: ".vite",
      resolve: { conditions: ["effect-zerobus-source"] },
      ssr: { resolve: { conditions: ["effect-zerobus-source"] } },
      test: {
        isolate: ${whileLoading},
        testTimeout: 20_000,
        sequence: { sequencer: LikelyFirst },
        include: ${JSON.stringify(judges)},
        exclude: ${JSON.stringify(others)}
      }
    })`
  writeFileSync(join(copy, "vitest.mutation.ts"), vitest)
  const stryker = {
    mutate: places,
    ignoreStatic: !whileLoading,
    inPlace: true,
    testRunner: "vitest",
    plugins: [join(tool, "node_modules/@stryker-mutator/vitest-runner/dist/src/index.js")],
    vitest: { configFile: "vitest.mutation.ts", related: false },
    coverageAnalysis: "perTest",
    concurrency,
    timeoutMS: 5_000,
    reporters: ["json", "progress-append-only"],
    jsonReporter: { fileName: "mutation.json" },
    allowEmpty: false,
    checkers: [],
    disableTypeChecks: false,
    allowConsoleColors: false
  }
  writeFileSync(join(copy, "stryker.config.json"), JSON.stringify(stryker))
}

/**
 * The places of changes that only take effect while a module loads, in the tool's format: lines
 * from 1, columns from 0.
 */
const loadingPlaces = ({ files }) =>
  Object.entries(files).flatMap(([path, { mutants }]) =>
    mutants
      .filter((mutant) => mutant.static === true)
      .map(
        ({ location: { end, start } }) =>
          `${path}:${start.line}:${start.column - 1}-${end.line}:${end.column - 1}`
      )
  )

const keyOf = ({ location: { end, start }, mutatorName, replacement }) =>
  [start.line, start.column, end.line, end.column, mutatorName, replacement].join(" ")

/** Fills in the results that the first pass left out from the second pass. */
const merge = (report, second) => {
  for (const [path, { mutants }] of Object.entries(second.files)) {
    const results = new Map(mutants.map((mutant) => [keyOf(mutant), mutant]))
    report.files[path].mutants = report.files[path].mutants.map((mutant) =>
      mutant.static === true
        ? { ...mutant, status: results.get(keyOf(mutant))?.status ?? mutant.status }
        : mutant
    )
  }
}

/**
 * Stores the results of each file separately, so that a run over some files keeps those of others.
 */
const keepResults = (report) => {
  const names = new Map(
    Object.entries(report.testFiles ?? {}).flatMap(([path, { tests }]) =>
      tests.map(({ id, name }) => [id, `${path}: ${name}`])
    )
  )
  mkdirSync(reports, { recursive: true })
  for (const [path, { mutants, source }] of Object.entries(report.files)) {
    const lines = source.split("\n")
    const results = mutants.map(
      ({ coveredBy, killedBy, location, mutatorName, replacement, status, statusReason }) => {
        const { end, start } = location
        const text =
          start.line === end.line
            ? lines[start.line - 1].slice(start.column - 1, end.column - 1)
            : [lines[start.line - 1].slice(start.column - 1), ...lines.slice(start.line, end.line)]
                .join(" ")
                .replace(/\s+/g, " ")
        return {
          line: start.line,
          mutatorName,
          status,
          text,
          replacement,
          statusReason,
          covered: coveredBy?.length ?? 0,
          killedBy: killedBy?.map((id) => names.get(id) ?? id)
        }
      }
    )
    writeFileSync(
      join(reports, `${path.replaceAll("/", ".")}.json`),
      JSON.stringify({ path, results }, null, 1)
    )
  }
}

const short = (text) =>
  (text.length > 160 ? `${text.slice(0, 157)}...` : text).replaceAll("`", "'").replaceAll("\n", " ")

const summarize = () => {
  const files = readdirSync(reports)
    .filter((name) => name.endsWith(".json"))
    .map((name) => JSON.parse(readFileSync(join(reports, name), "utf8")))
  const count = (results, ...statuses) =>
    results.filter(({ status }) => statuses.includes(status)).length
  const row = (path, results) => {
    const found = count(results, "Killed", "Timeout")
    const missed = count(results, "Survived", "NoCoverage")
    const score = (100 * found) / (found + missed)
    return {
      score,
      text:
        `| ${path} | ${found} | ${missed} | ${count(results, "Timeout")} | ` +
        `${score.toFixed(1)} |`
    }
  }
  const total = row(
    "all",
    files.flatMap(({ results }) => results)
  )
  const table = [
    "| file | noticed | not noticed | of those noticed, by hanging | score in % |",
    "| --- | --- | --- | --- | --- |",
    ...files.map(({ path, results }) => row(path, results).text),
    total.text
  ].join("\n")
  const survivors = files.flatMap(({ path, results }) => [
    `\n## ${path}\n`,
    ...results
      .filter(({ status }) => status === "Survived" || status === "NoCoverage")
      .map(
        ({ covered, line, mutatorName, replacement, text }) =>
          `- line ${line}, ${mutatorName}, run by ${covered} tests: \`${short(text)}\` became ` +
          `\`${short(replacement ?? "")}\``
      )
  ])
  writeFileSync(
    join(reports, "survivors.md"),
    `# Changes that no test noticed\n\n${table}\n${survivors.join("\n")}\n`
  )
  console.log(`\n${table}\n\nSurvivors: reports/mutation/survivors.md`)
  return total.score
}

const judges = process.argv.find((argument) => argument.startsWith("--tests="))
const named = process.argv.slice(2).filter((argument) => !argument.startsWith("-"))
const files = (named.length === 0 ? rooms : named).flatMap(filesOf)
fetchTool()
const copy = copySources(process.argv.includes("--committed"))
try {
  const settings = {
    judges: judges === undefined ? tests : judges.slice("--tests=".length).split(","),
    concurrency: Number(process.env["MUTATION_CONCURRENCY"] ?? 2)
  }
  const stryker = join(tool, "node_modules/@stryker-mutator/core/bin/stryker.js")
  const pass = (places, whileLoading) => {
    configure(copy, { ...settings, places, whileLoading })
    run(
      "nice",
      ["-n", "10", join(root, "node_modules/.bin/node"), stryker, "run", "stryker.config.json"],
      {
        cwd: copy
      }
    )
    return JSON.parse(readFileSync(join(copy, "mutation.json"), "utf8"))
  }
  const report = pass(files, false)
  const places = loadingPlaces(report)
  keepResults(report)
  if (places.length > 0 && !process.argv.includes("--skip-loading")) {
    merge(report, pass(places, true))
    keepResults(report)
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}
process.exitCode = summarize() >= wanted ? 0 : 1
