// Tests the bridge from Kafka with a real broker. Its jars come from Maven Central, and the suite
// starts it in a temporary folder. `--full` is the long form. Without Java 17 or Maven, all tests
// are skipped.
import { fetchJars, hasJars, javaVersion, output, runSuite, suiteOptions } from "./foreignSuite.mjs"

const kafka = { group: "org.apache.kafka", artifact: "kafka_2.13", version: "4.1.1" }

/** What the machine lacks. Undefined when the suite can run. */
const lack = () => {
  if (javaVersion() < 17) return "Java 17 or later"
  return hasJars("kafka-jars", kafka) || output("mvn", ["--version"]) !== undefined
    ? undefined
    : "Maven (mvn)"
}

const { env, rest } = suiteOptions("KAFKA")
const missing = lack()
if (missing !== undefined)
  console.log(`Every test of Kafka is skipped: this machine lacks ${missing}.`)
const jars = missing === undefined ? fetchJars("kafka-jars", kafka) : ""
runSuite("kafka", rest, { KAFKA_JARS: jars, ...env })
