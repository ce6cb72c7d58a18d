// Runs clusters of real processes over PostgreSQL, and kills, adds and stops runners. `--full`
// ingests 1,000,000 records; `CLUSTER_SEED` decides when and in which order. Root installs Debian's
// package of PostgreSQL where it is missing; elsewhere every test then counts as skipped.
import { providePostgres, runSuite, suiteOptions } from "./foreignSuite.mjs"

providePostgres()
const { env, rest } = suiteOptions("CLUSTER")
runSuite("cluster", rest, env)
