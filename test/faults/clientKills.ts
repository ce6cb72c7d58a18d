/**
 * Kills a client with a spool, over and over, with SIGKILL at random moments, and the local server with it in a third of the rounds. In
 * the end every record that `ingestRecord` took must be in the table. `npm run faults:client-kill -- --kills 100 --seed 1`
 */
import { parseArgs } from "node:util"
import { killClients } from "./killedClients.ts"

const { values } = parseArgs({
  options: { kills: { type: "string", default: "20" }, seed: { type: "string", default: "1" } }
})
const { doubled, lost, rows, seconds, serverKills, taken } = await killClients(
  Number(values.kills),
  Number(values.seed)
)
console.log(
  `${values.kills} kills of the client and ${serverKills} of the server in ${seconds.toFixed(1)} s: ${taken} records taken, ` +
    `${rows} rows in the table, ${doubled} more than once, ${lost} lost, seed ${values.seed}`
)
process.exit(lost === 0 ? 0 : 1)
