/**
 * The worker thread of `workerFlusher.ts`: runs flush jobs and replies to each. While the files of
 * one table are synced, it works on other tables.
 */
import { parentPort, workerData } from "node:worker_threads"
import { localFlusher } from "./flusher.ts"
import type { Readers } from "../../internal/log/durableFile.ts"
import { buffersOf } from "../parquet/columnBuffer.ts"
import { freePassed } from "../parquet/columnMemory.ts"
import { StorageFailure } from "../log/storageErrors.ts"
import type { Outcome, WorkerReply, WorkerRequest } from "./workerFlusher.ts"

const port = parentPort!
const flusher = localFlusher(workerData as Readers)

const outcomeOf = (request: WorkerRequest): Promise<Outcome> => {
  switch (request.kind) {
    case "flush":
      // The columns of a small flush outlive the young generation. Without this call, only a full
      // garbage collection would free them.
      return flusher.flush(request.job).finally(() => freePassed(buffersOf(request.job.chunks)))
    case "prepare":
      return flusher.prepare(request.job)
    case "open":
      return flusher.open(request.folder, request.name)
    case "look":
      return flusher.look(request.folder, request.name)
    case "forget":
      return flusher.forget(request.folder)
  }
}

const handle = async (request: WorkerRequest): Promise<WorkerReply> => {
  try {
    return { id: request.id, outcome: await outcomeOf(request) }
  } catch (error) {
    const { code, path, syscall } = error as NodeJS.ErrnoException
    const message = error instanceof Error ? error.message : "unknown error"
    const reason = error instanceof StorageFailure ? error.reason : undefined
    return { id: request.id, error: { code, message, path, syscall, reason } }
  }
}

port.on("message", (request: WorkerRequest) => {
  void handle(request).then((reply) => port.postMessage(reply))
})
