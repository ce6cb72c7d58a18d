/**
 * The thread of `syncThread.ts`: syncs the files whose descriptors it receives, one after another,
 * and replies to each request.
 */
import { fdatasyncSync } from "node:fs"
import { parentPort } from "node:worker_threads"
import type { SyncReply, SyncRequest } from "./syncThread.ts"

const port = parentPort!

port.on("message", ({ fd, id }: SyncRequest) => {
  let code: string | undefined
  try {
    fdatasyncSync(fd)
  } catch (error) {
    code = (error as NodeJS.ErrnoException).code ?? "EIO"
  }
  port.postMessage({ id, code } satisfies SyncReply)
})
