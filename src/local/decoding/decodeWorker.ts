/**
 * The worker thread of `decodeThread.ts`: decodes one block after another. An error ends the
 * thread, which fails its blocks.
 */
import { parentPort } from "node:worker_threads"
import { giveMemory } from "../parquet/columnMemory.ts"
import { blockDecoder, memoryOf, transferOf } from "./decodeBlock.ts"
import type { DecodeReply, DecodeRequest } from "./decodeThread.ts"

const port = parentPort!
const decoders = new Map<number, ReturnType<typeof blockDecoder>>()
/** Memory that the main thread reads until it sends the next block. */
let lent: ReadonlyArray<ArrayBufferLike> = []

port.on("message", (request: DecodeRequest) => {
  switch (request.kind) {
    case "open":
      return void decoders.set(request.target, blockDecoder(request.how))
    case "close":
      return void decoders.delete(request.target)
    case "decode": {
      giveMemory(lent)
      const decoded = decoders.get(request.target)!(request.block)
      lent = memoryOf(decoded)
      const reply: DecodeReply = { kind: "decoded", decoded }
      port.postMessage(reply, transferOf(lent))
    }
  }
})
const ready: DecodeReply = { kind: "ready" }
port.postMessage(ready)
