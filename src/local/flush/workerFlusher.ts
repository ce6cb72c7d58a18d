/**
 * Runs flushes in one worker thread, so that Parquet encoding and compression never block the
 * server's event loop.
 *
 * Column buffers are shared or transferred. When a worker dies, its pending flushes fail. The next
 * flush starts a new worker, and the engine decodes the lost rows again from the log. The worker's
 * code is in `flushWorker.ts`.
 */
import { Worker } from "node:worker_threads"
import { type StorageReason, StorageFailure } from "../log/storageErrors.ts"
import { workerHeap } from "../log/workerHeap.ts"
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

/** A request to the worker. */
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

/** The parts of an error that are sent back. */
export interface WorkerError {
  readonly message: string
  readonly code: string | undefined
  readonly path: string | undefined
  readonly syscall: string | undefined
  /** The reason of a `StorageFailure`. */
  readonly reason: StorageReason | undefined
}

const errorOf = ({ message, reason, ...rest }: WorkerError): Error =>
  reason === undefined
    ? Object.assign(new Error(message), rest)
    : new StorageFailure({ reason, message })

/** The result of a request. */
export type Outcome = FlushOutcome | PreparedTable | TableLook | undefined | void

/** A reply of the worker. */
export type WorkerReply =
  | { readonly id: number; readonly outcome: Outcome }
  | { readonly id: number; readonly error: WorkerError }

interface Waiting {
  /** The memory of the column buffers, which the worker uses until it replies. */
  readonly memory: ReadonlyArray<ArrayBufferLike>
  readonly resolve: (outcome: any) => void
  readonly reject: (error: Error) => void
}

// The compiler does not rewrite string literals in `new URL`, so the extension is that of the
// running file.
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
const entry = new URL(`./flushWorker.${extension}`, import.meta.url)

/** A worker ended before it replied. */
class WorkerEnded extends Error {}

/** A running worker and its pending requests. */
interface Running {
  readonly worker: Worker
  readonly waiting: Map<number, Waiting>
}

/**
 * A flusher with a dedicated worker thread, which starts with the first request. `readers` may read
 * the files that it writes. `onStart` is called with each worker; tests use it to end the worker.
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
      resourceLimits: workerHeap
    })
    // Each worker has its own map: a failed worker exits later, when its successor already has
    // requests.
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
   * Retries with a new worker, because a table that fails to open would be refused until the next
   * start.
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
