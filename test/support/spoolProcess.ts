/**
 * A separate process that opens a spool and appends numbered records until it is killed.
 *
 *     node spoolProcess.ts FOLDER     one line per group: the last offset that is persisted
 */
import { open, offer, settled } from "./spoolFolder.ts"
import { print } from "./printed.ts"

const log = await open(process.argv[2]!)
for (;;) {
  const offset = offer(
    log,
    Array.from({ length: 20 }, (_, i) => `record ${i}`)
  )
  if ((await settled(log.latestGroup)) !== "persisted") throw new Error("a group failed")
  print(`${offset}\n`)
}
