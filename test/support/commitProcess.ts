/**
 * A separate process that competes for commits of a table.
 *
 *     node commitProcess.ts TABLE_FOLDER NAME COUNT
 *
 * It adds COUNT files named NAME-0, NAME-1, ... that do not exist on disk.
 */
import { openLog } from "../../src/local/delta/deltaLog.ts"

const [folder = "", name = "", count = "0"] = process.argv.slice(2)
const log = await openLog(folder)
if (log === undefined) throw new Error("no table")
for (let n = 0; n < Number(count); n++) {
  await log.commit(() => [
    { commitInfo: { operation: "WRITE" } },
    {
      add: {
        path: `${name}-${n}`,
        partitionValues: {},
        size: 1,
        modificationTime: 0,
        dataChange: true,
        stats: '{"numRecords":1}'
      }
    }
  ])
  await log.checkpointIfDue(0)
}
