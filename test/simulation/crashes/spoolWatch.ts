/**
 * Watches the files of the simulated spool and records in the history what is logged, what is
 * durable, what counts as acknowledged, and how many bytes the log takes.
 */
import type { History } from "../history.ts"
import type { Records } from "../records.ts"
import type { DiskImage } from "./diskImage.ts"
import type { SimulatedDisk } from "./simulatedDisk.ts"
import { readAcknowledgedText, readSpoolText } from "./spoolText.ts"

/** How far a file has been read, as written and as durable. */
interface Read {
  written: number
  durable: number
}

/** The content of a spool when a process starts. */
export interface SpoolStanding {
  /** Everything up to this offset need not be sent again. */
  readonly acknowledged: number
  readonly files: number
  readonly bytes: number
}

/** Watches the spool of one run. */
export class SpoolWatch {
  private readonly disk: SimulatedDisk
  private readonly history: History
  private readonly records: Records
  private readonly read = new WeakMap<DiskImage, Read>()
  /** Whether a group may be written only after everything before it is durable. */
  isSynchronised = false
  private most = 0
  private noted = -1

  constructor(disk: SimulatedDisk, history: History, records: Records) {
    this.disk = disk
    this.history = history
    this.records = records
    disk.onWrite = (name, image) => this.written(name, image)
    disk.onDurable = (name, image) => this.durable(name, image)
  }

  /** The state according to the files; call it when no process runs. */
  standing(): SpoolStanding {
    this.most = 0
    const files = this.disk.files.filter(([name]) => isLog(name))
    const noted = readAcknowledgedText(
      this.disk.files.find(([name]) => name === "acknowledged")?.[1].content
    )
    this.noted = noted
    const [first] = files.flatMap(([, image]) => {
      const [header] = readSpoolText(image.content, 0).entries
      return header?.kind === "header" ? [header.first] : []
    })
    const bytes = files.reduce((sum, [, { content }]) => sum + content.length, 0)
    return { acknowledged: Math.max(noted, (first ?? 0) - 1), files: files.length, bytes }
  }

  private written(name: string, image: DiskImage): void {
    if (name === "acknowledged") {
      const offset = readAcknowledgedText(image.content)
      if (offset !== this.noted) this.history.add({ e: "noted", offset })
      this.noted = offset
    }
    if (!isLog(name)) return
    const bytes = this.disk.files.reduce(
      (sum, [other, { content }]) => sum + (isLog(other) ? content.length : 0),
      0
    )
    if (bytes > this.most) {
      this.most = bytes
      this.history.add({ e: "logBytes", bytes })
    }
    const read = this.readOf(image)
    if (read.written > image.content.length) read.written = 0
    const { end, entries } = readSpoolText(image.content, read.written)
    if (this.isSynchronised && entries.length > 0 && read.written > read.durable) {
      this.history.add({
        e: "broken",
        what: `a group follows bytes of ${name} that are not durable`
      })
    }
    read.written = end
    for (const entry of entries) {
      if (entry.kind !== "records") continue
      const { batch, offset, payloads } = entry
      this.history.add({
        e: "logged",
        offset,
        batch,
        records: payloads.map((each) => this.records.recognise(each))
      })
    }
  }

  private durable(name: string, image: DiskImage): void {
    if (!isLog(name)) return
    const read = this.readOf(image)
    const content = image.durable
    if (read.durable > content.length) read.durable = 0
    const { end, entries } = readSpoolText(content, read.durable)
    read.durable = end
    for (const entry of entries) {
      if (entry.kind !== "records") continue
      this.history.add({
        e: "synced",
        records: entry.payloads.map((each) => this.records.recognise(each))
      })
    }
  }

  private readOf(image: DiskImage): Read {
    let read = this.read.get(image)
    if (read === undefined) this.read.set(image, (read = { written: 0, durable: 0 }))
    return read
  }
}

const isLog = (name: string): boolean => name.endsWith(".log")
