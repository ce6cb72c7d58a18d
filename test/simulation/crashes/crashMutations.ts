/** Planted bugs in the spool; the runs with crashes must find each. */
import type { Mutation } from "../mutations.ts"

const openSpool = "internal/spool/openSpool.ts"
const spoolLog = "internal/spool/spoolLog.ts"
const spoolScan = "internal/spool/spoolScan.ts"
const acknowledged = "internal/spool/acknowledgedFile.ts"
const reader = "internal/spool/spoolReader.ts"
const writer = "internal/log/segmentWriter.ts"
const zone = "internal/engine/spooledZone.ts"
const refused = "internal/engine/streamRefused.ts"

const cutTail =
  "      if (last !== undefined) await disk.truncate(segmentPath(folder, last.file), last.bytes)\n"

const planted: ReadonlyArray<Omit<Mutation, "by">> = [
  {
    name: "a group is answered before it is synchronised",
    file: writer,
    find: "this.sync ? file.datasync() : undefined])",
    replace: "this.sync ? void file.datasync().catch(() => {}) : undefined])"
  },
  {
    name: "a file is deleted when its first record is acknowledged",
    file: spoolLog,
    find: "return files.length > 1 && files[1]!.first <= acknowledged + 1",
    replace: "return files.length > 1 && files[0]!.first <= acknowledged"
  },
  {
    name: "the last record is left out when the spool is opened",
    file: spoolScan,
    find: "next: Math.max(expected, acknowledged + 1)",
    replace: "next: Math.max(expected - 1, acknowledged + 1)"
  },
  {
    name: "records are written down as acknowledged when they are sent",
    file: zone,
    find: "    this.pumping = false\n    if (entry",
    replace:
      "    this.pumping = false\n    this.log.acknowledge(zone.nextOffset - 1)\n    if (entry"
  },
  {
    name: "acknowledgements are written down only when the stream closes",
    file: spoolLog,
    find: "    this.acknowledged = offset\n    this.keep()\n",
    replace: "    this.acknowledged = offset\n"
  },
  {
    name: "a torn tail is neither cut off nor left out by the next file",
    file: openSpool,
    find: cutTail,
    replace: "",
    also: [
      {
        file: spoolLog,
        find: "before: last === undefined ? undefined : { file: last.file, bytes: last.bytes },",
        replace: "before: undefined,"
      }
    ]
  },
  {
    name: "a file is synchronised again after that failed",
    file: writer,
    find: "this.sync ? file.datasync() : undefined])",
    replace: "this.sync ? file.datasync().catch(() => file.datasync()) : undefined])"
  },
  {
    name: "the next group follows one that failed in its file",
    file: writer,
    find: "      await file.truncate(size).catch(() => {})\n      await this.end()\n",
    replace: "      open.size = end\n"
  },
  {
    name: "the lock is ignored",
    file: openSpool,
    find: "await disk.lock(folder)",
    replace:
      "await disk.lock(folder).catch(() => ({ lost: new Promise<void>(() => {}), isHeld: async " +
      "() => true, release: async () => {} }))"
  },
  {
    name: "the position is lost with a new file",
    file: spoolLog,
    find: "    const { position, streamId } = this\n",
    replace:
      "    const { streamId } = this\n    const position = undefined as Position | undefined\n"
  },
  {
    name: "a position in an older file takes precedence over a later header",
    file: spoolScan,
    find: "    position = inFile ?? positionOf(header) ?? position\n",
    replace: "    position = inFile ?? position ?? positionOf(header)\n"
  },
  {
    name: "a refused record leaves the spool before it is written down",
    file: refused,
    find:
      "  if (onRefused === undefined || !(yield* handled(core, refused, cause))) return " +
      "ending\n",
    replace:
      "  if (onRefused === undefined) return ending\n  yield* Effect.forkDetach(handled(core, " +
      "refused, cause))\n"
  },
  {
    name: "a file is deleted before the acknowledgement of its records is on disk",
    file: spoolLog,
    find: "      await noted.synchronise()\n",
    replace: ""
  },
  {
    name: "records written by a killed process are sent without being synchronised",
    file: openSpool,
    find: '      if (sync === "group") await synchronise(disk, folder, files)\n',
    replace: ""
  },
  {
    name: "a second synchronisation of a killed process's records is trusted",
    file: openSpool,
    find: "      if (file === files.at(-1)!.file) {",
    replace: "      if (file < 0) {"
  },
  {
    name: "the folder's own name is not durable",
    file: openSpool,
    find: "  await disk.syncFolder(Path.dirname(folder))\n",
    replace: ""
  },
  {
    name: "the name of a new file is not durable",
    file: writer,
    find: "      if (this.sync) await this.disk.syncFolder(this.folder)\n",
    replace: ""
  },
  {
    name: "the header of a new file is not durable before its first group",
    file: writer,
    find: "      if (this.sync) await file.datasync()\n",
    replace: ""
  },
  {
    name: "a failed note is followed by one in the other slot",
    file: acknowledged,
    find: "const count = this.count + 1",
    replace: "const count = ++this.count"
  },
  {
    name: "an empty spool has no room for waiting calls",
    file: spoolLog,
    find: "    if (this.nextOffset === offset + 1) this.onRoom()\n",
    replace: ""
  },
  {
    name: "offsets of a failed group are not assigned again",
    file: spoolLog,
    find: "      this.nextOffset = first!.first\n",
    replace: ""
  },
  {
    name: "a run is sent from its start although a part of it is acknowledged",
    file: reader,
    find: "      this.taken = skipRecords(entry, records)\n      return\n",
    replace: "      entry.records -= records\n      entry.offset = this.offset\n      return\n"
  },
  {
    name: "a persistent stream is resumed at the committed offset instead of after it",
    file: zone,
    find: "this.log.reader.startAt(committed + 1)",
    replace: "this.log.reader.startAt(committed)"
  },
  {
    name: "the id of a persistent stream is not kept with its spool",
    file: spoolLog,
    find: "    this.streamId = streamId\n",
    replace: ""
  },
  {
    name: "a torn tail stays in its file, where the next file's header leaves it out",
    file: openSpool,
    find: cutTail,
    replace: "",
    harmless: true
  }
]

export const crashMutations: ReadonlyArray<Mutation> = planted.map((mutation) => ({
  ...mutation,
  by: "crashes"
}))
