// Runs the bridge from PostgreSQL against a real server, which the suite starts in a temporary
// folder. `--full` has more kills. Root installs Debian's package where it is missing; elsewhere
// every test then counts as skipped.
import { providePostgres, runSuite, suiteOptions } from "./foreignSuite.mjs"

providePostgres()
const { env, rest } = suiteOptions("POSTGRES")
runSuite("postgres", rest, env)
