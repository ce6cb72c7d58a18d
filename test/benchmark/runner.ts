/**
 * The process of one measured client. It opens the client, carries out the parent's orders one
 * after another, and measures each in the process itself.
 */
import { constants, monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks"
import type { Client, ClientSpec } from "./clients/client.ts"
import { telemetrySwitch } from "./telemetrySwitch.ts"

/** The orders of the parent. `for` and durations are in milliseconds. */
export type ClientOrder =
  | { readonly do: "run"; readonly for: number }
  | { readonly do: "fill"; readonly records: number; readonly within: number }
  | { readonly do: "count"; readonly records: number; readonly times?: number }
  | { readonly do: "flush" }
  | { readonly do: "telemetry"; readonly on: boolean }
  | { readonly do: "latency"; readonly rate: number; readonly for: number }
  | { readonly do: "allocations"; readonly records: number }

/** The result of opening. */
export interface Opened {
  readonly millis: number
  readonly rssBefore: number
  readonly rss: number
}

/** The resources that one run used. */
export interface RunResult {
  readonly records: number
  readonly seconds: number
  /** CPU time of the whole process, native threads included, in seconds. */
  readonly cpu: number
  /** The 99th percentile of the delay of a 10 ms timer, in milliseconds. */
  readonly loopDelay: number
  /** The longest delay of that timer, in milliseconds. */
  readonly loopDelayMax: number
  /** Share of the time spent collecting garbage. */
  readonly gc: number
  /** Resident memory in bytes, before and after. */
  readonly rssBefore: number
  readonly rss: number
  /** The peak during the run, measured every 20 ms. */
  readonly rssPeak: number
}

const TIMER = 10

let gcMillis = 0
let collections = 0
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    gcMillis += entry.duration
    const { kind } = entry as unknown as {
      readonly detail?: { readonly kind?: number }
      readonly kind?: number
    }
    if (kind !== constants.NODE_PERFORMANCE_GC_INCREMENTAL) collections++
  }
}).observe({ entryTypes: ["gc"] })

const nextTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))

const measured = async (work: () => Promise<number>): Promise<RunResult> => {
  const rssBefore = process.memoryUsage.rss()
  const delay = monitorEventLoopDelay({ resolution: TIMER })
  delay.enable()
  let rssPeak = rssBefore
  const sampler = setInterval(() => (rssPeak = Math.max(rssPeak, process.memoryUsage.rss())), 20)
  gcMillis = 0
  const cpuBefore = process.cpuUsage()
  const started = performance.now()
  const records = await work()
  const seconds = (performance.now() - started) / 1000
  const { system, user } = process.cpuUsage(cpuBefore)
  clearInterval(sampler)
  const rss = process.memoryUsage.rss()
  await nextTurn()
  delay.disable()
  const late = (nanos: number) => Math.max(0, nanos / 1e6 - TIMER)
  return {
    records,
    seconds,
    cpu: (system + user) / 1e6,
    // A run shorter than the timer's period has no samples.
    loopDelay: delay.count === 0 ? 0 : late(delay.percentile(99)),
    loopDelayMax: delay.count === 0 ? 0 : late(delay.max),
    gc: gcMillis / 1000 / seconds,
    rssBefore,
    rss,
    rssPeak: Math.max(rssPeak, rss)
  }
}

/**
 * Heap bytes that one record leaves behind. Requires a young generation large enough that nothing
 * is collected during the measurement.
 */
const allocations = async (
  client: Client,
  records: number
): Promise<{ readonly bytes: number | undefined }> => {
  await client.fill(records, 60_000)
  await client.flush()
  globalThis.gc?.()
  await nextTurn()
  collections = 0
  const before = process.memoryUsage()
  await client.fill(records, 60_000)
  await client.flush()
  const after = process.memoryUsage()
  await nextTurn()
  // Chunks and frames are outside the heap; they are counted where they still exist.
  return { bytes: collections > 0 ? undefined : (after.heapUsed - before.heapUsed) / records }
}

const carryOut = async (client: Client, order: ClientOrder): Promise<unknown> => {
  switch (order.do) {
    case "run":
      return measured(() => client.run(order.for))
    case "fill":
      return measured(() => client.fill(order.records, order.within))
    case "count":
      return measured(async () => {
        let records = 0
        for (let n = 0; n < (order.times ?? 1); n++) records += await client.count(order.records)
        return records
      })
    case "flush":
      return measured(async () => {
        await client.flush()
        return 0
      })
    case "telemetry":
      if (!telemetrySwitch.found)
        throw new Error("The reports to the metrics are not behind the switch.")
      telemetrySwitch.on = order.on
      return {}
    case "latency":
      return client.latency(order.rate, order.for)
    case "allocations":
      return allocations(client, order.records)
  }
}

const textOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)

try {
  const spec = JSON.parse(process.argv[2] ?? "{}") as ClientSpec
  const { open } = (await import(`./clients/${spec.client}.ts`)) as {
    readonly open: (spec: ClientSpec) => Promise<Client>
  }
  const rssBefore = process.memoryUsage.rss()
  const started = performance.now()
  const client = await open(spec)
  const opened: Opened = {
    millis: performance.now() - started,
    rssBefore,
    rss: process.memoryUsage.rss()
  }
  process.on("message", (order: ClientOrder) => {
    carryOut(client, order).then(
      (result) => process.send?.(result),
      (error) => process.send?.({ error: textOf(error) })
    )
  })
  process.on("disconnect", () => {
    // Records in flight no longer matter, and a stalled server would delay an orderly close.
    process.exit(0)
  })
  process.send?.(opened)
} catch (error) {
  process.send?.({ error: textOf(error) })
}
