// Tests the local server's tables with Spark and Delta Lake, the reference reader of Delta tables.
// `--full` runs the long form, `--write-matrix` writes the results to docs/storage.md. Without Java
// 17, Python 3.10 or Maven, all tests are skipped.
import {
  fetchJars,
  hasJars,
  javaVersion,
  output,
  pythonEnvironment,
  runSuite,
  suiteOptions,
  systemPython
} from "./foreignSuite.mjs"

/** Delta Lake. Spark includes the Scala library. */
const delta = {
  group: "io.delta",
  artifact: "delta-spark_2.13",
  version: "4.0.0",
  without: "scala-library"
}
const spark = "4.0.1"
/** Reads the Parquet files in the long form: it has no Delta Lake release yet. */
const laterSpark = "4.2.0"

/** What the machine lacks. Undefined when the suite can run. */
const lack = () => {
  if (javaVersion() < 17) return "Java 17 or later"
  const python = /Python 3\.(\d+)/.exec(output(systemPython, ["--version"]) ?? "")?.[1]
  if (python === undefined || Number(python) < 10) return "Python 3.10 or later"
  return hasJars("spark-jars", delta) || output("mvn", ["--version"]) !== undefined
    ? undefined
    : "Maven (mvn)"
}

const { env, full, rest } = suiteOptions("SPARK")
// One process, so that the test files share a session: each session takes a gigabyte and all cores.
rest.unshift("--no-file-parallelism", "--no-isolate")
const missing = lack()
if (missing === undefined) {
  const jars = fetchJars("spark-jars", delta)
  const python = pythonEnvironment("spark", [`pyspark==${spark}`])
  const later = full
    ? { SPARK_LATER_PYTHON: pythonEnvironment("spark-later", [`pyspark==${laterSpark}`]) }
    : {}
  runSuite("spark", rest, { SPARK_PYTHON: python, SPARK_JARS: jars, ...env, ...later })
} else {
  console.log(`Every test of Spark is skipped: this machine lacks ${missing}.`)
  runSuite("spark", rest, { SPARK_PYTHON: "" })
}
