/**
 * The disk of the client's machine: a folder with files that outlive processes, calls that take
 * time and fail, and the state after a crash.
 *
 * A call takes effect when it ends. A call that a crash cuts short has taken effect fully, in part,
 * or not at all. After the end of a process everything it wrote is there. A loss of power also
 * removes unsynchronised changes: bytes of files sector by sector, and new, replaced and removed
 * names one by one, because their order on disk can differ from the order of the calls.
 */
import * as Path from "node:path"
import { type FolderLock, FolderLocked } from "../../../src/internal/log/folderLock.ts"
import type { LogDisk, LogFile } from "../../../src/internal/log/logDisk.ts"
import type { History } from "../history.ts"
import type { SeededRandom } from "../seededRandom.ts"
import type { VirtualTime } from "../virtualTime.ts"
import type { ClientProcess } from "./clientProcess.ts"
import { DiskImage } from "./diskImage.ts"

/** The only folder that a spool may have, and its parent. */
export const spoolFolder = "/disk/spool"
const above = Path.dirname(spoolFolder)

/** Names and their targets: as reads see them, and as a loss of power may leave them. */
class Names<A> {
  readonly entries = new Map<string, A>()
  private readonly synced = new Map<string, A>()
  private changes: Array<{ readonly name: string; readonly entry: A | undefined }> = []

  set(name: string, entry: A | undefined): void {
    put(this.entries, name, entry)
    this.changes.push({ name, entry })
  }

  isDurable(name: string): boolean {
    const entry = this.synced.get(name)
    return entry !== undefined && entry === this.entries.get(name)
  }

  sync(): void {
    for (const { entry, name } of this.changes) put(this.synced, name, entry)
    this.changes = []
  }

  losePower(random: SeededRandom): void {
    const together = random.pick([0, 1, -1, -1])
    for (const name of new Set(this.changes.map((change) => change.name))) {
      const states = [
        { entry: this.synced.get(name) },
        ...this.changes.filter((change) => change.name === name)
      ]
      const chosen = together < 0 ? random.int(states.length) : together * (states.length - 1)
      put(this.synced, name, states[chosen]!.entry)
    }
    this.changes = []
    this.entries.clear()
    for (const [name, entry] of this.synced) this.entries.set(name, entry)
  }
}

const put = <A>(map: Map<string, A>, name: string, value: A | undefined): void => {
  if (value === undefined) map.delete(name)
  else map.set(name, value)
}

/** The disk calls of a process. */
export const diskCalls = [
  "create",
  "open",
  "read",
  "write",
  "datasync",
  "truncate",
  "remove",
  "list",
  "makeFolder",
  "syncFolder",
  "lock"
] as const
export type DiskCall = (typeof diskCalls)[number]

/** The next calls of a kind fail. */
export interface DiskFault {
  readonly call: DiskCall
  readonly code: string
  times: number
}

/** A call in progress. */
interface Running {
  readonly process: ClientProcess
  readonly effect: () => unknown
  /** A partial effect that a crash may leave instead. */
  readonly partly: () => void
}

const failure = (code: string): Error => Object.assign(new Error(code), { code })

/** The disk of one run. */
export class SimulatedDisk {
  /** Called when bytes of a file changed, and when bytes of it became durable. */
  onWrite: (name: string, image: DiskImage) => void = () => {}
  onDurable: (name: string, image: DiskImage) => void = () => {}
  /**
   * Until when every call takes this many milliseconds longer, and until when nothing can be
   * written.
   */
  readonly slow = { until: 0, millis: 0 }
  fullUntil = 0
  faults: Array<DiskFault> = []
  /** Calls that failed. */
  failures = 0
  private readonly folders = new Names<Names<DiskImage>>()
  private readonly random: SeededRandom
  private readonly time: VirtualTime
  private readonly history: History
  private readonly latency: readonly [number, number]
  private readonly syncLatency: readonly [number, number]
  private running = new Set<Running>()
  private holder: ClientProcess | undefined

  constructor(options: {
    readonly time: VirtualTime
    readonly random: SeededRandom
    readonly history: History
    /** Milliseconds that a call takes, and that a synchronisation takes. */
    readonly latency: readonly [number, number]
    readonly syncLatency: readonly [number, number]
  }) {
    this.time = options.time
    this.random = options.random
    this.history = options.history
    this.latency = options.latency
    this.syncLatency = options.syncLatency
  }

  /** A process ends with its calls in progress, alone or with the power of the machine. */
  crash(process: ClientProcess, power: boolean): void {
    for (const call of this.running) {
      if (call.process !== process) continue
      const dice = this.random.float()
      try {
        if (dice < 0.3) call.effect()
        else if (dice < 0.6) call.partly()
      } catch {
        // It would have failed.
      }
    }
    this.running.clear()
    if (!power) return
    const images = [...this.folders.entries.values()].flatMap(({ entries }) => [
      ...entries.values()
    ])
    for (const names of this.folders.entries.values()) names.losePower(this.random)
    this.folders.losePower(this.random)
    const kept = [...this.folders.entries.values()].flatMap(({ entries }) => [...entries.values()])
    for (const image of new Set([...images, ...kept])) image.losePower(this.random)
    for (const image of images) image.names = kept.includes(image) ? 1 : 0
    for (const image of kept) image.names = 1
  }

  /** The files of the spool by name, in order. */
  get files(): ReadonlyArray<readonly [name: string, image: DiskImage]> {
    const { entries } = this.folders.entries.get(Path.basename(spoolFolder)) ?? {
      entries: new Map<string, DiskImage>()
    }
    return [...entries].sort(([a], [b]) => (a < b ? -1 : 1))
  }

  /** The running process that holds the lock of the spool. */
  get owner(): ClientProcess | undefined {
    return this.holder?.isRunning === true ? this.holder : undefined
  }

  /** The disk as one process uses it. */
  of(process: ClientProcess): LogDisk {
    const call = <A>(kind: DiskCall, effect: () => A, partly: () => void = () => {}): Promise<A> =>
      this.call(process, kind, effect, partly)
    const opened = (name: string, image: DiskImage): LogFile => ({
      read: (buffer, length, position) =>
        call("read", () =>
          image.content.copy(buffer, 0, position, Math.min(position + length, image.content.length))
        ),
      write: (parts, position) => {
        const bytes = Buffer.concat(parts)
        const write = (length: number) => {
          image.write(position, bytes.subarray(0, length))
          this.onWrite(name, image)
        }
        return call(
          "write",
          () => write(bytes.length),
          () => write(this.random.int(bytes.length + 1))
        )
      },
      datasync: () =>
        call("datasync", () => {
          image.sync()
          this.durable(name, image)
        }).catch((error: unknown) => {
          image.failSync(this.random)
          throw error
        }),
      truncate: (bytes) => call("truncate", () => this.truncate(name, image, bytes)),
      isDeleted: () => Promise.resolve(image.names === 0),
      close: () => Promise.resolve()
    })
    const found = (path: string): DiskImage => {
      const image = this.folder(Path.dirname(path)).entries.get(Path.basename(path))
      if (image === undefined) throw failure("ENOENT")
      return image
    }
    const made = (path: string): DiskImage => {
      const folder = this.folder(Path.dirname(path))
      const name = Path.basename(path)
      const before = folder.entries.get(name)
      if (before !== undefined) {
        this.truncate(name, before, 0)
        return before
      }
      const image = new DiskImage()
      image.names = 1
      folder.set(name, image)
      return image
    }
    return {
      create: (path) => call("create", () => opened(Path.basename(path), made(path))),
      open: (path) => call("open", () => opened(Path.basename(path), found(path))),
      readFile: (path) => call("read", () => Buffer.from(found(path).content)),
      list: (path) => call("list", () => [...this.folder(path).entries.keys()]),
      remove: (path) =>
        call("remove", () => {
          const name = Path.basename(path)
          const folder = this.folder(Path.dirname(path))
          const image = folder.entries.get(name)
          if (image === undefined) return
          image.names = 0
          folder.set(name, undefined)
        }),
      truncate: (path, bytes) =>
        call("truncate", () => this.truncate(Path.basename(path), found(path), bytes)),
      makeFolder: (path) =>
        call("makeFolder", () => {
          if (!this.folders.entries.has(Path.basename(path)))
            this.folders.set(Path.basename(path), new Names())
        }),
      syncFolder: (path) =>
        call("syncFolder", () => {
          if (path === above) this.folders.sync()
          else this.folder(path).sync()
          for (const [name, image] of this.files) this.durable(name, image)
        }),
      lock: () => call("lock", () => this.lock(process))
    }
  }

  private call<A>(
    process: ClientProcess,
    kind: DiskCall,
    effect: () => A,
    partly: () => void
  ): Promise<A> {
    if (!process.isRunning) {
      this.history.add({ e: "broken", what: `process ${process.id} calls ${kind} after its end` })
      return new Promise(() => {})
    }
    process.calls(kind)
    return new Promise<A>((resolve, reject) => {
      const running: Running = { process, effect, partly }
      this.running.add(running)
      const end = () => {
        this.running.delete(running)
        this.time.hasPromises = true
        const code = this.failing(kind)
        if (code === undefined) {
          try {
            resolve(effect())
          } catch (error) {
            reject(error as Error)
          }
        } else {
          if (this.random.chance(0.5)) partly()
          reject(failure(code))
        }
      }
      const millis = this.takes(kind)
      if (millis === 0) process.soon(end)
      else process.after(millis, end)
    })
  }

  private takes(kind: DiskCall): number {
    const { latency, random, slow, syncLatency, time } = this
    const [low, high] = kind === "datasync" || kind === "syncFolder" ? syncLatency : latency
    return random.between(low, high) + (time.now < slow.until ? slow.millis : 0)
  }

  private failing(kind: DiskCall): string | undefined {
    const fault = this.faults.find(({ call, times }) => call === kind && times > 0)
    const full = this.time.now < this.fullUntil && (kind === "write" || kind === "create")
    if (fault === undefined && !full) return undefined
    this.failures++
    this.history.add({ e: "diskFailure", call: kind })
    if (full) return "ENOSPC"
    fault!.times--
    return fault!.code
  }

  private truncate(name: string, image: DiskImage, bytes: number): void {
    if (image.content.length === bytes) return
    image.truncate(bytes)
    this.onWrite(name, image)
  }

  private durable(name: string, image: DiskImage): void {
    const folder = Path.basename(spoolFolder)
    if (!this.folders.isDurable(folder) || !this.folders.entries.get(folder)!.isDurable(name))
      return
    if (this.folders.entries.get(folder)!.entries.get(name) === image) this.onDurable(name, image)
  }

  private folder(path: string): Names<DiskImage> {
    const folder = this.folders.entries.get(Path.basename(path))
    if (folder === undefined) throw failure("ENOENT")
    return folder
  }

  /** A process that has ended may have left its lock behind. */
  private lock(process: ClientProcess): FolderLock {
    if (this.holder?.isRunning === true)
      throw new FolderLocked(`The folder ${spoolFolder} is in use.`)
    this.holder = process
    if (process.isRival) this.history.add({ e: "rival" })
    return {
      lost: new Promise<never>(() => {}),
      isHeld: () => Promise.resolve(this.holder === process),
      release: () =>
        this.call(
          process,
          "lock",
          () => {
            if (this.holder === process) this.holder = undefined
          },
          () => {}
        )
    }
  }
}
