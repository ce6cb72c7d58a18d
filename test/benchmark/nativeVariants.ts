/**
 * The native SDK used in many ways, so that the comparison takes the fastest: windows of promises,
 * calls that resolve at the acknowledgement, threads, kinds of records, bounds. Each variant runs
 * without another client's process, and in turns with the others over several rounds. Run it with
 * `npm run bench -- --only "native variants"`; a run without `--only` does not include it.
 */
import { specOf, WINDOW } from "./cases.ts"
import type { Api, NativeUse } from "./clients/client.ts"
import { digits, spreadOf, spreadText, table } from "./figures.ts"
import { type Sink, startClient } from "./processes.ts"
import type { RunResult } from "./runner.ts"
import type { Pace } from "./throughput.ts"

interface Variant {
  readonly name: string
  readonly api: Api
  readonly streams: number
  readonly use: NativeUse
}

const single = (name: string, use: NativeUse, streams = 1): Variant => ({
  name,
  api: "single",
  streams,
  use
})
const batch = (name: string, use: NativeUse): Variant => ({ name, api: "batch", streams: 1, use })

/**
 * Defaults: one thread in the SDK's runtime, 100 pending promises, `Buffer`s, up to 200,000
 * requests in flight.
 */
const variants: ReadonlyArray<Variant> = [
  single("100 promises at a time", {}),
  single("20 promises at a time", { window: 20 }),
  single("300 promises at a time", { window: 300 }),
  single("1,000 promises at a time", { window: 1000 }),
  single("10,000 promises at a time", { window: 10_000 }),
  single("only the last of 100 awaited", { awaits: "last" }),
  single("each promise awaited", { calls: "sequential" }),
  single("ingestRecord, resolves at the acknowledgement", { calls: "acknowledged", window: 1000 }),
  single("ingestRecord, 10,000 at a time", { calls: "acknowledged", window: 10_000 }),
  single("threads as the SDK chooses", { threads: 0 }),
  single("threads as the SDK chooses, 1,000 promises", { threads: 0, window: 1000 }),
  single("4 threads", { threads: 4 }),
  single("UV_THREADPOOL_SIZE=1", { poolThreads: 1 }),
  single("UV_THREADPOOL_SIZE=16", { poolThreads: 16 }),
  single("Uint8Array instead of Buffer", { bytesAs: "Uint8Array" }),
  single("maxInflightRequests as the SDK chooses", { inflight: 0 }),
  single("maxInflightRequests 1,000,000", { inflight: 1_000_000 }),
  single("16 streams", {}, 16),
  single("16 streams, 1,000 promises each", { window: 16_000 }, 16),
  single("16 streams, threads as the SDK chooses", { threads: 0 }, 16),
  batch("batches of 100", {}),
  batch("batches of 100, 4 at a time", { window: 4 }),
  batch("batches of 100, threads as the SDK chooses", { threads: 0 }),
  batch("batches of 100, 4 threads", { threads: 4 })
]

/**
 * Figures of one variant. Rates in records per second, processor time in microseconds per record.
 */
export interface VariantResult {
  readonly name: string
  readonly size: number
  readonly rate: ReturnType<typeof spreadOf>
  readonly cpu: ReturnType<typeof spreadOf>
}

/** Measures all variants with records of 1 KB and of 100 B. */
export const measureVariants = async (
  sink: Sink,
  pace: Pace,
  progress: (line: string) => void
): Promise<ReadonlyArray<VariantResult>> => {
  const results: Array<VariantResult> = []
  for (const size of [1024, 100]) {
    const runs = new Map<Variant, Array<RunResult>>(variants.map((variant) => [variant, []]))
    for (let round = 0; round < pace.rounds; round++) {
      for (const variant of variants) {
        const spec = specOf({ ...variant, size, format: "bytes" }, "native", sink.port, {
          window: WINDOW
        })
        const client = await startClient({ ...spec, nativeUse: variant.use })
        try {
          await client.ask<RunResult>({ do: "run", for: pace.warmUp })
          runs.get(variant)!.push(await client.ask<RunResult>({ do: "run", for: pace.run }))
        } finally {
          await client.stop()
        }
      }
      progress(`native variants, ${size} B: round ${round + 1} of ${pace.rounds}`)
    }
    for (const [{ name }, own] of runs) {
      results.push({
        name,
        size,
        rate: spreadOf(own.map(({ records, seconds }) => records / seconds)),
        cpu: spreadOf(own.map(({ cpu, records }) => (cpu / records) * 1e6))
      })
    }
  }
  return results
}

/** The variants as a table. */
export const variantTable = (results: ReadonlyArray<VariantResult>): string =>
  table(
    ["native SDK, records of", "variant", "thousand records/s", "CPU us/record"],
    results.map(({ cpu, name, rate, size }) => [
      `${digits(size)} B`,
      name,
      spreadText(rate, 1e-3),
      spreadText(cpu)
    ])
  )
