/**
 * A spool of an earlier version is opened with all its content.
 */
import { assert, it } from "@effect/vitest"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { examineSpool } from "../../../src/internal/spool/repairSpool.ts"
import { summarize, waitingEntries } from "../../../src/internal/spool/readSpool.ts"
import { append, inFolder, open } from "../../support/spoolFolder.ts"

const fixture = Path.join(import.meta.dirname, "../../fixtures/earlierSpool/spool")
const identity = {
  table: "main.default.earlier",
  recordType: "json",
  descriptor: undefined
} as const

it.live("a spool of an earlier version has its records, batches, offsets and position", () =>
  inFolder(async (folder) => {
    await Fs.cp(fixture, folder, { recursive: true })
    assert.strictEqual((await examineSpool(folder)).upTo, -1)
    const { firstOffset, nextOffset, position, tableName } = await summarize(folder)
    assert.deepStrictEqual([tableName, firstOffset, nextOffset], [identity.table, 10, 60])
    assert.deepStrictEqual(
      [position?.offset, Buffer.from(position!.bytes).toString()],
      [56, "line 56"]
    )
    let next = 10
    for await (const entries of waitingEntries(folder)) {
      for (const { atomic, offset, payloads } of entries) {
        assert.strictEqual(offset, next++)
        assert.deepStrictEqual([atomic, payloads.length], offset % 5 === 4 ? [true, 3] : [false, 1])
        for (const payload of payloads)
          assert.strictEqual(JSON.parse(Buffer.from(payload).toString("utf8")).n, offset)
      }
    }
    assert.strictEqual(next, 60)
    const log = await open(folder, { identity })
    assert.strictEqual(log.acknowledged, 9)
    assert.strictEqual(await append(log, ["later"]), "persisted")
    log.acknowledge(60)
    await log.close()
    assert.strictEqual((await summarize(folder)).firstOffset, 61)
  })
)
