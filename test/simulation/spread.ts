/** Distributes a run over processes: each takes the next chunk as soon as it has finished one. */
import * as ChildProcess from "node:child_process"
import * as Path from "node:path"
import {
  type Chunk,
  type ChunkResult,
  emptyTotals,
  type Failure,
  runChunk,
  type Totals
} from "./chunks.ts"

/** A run and where it stops. */
export interface Run {
  readonly first: Omit<Chunk, "count" | "failures">
  /** Pieces of one chunk. */
  readonly chunkSize: number
  readonly workers: number
  /** Once this many have failed, no further chunk begins, and running chunks end. */
  readonly failures: number
  /** The index after the last one; `Infinity` if only `enough` decides when to stop. */
  readonly end: number
  readonly enough: (totals: Totals) => boolean
}

/** Runs chunks that the parent process sends, until it has no more. */
export const serveChunks = (): void => {
  process.on(
    "message",
    (chunk: Chunk) => void runChunk(chunk).then((result) => process.send!(result))
  )
  process.on("disconnect", () => process.exit())
}

/** Runs everything. Returns totals, and failures in order of their index. */
export const spread = async (
  run: Run
): Promise<{ readonly totals: Totals; readonly failures: Array<Failure> }> => {
  const totals = emptyTotals()
  const failures: Array<Failure> = []
  let next = run.first.from
  const take = (): Chunk | undefined => {
    if (next >= run.end || failures.length >= run.failures || run.enough(totals)) return undefined
    const { failures: limit, first } = run
    const chunk = {
      ...first,
      failures: limit,
      from: next,
      count: Math.min(run.chunkSize, run.end - next)
    }
    next += chunk.count
    return chunk
  }
  const collect = (result: ChunkResult) => {
    for (const key of Object.keys(totals) as Array<keyof Totals>) totals[key] += result.totals[key]
    failures.push(...result.failures)
  }
  const worker = () =>
    new Promise<void>((resolve, reject) => {
      const main = Path.join(import.meta.dirname, "main.ts")
      const child = ChildProcess.fork(main, ["--worker"], { execArgv: process.execArgv })
      const feed = () => {
        const chunk = take()
        if (chunk !== undefined) child.send(chunk)
        else child.disconnect()
      }
      child.on("message", (result: ChunkResult) => {
        collect(result)
        feed()
      })
      child.on("error", reject)
      child.on("exit", (code) =>
        code === 0 ? resolve() : reject(new Error(`a simulation process ended with code ${code}`))
      )
      feed()
    })
  // A single worker needs no separate process, which would outlive this one if a run never ends.
  if (run.workers === 1 || run.end - run.first.from <= run.chunkSize) {
    for (let chunk = take(); chunk !== undefined; chunk = take()) collect(await runChunk(chunk))
  } else {
    const chunks = Math.ceil((run.end - run.first.from) / run.chunkSize)
    await Promise.all(Array.from({ length: Math.min(run.workers, chunks) }, worker))
  }
  failures.sort((a, b) => a.index - b.index)
  return { totals, failures }
}
