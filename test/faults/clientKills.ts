/**
 * Repeatedly kills a client with a spool with SIGKILL, at chosen operations and at random moments,
 * and the local server too in a third of the rounds. At the end every record that `ingestRecord`
 * accepted must be in the table. Only records that were in the spool at a kill may be there more
 * than once. `npm run faults:client-kill -- --kills 100 --seed 1`
 *
 * With `--persistent` the stream is persistent, and each record must be in the table exactly once.
 * With `--persistent --source` it has no spool, and the records come from a source that continues
 * at `resumedAt`.
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
const [kills, seed] = [Number(values.kills), Number(values.seed)]
const {
  aims,
  doubled,
  doubledWrongly,
  inSpool,
  lost,
  rows,
  seconds,
  serverKills,
  taken,
  unrecorded
} = await killClients(kills, seed, mode)
const aimed = Object.entries(aims).map(([name, count]) => `${count} ${name}`)
console.log(
  `${mode}: ${kills} kills of the client (${aimed.join(", ")}) and ${serverKills} of the server ` +
    `in ${seconds.toFixed(1)} s, seed ${seed}\n` +
    `${taken} records taken, ${rows} rows in the table, ${lost} lost, ${doubled} rows are ` +
    `duplicates`
)
if (!persistent) {
  console.log(
    `${inSpool} records were in the spool at a kill, ${unrecorded} of them acknowledged and not ` +
      `recorded; ` +
      `${doubledWrongly} duplicates of others`
  )
}
const ok = lost === 0 && doubledWrongly === 0
console.log(ok ? "1 check passed, 0 failed" : "0 checks passed, 1 failed")
process.exit(ok ? 0 : 1)
