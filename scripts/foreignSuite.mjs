// Shared by the suites with foreign readers: a download folder, Python environments in it, and
// running a suite.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const windows = process.platform === "win32"

/** The download folder: `.cache`, or `ZEROBUS_TEST_CACHE`. */
export const cache = process.env.ZEROBUS_TEST_CACHE || join(root, ".cache")

/** Runs a command with its output visible. Ends this process with its exit code when it fails. */
export const run = (command, args, { env = process.env, cwd = root, missing } = {}) => {
  const { error, status } = spawnSync(command, args, { cwd, stdio: "inherit", env })
  if (error !== undefined)
    console.error(`${command} could not be started (${error.code}). ${missing ?? ""}`)
  if (status !== 0) process.exit(status ?? 1)
}

/** The output of a command. Undefined when it cannot be run or fails. */
export const output = (command, args) => {
  const { error, status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" })
  return error === undefined && status === 0 ? stdout + stderr : undefined
}

/** The version of Java in the path; 0 when there is none. */
export const javaVersion = () =>
  Number(/version "(\d+)/.exec(output("java", ["-version"]) ?? "")?.[1] ?? 0)

const jarOf = (folder, { artifact, version }) => join(cache, folder, `${artifact}-${version}.jar`)

/** Whether this folder of the cache contains the artifact. */
export const hasJars = (folder, artifact) => existsSync(jarOf(folder, artifact))

/**
 * Downloads an artifact and its dependencies, apart from `without`, from Maven Central to a folder
 * of the cache. Returns the folder.
 */
export const fetchJars = (folder, { group, artifact, version, without = "" }) => {
  const jars = join(cache, folder)
  if (hasJars(folder, { artifact, version })) return jars
  mkdirSync(jars, { recursive: true })
  const dependency =
    `<groupId>${group}</groupId><artifactId>${artifact}</artifactId>` +
    `<version>${version}</version>`
  const project = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>test</groupId><artifactId>jars</artifactId><version>1</version>
  <dependencies><dependency>${dependency}</dependency></dependencies>
</project>
`
  writeFileSync(join(jars, "pom.xml"), project)
  const goal = ["dependency:copy-dependencies", "-DoutputDirectory=.", "-DincludeScope=runtime"]
  run("mvn", ["-B", "-q", ...goal, `-DexcludeArtifactIds=${without}`], { cwd: jars })
  return jars
}

/** The command for the system's Python. */
export const systemPython = windows ? "python" : "python3"

/** Creates a Python environment with these packages. Returns the path of its Python. */
export const pythonEnvironment = (name, packages) => {
  const environment = join(cache, name)
  const python = join(environment, windows ? "Scripts/python.exe" : "bin/python")
  if (!existsSync(python)) {
    mkdirSync(cache, { recursive: true })
    const missing = "The suite needs Python 3.10 or later with venv and pip."
    run(systemPython, ["-m", "venv", environment], { missing })
  }
  run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages])
  return python
}

/**
 * Provides the PostgreSQL server: root installs Debian's package. Prints that tests are skipped
 * when it is missing.
 */
export const providePostgres = () => {
  const programs = "/usr/lib/postgresql"
  if (
    !existsSync(programs) &&
    process.getuid?.() === 0 &&
    output("apt-get", ["--version"]) !== undefined
  ) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
    run("apt-get", ["update", "-qq"], { env })
    run("apt-get", ["install", "-qq", "-y", "--no-install-recommends", "postgresql"], { env })
  }
  if (existsSync(programs)) return
  console.log(
    "Every test of this suite is skipped: this machine lacks PostgreSQL's server (Debian's " +
      "package postgresql)."
  )
}

/**
 * The arguments of a suite: its own options, the environment that they set, and the remaining
 * arguments for vitest.
 */
export const suiteOptions = (name) => {
  const args = process.argv.slice(2)
  const full = args.includes("--full")
  const writesMatrix = args.includes("--write-matrix")
  return {
    full,
    env: {
      ...(full && { [`${name}_FULL`]: "1" }),
      ...(writesMatrix && { ZEROBUS_WRITE_MATRIX: "1" })
    },
    rest: args.filter((arg) => arg !== "--full" && arg !== "--write-matrix")
  }
}

/** Runs the test files of a vitest project. */
export const runSuite = (project, args, env) =>
  run(
    process.execPath,
    [join(root, "node_modules/vitest/vitest.mjs"), "run", "--project", project, ...args],
    {
      env: { ...process.env, ...env }
    }
  )
