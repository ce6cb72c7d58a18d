// Runs clusters of real processes over PostgreSQL, and kills, adds and stops runners. `--full`
// ingests 1,000,000 records; `CLUSTER_SEED` determines the times and the order. Root installs
// Debian's PostgreSQL package when it is missing. Otherwise all tests are skipped.
import { providePostgres, runSuite, suiteOptions } from "./foreignSuite.mjs"

providePostgres()
const { env, rest } = suiteOptions("CLUSTER")
runSuite("cluster", rest, env)
