/**
 * The worker thread behind `workerFlusher.ts`: takes flush jobs and answers each. While the files of
 * one table are synchronised, it works for others.
 */
import { parentPort, workerData } from "node:worker_threads"
import { localFlusher } from "./flushTable.ts"
import type { Readers } from "../../internal/log/durableFile.ts"
import type { WorkerReply, WorkerRequest } from "./workerFlusher.ts"

const port = parentPort!
const flusher = localFlusher(workerData as Readers)

const handle = async (request: WorkerRequest): Promise<WorkerReply> => {
  try {
    if (request.kind === "flush") return { id: request.id, outcome: await flusher.flush(request.job) }
    if (request.kind === "look") return { id: request.id, outcome: await flusher.look(request.folder, request.name) }
    await flusher.forget(request.folder)
    return { id: request.id, outcome: undefined }
  } catch (error) {
    const { code, path, syscall } = error as NodeJS.ErrnoException
    const message = error instanceof Error ? error.message : "unknown error"
    return { id: request.id, error: { code, message, path, syscall } }
  }
}

port.on("message", (request: WorkerRequest) => {
  void handle(request).then((reply) => port.postMessage(reply))
})
