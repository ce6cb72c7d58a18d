// Tests the bridge from PostgreSQL with a real server, which the suite starts in a temporary
// folder. `--full` has more kills. Root installs Debian's package when it is missing. Otherwise all
// tests are skipped.
import { providePostgres, runSuite, suiteOptions } from "./foreignSuite.mjs"

providePostgres()
const { env, rest } = suiteOptions("POSTGRES")
runSuite("postgres", rest, env)
