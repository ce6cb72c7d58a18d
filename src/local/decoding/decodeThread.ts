/**
 * Decodes records in a dedicated thread, block by block, so that the main thread continues to
 * frame, log and acknowledge. The thread starts when it is first needed.
 *
 * One block is decoded at a time; others wait in order. When the thread dies, its blocks fail, and
 * the next block starts a new thread. If the thread cannot start, the caller has to decode from
 * then on.
 */
import { Worker } from "node:worker_threads"
import { workerHeap } from "../log/workerHeap.ts"
import { giveMemory } from "../parquet/columnMemory.ts"
import {
  blockOf,
  type DecodeBlock,
  type DecodedBlock,
  type DecodeTarget,
  type MessageRecords,
  transferOf
} from "./decodeBlock.ts"

/** A request to the worker. */
export type DecodeRequest =
  | { readonly kind: "open"; readonly target: number; readonly how: DecodeTarget }
  | { readonly kind: "close"; readonly target: number }
  | { readonly kind: "decode"; readonly target: number; readonly block: DecodeBlock }

/** A reply of the worker. */
export type DecodeReply =
  | { readonly kind: "ready" }
  | { readonly kind: "decoded"; readonly decoded: DecodedBlock }

/**
 * The result of a block: its rows, which have to be copied immediately; "undecoded" when the caller
 * has to decode it; or an error when it is lost.
 */
export type DecodeResult = DecodedBlock | "undecoded" | Error

/** A thread that decodes. */
export interface DecodeThread {
  /** Whether a block can be decoded without waiting for the thread to start. Starts the thread. */
  readonly isReady: () => boolean
  /** Whether the thread cannot be started. */
  readonly isBroken: () => boolean
  /** Decodes messages, whose bytes must not change until `done` is called, once. */
  readonly decode: (
    target: DecodeTarget,
    messages: ReadonlyArray<MessageRecords>,
    done: (result: DecodeResult) => void
  ) => void
  /** Removes a target; its waiting blocks are lost. */
  readonly forget: (target: DecodeTarget) => void
  readonly close: () => Promise<void>
}

interface Waiting {
  readonly target: DecodeTarget
  readonly messages: ReadonlyArray<MessageRecords>
  readonly done: (result: DecodeResult) => void
}

/** A running worker. */
interface Running {
  readonly worker: Worker
  isReady: boolean
  /** The block being decoded, and its bytes. */
  current: { readonly waiting: Waiting; readonly block: DecodeBlock } | undefined
  readonly targets: Map<DecodeTarget, number>
}

// The compiler does not rewrite string literals in `new URL`, so the extension is that of the
// running file.
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
const workerEntry = new URL(`./decodeWorker.${extension}`, import.meta.url)

/**
 * Creates a decode thread, which is not started yet. `onStart` is called with each worker; tests
 * use it to end the worker.
 */
export const decodeThread = (
  onStart: (worker: Worker) => void = () => {},
  entry: URL = workerEntry
): DecodeThread => {
  const queue: Array<Waiting> = []
  let running: Running | undefined
  let isBroken = false
  let nextTarget = 1

  const start = (): Running | undefined => {
    let worker: Worker
    try {
      worker = new Worker(entry, {
        name: "effect-zerobus-decode",
        resourceLimits: workerHeap
      })
    } catch {
      // Node's permission model can forbid threads.
      isBroken = true
      return undefined
    }
    const started: Running = { worker, isReady: false, current: undefined, targets: new Map() }
    const end = (why: string) => {
      if (running !== started) return
      running = undefined
      if (!started.isReady) isBroken = true
      const lost = [
        ...(started.current === undefined ? [] : [started.current.waiting]),
        ...queue.splice(0)
      ]
      for (const { done } of lost) done(isBroken ? "undecoded" : new Error(why))
    }
    worker.on("message", (reply: DecodeReply) => {
      if (reply.kind === "ready") started.isReady = true
      else {
        const { block, waiting } = started.current!
        started.current = undefined
        waiting.done(reply.decoded)
        giveMemory([block.bytes.buffer])
      }
      next()
    })
    worker.on("error", (error) => end(`The decode thread failed: ${error.message}`))
    worker.on("exit", (code) => end(`The decode thread ended with code ${code}.`))
    worker.unref()
    onStart(worker)
    return started
  }

  const targetOf = ({ targets, worker }: Running, how: DecodeTarget): number => {
    let target = targets.get(how)
    if (target === undefined) {
      target = nextTarget++
      targets.set(how, target)
      worker.postMessage({ kind: "open", target, how } satisfies DecodeRequest)
    }
    return target
  }

  const next = (): void => {
    if (running === undefined || !running.isReady || running.current !== undefined) return
    const waiting = queue.shift()
    if (waiting === undefined) return running.worker.unref()
    const block = blockOf(waiting.messages)
    running.worker.ref()
    const target = targetOf(running, waiting.target)
    running.current = { waiting, block }
    running.worker.postMessage(
      { kind: "decode", target, block } satisfies DecodeRequest,
      transferOf([block.bytes.buffer, block.places.buffer, block.counts.buffer])
    )
  }

  return {
    isReady: () => {
      if (isBroken) return false
      running ??= start()
      return running?.isReady === true
    },
    isBroken: () => isBroken,
    decode: (target, messages, done) => {
      if (!isBroken) running ??= start()
      if (running === undefined) return done("undecoded")
      queue.push({ target, messages, done })
      running.worker.ref()
      next()
    },
    forget: (how) => {
      const lost = queue.filter(({ target }) => target === how)
      for (const each of lost) queue.splice(queue.indexOf(each), 1)
      for (const { done } of lost) done(new Error("The stream of the records has ended."))
      const target = running?.targets.get(how)
      if (target === undefined) return
      running!.targets.delete(how)
      running!.worker.postMessage({ kind: "close", target } satisfies DecodeRequest)
    },
    close: async () => {
      const ending = running
      running = undefined
      const lost = [
        ...(ending?.current === undefined ? [] : [ending.current.waiting]),
        ...queue.splice(0)
      ]
      for (const { done } of lost) done(new Error("The decode thread was closed."))
      await ending?.worker.terminate()
    }
  }
}
