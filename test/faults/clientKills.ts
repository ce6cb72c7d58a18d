/**
 * Kills a client with a spool, over and over, with SIGKILL at random moments, and the local server with it in a third of the rounds. In
 * the end every record that `ingestRecord` took must be in the table. `npm run faults:client-kill -- --kills 100 --seed 1`
 *
 * With `--persistent` the stream is a persistent one, and each record must be there once. With `--persistent --source` it has no spool, and
 * the records come from a source that goes on at `resumedAt`.
 */
import { parseArgs } from "node:util"
import { killClients } from "./killedClients.ts"

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
    persistent: { type: "boolean", default: false },
    source: { type: "boolean", default: false }
  }
})
const { persistent, source } = values
const mode = persistent ? (source ? "source" : "persistent") : "ephemeral"
const { doubled, lost, rows, seconds, serverKills, taken } = await killClients(
  Number(values.kills),
  Number(values.seed),
  mode
)
console.log(
  `${mode}: ${values.kills} kills of the client and ${serverKills} of the server in ${seconds.toFixed(1)} s: ${taken} records taken, ` +
    `${rows} rows in the table, ${doubled} more than once, ${lost} lost, seed ${values.seed}`
)
process.exit(lost === 0 && (!persistent || doubled === 0) ? 0 : 1)
