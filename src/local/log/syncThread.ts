/**
 * A disk whose files are synced by a dedicated thread.
 *
 * Node has four threads for all file system calls. While many tables are flushed, all four wait for
 * a disk, and a log group would wait behind them: an acknowledgement would take as long as a flush.
 * For the same reason, small writes run on the calling thread, which only copies them to the
 * system's cache.
 */
import { fstatSync, writevSync } from "node:fs"
import { Worker } from "node:worker_threads"
import { type LogDisk, type LogFile, nodeDisk } from "../../internal/log/logDisk.ts"

/** A request to the thread. */
export interface SyncRequest {
  readonly id: number
  readonly fd: number
}

/** A reply of the thread; `code` is the error code of a failure. */
export interface SyncReply {
  readonly id: number
  readonly code: string | undefined
}

// The compiler does not rewrite string literals in `new URL`, so the extension is that of the
// running file.
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
const entry = new URL(`./syncWorker.${extension}`, import.meta.url)

/** Larger writes go to Node's thread pool, because copying them would block the calling thread. */
const smallBytes = 256 * 1024

/** Deno's file descriptors belong to the thread that opened the file. */
const sharesDescriptors = process.versions["deno"] === undefined

/** A disk with a sync thread, which starts with the first sync. */
export interface SyncedDisk {
  readonly disk: LogDisk
  readonly close: () => Promise<void>
}

/** Creates the disk. */
export const syncedDisk = (): SyncedDisk => {
  let worker: Worker | undefined
  /** Whether the thread failed. Node's thread pool does its work from then on. */
  let hasFailed = false
  let nextId = 1
  const waiting = new Map<
    number,
    { readonly done: () => void; readonly fail: (error: Error) => void }
  >()

  const start = (): Worker => {
    const started = new Worker(entry, {
      name: "effect-zerobus-log",
      // The thread needs little memory: each request holds two numbers.
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 }
    })
    const end = (why: string): void => {
      if (worker === started) worker = undefined
      const lost = [...waiting.values()]
      waiting.clear()
      for (const { fail } of lost) fail(new Error(why))
    }
    started.on("message", ({ code, id }: SyncReply) => {
      const found = waiting.get(id)
      waiting.delete(id)
      if (waiting.size === 0) started.unref()
      if (code === undefined) found?.done()
      else found?.fail(Object.assign(new Error(`${code}: the file was not synchronised`), { code }))
    })
    started.on("error", (error) => {
      hasFailed = true
      end(`The thread of the log failed: ${error.message}`)
    })
    started.on("exit", () => end("The thread of the log ended."))
    return started
  }

  const datasync = (fd: number): Promise<void> =>
    new Promise((done, fail) => {
      const thread = (worker ??= start())
      const id = nextId++
      thread.ref()
      waiting.set(id, { done, fail })
      thread.postMessage({ id, fd } satisfies SyncRequest)
    })

  const withThread = (file: LogFile): LogFile => {
    const { fd } = file
    if (fd === undefined || !sharesDescriptors) return file
    return {
      ...file,
      write: async (parts, position) => {
        const bytes = parts.reduce((sum, { length }) => sum + length, 0)
        if (bytes > smallBytes) return file.write(parts, position)
        const written = writevSync(fd, parts, position)
        if (written < bytes)
          await file.write([Buffer.concat(parts).subarray(written)], position + written)
      },
      datasync: () => (hasFailed ? file.datasync() : datasync(fd)),
      isDeleted: async () => fstatSync(fd).nlink === 0
    }
  }

  return {
    disk: {
      ...nodeDisk,
      create: async (path) => withThread(await nodeDisk.create(path)),
      open: async (path, readOnly) => {
        const file = await nodeDisk.open(path, readOnly)
        return readOnly ? file : withThread(file)
      }
    },
    close: async () => {
      await worker?.terminate()
      worker = undefined
    }
  }
}
