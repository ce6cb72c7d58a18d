/**
 * Runs flushes in one worker thread, so that Parquet and compression never stall the server's event
 * loop.
 *
 * Column buffers are shared or move by transfer. A worker that dies fails the flushes it held; the
 * next flush starts a new one, and the engine decodes the lost rows from the log again. The
 * worker's own code is `flushWorker.ts`.
 */
import { Worker } from "node:worker_threads"
import { type StorageReason, StorageFailure } from "../log/storageErrors.ts"
import type {
  Flusher,
  FlushJob,
  FlushOutcome,
  PreparedTable,
  PrepareJob,
  TableLook
} from "./flusher.ts"
import type { Readers } from "../../internal/log/durableFile.ts"
import { buffersOf } from "../parquet/columnBuffer.ts"
import { giveMemory } from "../parquet/columnMemory.ts"

/** What goes to the worker. */
export type WorkerRequest =
  | { readonly id: number; readonly kind: "flush"; readonly job: FlushJob }
  | {
      readonly id: number
      readonly kind: "open" | "look"
      readonly folder: string
      readonly name: string
    }
  | { readonly id: number; readonly kind: "prepare"; readonly job: PrepareJob }
  | { readonly id: number; readonly kind: "forget"; readonly folder: string }

/** What is kept of an error. */
export interface WorkerError {
  readonly message: string
  readonly code: string | undefined
  readonly path: string | undefined
  readonly syscall: string | undefined
  /** Of a `StorageFailure`. */
  readonly reason: StorageReason | undefined
}

const errorOf = ({ message, reason, ...rest }: WorkerError): Error =>
  reason === undefined
    ? Object.assign(new Error(message), rest)
    : new StorageFailure({ reason, message })

/** What a request answers. */
export type Outcome = FlushOutcome | PreparedTable | TableLook | undefined | void

/** What comes back. */
export type WorkerReply =
  | { readonly id: number; readonly outcome: Outcome }
  | { readonly id: number; readonly error: WorkerError }

interface Waiting {
  /** The memory of the column buffers, which the worker uses until it answers. */
  readonly memory: ReadonlyArray<ArrayBufferLike>
  readonly resolve: (outcome: any) => void
  readonly reject: (error: Error) => void
}

// String literals in `new URL` are not rewritten by the compiler, so the extension comes from the
// file that runs.
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
const entry = new URL(`./flushWorker.${extension}`, import.meta.url)

/** A worker ended before it answered. */
class WorkerEnded extends Error {}

/** A running worker and the requests that it has not answered. */
interface Running {
  readonly worker: Worker
  readonly waiting: Map<number, Waiting>
}

/**
 * A flusher with a worker thread of its own, started with the first flush. `readers` of the files
 * that it writes; `onStart` sees each worker, and tests end it there.
 */
export const workerFlusher = (
  readers: Readers = "owner",
  onStart: (worker: Worker) => void = () => {}
): Flusher => {
  let running: Running | undefined
  let nextId = 1

  const start = (): Running => {
    const worker = new Worker(entry, {
      name: "effect-zerobus-flush",
      workerData: readers,
      // With a limit of 2,048 MiB V8 would let the heap grow to four times what is in use before it
      // collects, with less to twice. Three halves of the young generation count, each 8 MiB: V8's
      // own limit is 64 MiB for each.
      resourceLimits: { maxOldGenerationSizeMb: 2047, maxYoungGenerationSizeMb: 24 }
    })
    // Each worker has a map: a worker that failed exits later, when its successor holds requests.
    const waiting = new Map<number, Waiting>()
    const started = { worker, waiting }
    const end = (why: string) => {
      if (running === started) running = undefined
      const lost = [...waiting.values()]
      waiting.clear()
      for (const each of lost) each.reject(new WorkerEnded(why))
    }
    worker.on("message", (reply: WorkerReply) => {
      const found = waiting.get(reply.id)
      waiting.delete(reply.id)
      if (found !== undefined) giveMemory(found.memory)
      if (waiting.size === 0) worker.unref()
      if ("error" in reply) found?.reject(errorOf(reply.error))
      else found?.resolve(reply.outcome)
    })
    worker.on("error", (error) => end(`The flush worker failed: ${error.message}`))
    worker.on("exit", (code) => end(`The flush worker ended with code ${code}.`))
    onStart(worker)
    return started
  }

  const request = <A>(
    request: WorkerRequest,
    memory: ReadonlyArray<ArrayBufferLike> = []
  ): Promise<A> =>
    new Promise((resolve, reject) => {
      const { waiting, worker } = (running ??= start())
      worker.ref()
      waiting.set(request.id, { memory, resolve, reject })
      worker.postMessage(
        request,
        memory.filter((buffer) => buffer instanceof ArrayBuffer)
      )
    })

  /**
   * Tries again with another worker: a table that fails to open is refused until the next start.
   */
  const twice = <A>(send: () => Promise<A>): Promise<A> =>
    send().catch((error: unknown) => {
      if (error instanceof WorkerEnded) return send()
      throw error
    })

  return {
    flush: (job) => request({ id: nextId++, kind: "flush", job }, buffersOf(job.chunks)),
    open: (folder, name) =>
      twice(() => request<TableLook | undefined>({ id: nextId++, kind: "open", folder, name })),
    prepare: (job) => twice(() => request<PreparedTable>({ id: nextId++, kind: "prepare", job })),
    look: (folder, name) => request({ id: nextId++, kind: "look", folder, name }),
    forget: async (folder) => {
      if (running !== undefined) await request({ id: nextId++, kind: "forget", folder })
    },
    close: async () => {
      const ending = running
      running = undefined
      await ending?.worker.terminate()
    }
  }
}
