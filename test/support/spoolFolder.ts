/**
 * Shared by the tests of spools: framed records, and a spool in a temporary folder.
 */
import { Effect } from "effect"
import { temporaryFolder } from "./storedTables.ts"
import { type LogDisk, nodeDisk } from "../../src/internal/log/logDisk.ts"
import { openSpool } from "../../src/internal/spool/openSpool.ts"
import { recordEnd } from "../../src/internal/protobuf/envelope.ts"
import type { SpoolGroup, SpoolLog, SpoolOptions } from "../../src/internal/spool/spoolLog.ts"
import type { Spool } from "../../src/internal/spooledLog.ts"

/** Strings as records with tag and length. */
export const framed = (...texts: ReadonlyArray<string>): Buffer =>
  Buffer.concat(
    texts.map((text) => {
      const payload = Buffer.from(text)
      const length: Array<number> = []
      for (let left = payload.length; ; left >>>= 7) {
        length.push(left < 0x80 ? left : (left & 0x7f) | 0x80)
        if (left < 0x80) break
      }
      return Buffer.concat([Buffer.from([0x0a, ...length]), payload])
    })
  )

/** Opens a spool of JSON records in a folder. */
export const open = (folder: string, options: Partial<SpoolOptions> = {}): Promise<SpoolLog> =>
  openSpool({
    folder,
    identity: { table: "main.default.t", recordType: "json", descriptor: undefined },
    maxBytes: 1_000_000_000,
    sync: "group",
    disk: nodeDisk,
    now: () => ({ monotonic: 0, wall: 0 }),
    ...options
  })

/** Appends strings, one by one or as a batch, with or without a key. Returns the last offset. */
export const offer = (
  log: SpoolLog,
  texts: ReadonlyArray<string>,
  atomic = false,
  force = false,
  key?: number
): number => {
  const contents = atomic ? [framed(...texts)] : texts.map((text) => framed(text))
  let offset = -1
  for (const content of contents) {
    offset = log.offer(content, 0, content.length, atomic ? texts.length : 1, atomic, force, key)
  }
  return offset
}

/** Waits until a group is on disk or has failed. */
export const settled = (group: SpoolGroup | undefined) =>
  new Promise<SpoolGroup["outcome"]>((resolve) =>
    group === undefined ? resolve(undefined) : group.onSettled(resolve)
  )

/** Appends strings and waits for their group. */
export const append = (log: SpoolLog, texts: ReadonlyArray<string>, atomic = false) => {
  offer(log, texts, atomic)
  return settled(log.latestGroup)
}

/** Reads entries until there are no more: `offset text`, batches as `offset [text, text]`. */
export const readAll = async (log: SpoolLog, most = Infinity): Promise<ReadonlyArray<string>> => {
  const { reader } = log
  const found: Array<string> = []
  while (reader.hasMore && found.length < most) {
    const entry = reader.peekUnsafe()
    if (entry === undefined) {
      await reader.load()
      continue
    }
    const texts: Array<string> = []
    let at = entry.start
    while (at < entry.end && found.length + texts.length < most) {
      const end = recordEnd(entry.buffer, at)
      texts.push(entry.buffer.toString("utf8", at + 2, end))
      at = end
    }
    if (entry.atomic) found.push(`${entry.offset} [${texts.join()}]`)
    else found.push(...texts.map((text, i) => `${entry.offset + i} ${text}`))
    reader.takeUnsafe(texts.length, at - entry.start)
  }
  return found
}

/** Runs a test in a temporary folder. */
export const inFolder = (body: (folder: string) => Promise<void>) =>
  Effect.flatMap(temporaryFolder, (folder) => Effect.promise(() => body(folder)))

/** The rejection of a promise. */
export const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => Promise.reject(new Error("it succeeded")),
    (error: unknown) => error
  )

/** A spool of streams on the test's disk. Nothing reads the remaining records. */
export const spoolOn = (disk: LogDisk, folder: string, maxBytes = 1_000_000_000): Spool => ({
  path: folder,
  open: ({ now, ...identity }) =>
    openSpool({ folder, identity, maxBytes, sync: "group", disk, now }),
  left: () => Promise.resolve(undefined)
})
