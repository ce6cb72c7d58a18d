// Holds the local server's tables against Spark with Delta Lake, the reference among the readers of Delta tables.
// `--full` runs the long form, `--write-matrix` writes what it finds to docs/storage.md.
// Without Java 17, Python 3.10 or Maven every test counts as skipped.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { cache, output, pythonEnvironment, run, runSuite, suiteOptions, systemPython } from "./foreignSuite.mjs"

const delta = { artifact: "delta-spark_2.13", version: "4.0.0" }
const spark = "4.0.1"
/** Reads the Parquet files in the long form: there is no Delta Lake for it yet. */
const laterSpark = "4.2.0"

/** What the machine lacks, undefined when the suite can run. */
const lack = () => {
  const java = /version "(\d+)/.exec(output("java", ["-version"]) ?? "")?.[1]
  if (java === undefined || Number(java) < 17) return "Java 17 or later"
  const python = /Python 3\.(\d+)/.exec(output(systemPython, ["--version"]) ?? "")?.[1]
  if (python === undefined || Number(python) < 10) return "Python 3.10 or later"
  return hasJars() || output("mvn", ["--version"]) !== undefined ? undefined : "Maven (mvn)"
}

const jars = join(cache, "spark-jars")
const hasJars = () =>
  existsSync(jars) && readdirSync(jars).some((name) => name === `${delta.artifact}-${delta.version}.jar`)

/** Copies Delta Lake and what it needs beside Spark from Maven Central. */
const fetchJars = () => {
  if (hasJars()) return
  mkdirSync(jars, { recursive: true })
  const dependency = `<groupId>io.delta</groupId><artifactId>${delta.artifact}</artifactId><version>${delta.version}</version>`
  const project = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
  <groupId>test</groupId><artifactId>jars</artifactId><version>1</version>
  <dependencies><dependency>${dependency}</dependency></dependencies>
</project>
`
  writeFileSync(join(jars, "pom.xml"), project)
  run(
    "mvn",
    ["-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory=.", "-DexcludeArtifactIds=scala-library"],
    {
      cwd: jars
    }
  )
}

const { env, full, rest } = suiteOptions("SPARK")
// One process, so that its files share a session: each takes a gigabyte, and all cores.
rest.unshift("--no-file-parallelism", "--no-isolate")
const missing = lack()
if (missing === undefined) {
  fetchJars()
  const python = pythonEnvironment("spark", [`pyspark==${spark}`])
  const later = full ? { SPARK_LATER_PYTHON: pythonEnvironment("spark-later", [`pyspark==${laterSpark}`]) } : {}
  runSuite("spark", rest, { SPARK_PYTHON: python, SPARK_JARS: jars, ...env, ...later })
} else {
  console.log(`Every test of Spark is skipped: this machine lacks ${missing}.`)
  runSuite("spark", rest, { SPARK_PYTHON: "" })
}
