/**
 * The process of one client of `bench:streams`. It opens its streams, sends at the rate that the
 * parent orders, and measures itself.
 */
import { PerformanceObserver } from "node:perf_hooks"
import { byteRecords, paced } from "../clients/client.ts"
import { percentile } from "../figures.ts"
import type { LoadLone, LoneSpec } from "./lone.ts"

/** The result of opening: milliseconds, and resident bytes before and after. */
export interface LoneOpened {
  readonly millis: number
  readonly rssBefore: number
  readonly rss: number
}

/** Measures the cost of idle streams over this many milliseconds; on demand, then closes them. */
export interface IdleOrder {
  readonly idle: number
}

/** Share of a core, and resident bytes. */
export interface IdleResult {
  readonly share: number
  readonly rss: number
}

/** Closes all streams. */
export interface CloseOrder {
  readonly close: true
}

/** The result of closing. */
export interface CloseResult {
  readonly millis: number
}

/**
 * A rate in records per second over all streams, for this many milliseconds; one record of
 * `observeEvery` is observed.
 */
export interface LoneOrder {
  readonly rate: number
  readonly millis: number
  readonly observeEvery: number
  /**
   * This many streams get a record at once, and the next ones follow once these are acknowledged,
   * however long that takes. If omitted, records are sent at the rate.
   */
  readonly burst?: number | undefined
  /** Measures the processor time from call to acknowledgement, for one stream at a low rate. */
  readonly spent?: boolean | undefined
}

/** The resources used by a slice of load. Times are in milliseconds. */
export interface LoneResult {
  readonly records: number
  /** The actual rate in records per second. */
  readonly rate: number
  /** CPU time of the whole process, native threads included, in seconds. */
  readonly cpu: number
  /** Time to acknowledgement. */
  readonly p50: number
  readonly p99: number
  readonly max: number
  /**
   * Processor time of the main thread from a call to its acknowledgement: for the first record, the
   * median, and the maximum without the first.
   */
  readonly spent: { readonly first: number; readonly median: number; readonly rest: number }
  /** The longest pause for garbage collection. */
  readonly gc: number
  /** The 99th percentile of the delay of a 10 ms timer. */
  readonly late: number
  readonly rss: number
}

const most = (times: ReadonlyArray<number>): number =>
  times.reduce((so, time) => Math.max(so, time), 0)

/** The longest garbage collection since the value was reset, in milliseconds. */
let collecting = 0
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) collecting = Math.max(collecting, duration)
}).observe({ entryTypes: ["gc"] })

/** Bytes of a record. */
const SIZE = 100
const TIMER = 10

/** Processor time of this thread so far, in milliseconds. */
const usedMillis = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1000
}

/** How many acknowledgements of a burst are observed. */
const awaitedOf = (burst: number, every: number): number => Math.max(1, Math.floor(burst / every))

/**
 * Sends a burst, waits for this many acknowledgements, and repeats. Returns the records per second.
 */
const inBursts = async (
  burst: number,
  millis: number,
  awaited: number,
  send: (acknowledged: () => void) => void
): Promise<number> => {
  const started = performance.now()
  for (let sent = burst; ; sent += burst) {
    await new Promise<void>((resolve) => {
      let left = awaited
      send(() => {
        // In a separate turn: no burst begins while the answer to another is processed.
        if (--left === 0) setImmediate(resolve)
      })
    })
    const elapsed = performance.now() - started
    if (elapsed >= millis) return (sent / elapsed) * 1000
  }
}

/** Measures the delay of each timer of a chain, until it is stopped. */
const watchTimer = (): (() => ReadonlyArray<number>) => {
  const late: Array<number> = []
  let timer: NodeJS.Timeout
  const next = (): void => {
    const due = performance.now() + TIMER
    timer = setTimeout(() => {
      late.push(Math.max(0, performance.now() - due))
      next()
    }, TIMER)
  }
  next()
  return () => {
    clearTimeout(timer)
    return late
  }
}

try {
  const spec = JSON.parse(process.argv[2] ?? "{}") as LoneSpec
  const { load } = (await import(`./${spec.client}.ts`)) as { readonly load: LoadLone }
  const open = await load(spec)
  const records = byteRecords(SIZE)
  const rssBefore = process.memoryUsage.rss()
  const started = performance.now()
  const streams = await open(records)
  const opened: LoneOpened = {
    millis: performance.now() - started,
    rssBefore,
    rss: process.memoryUsage.rss()
  }
  let count = 0
  const carryOut = async (order: LoneOrder): Promise<LoneResult> => {
    const { burst, millis, observeEvery, rate, spent: timed } = order
    const times: Array<number> = []
    const spent: Array<number> = []
    const stopTimer = watchTimer()
    collecting = 0
    const before = count
    const cpuBefore = process.cpuUsage()
    const send = (due: number, acknowledged: (millis: number) => void): void =>
      streams.send(
        Array.from({ length: due }, () => {
          const last = count % observeEvery === observeEvery - 1
          return { stream: count++ % spec.streams, observed: last }
        }),
        acknowledged
      )
    const reached =
      burst === undefined
        ? await paced(rate, millis, (due) => {
            const from = timed === true ? usedMillis() : 0
            send(due, (time) => {
              times.push(time)
              if (timed === true) spent.push(usedMillis() - from)
            })
          })
        : await inBursts(burst, millis, awaitedOf(burst, observeEvery), (acknowledged) =>
            send(burst, (time) => {
              times.push(time)
              acknowledged()
            })
          )
    await streams.flush()
    const { system, user } = process.cpuUsage(cpuBefore)
    const late = stopTimer()
    return {
      records: count - before,
      rate: reached,
      cpu: (system + user) / 1e6,
      p50: percentile(times, 0.5),
      p99: percentile(times, 0.99),
      max: most(times),
      spent: {
        first: spent[0] ?? Number.NaN,
        median: percentile(spent, 0.5),
        rest: most(spent.slice(1))
      },
      gc: collecting,
      late: percentile(late, 0.99),
      rss: process.memoryUsage.rss()
    }
  }
  const rest = async ({ idle }: IdleOrder): Promise<IdleResult> => {
    const cpuBefore = process.cpuUsage()
    await new Promise((resolve) => setTimeout(resolve, idle))
    const { system, user } = process.cpuUsage(cpuBefore)
    return { share: (system + user) / 1000 / idle, rss: process.memoryUsage.rss() }
  }
  const closeAll = async (): Promise<CloseResult> => {
    const begun = performance.now()
    await streams.close()
    return { millis: performance.now() - begun }
  }
  process.on("message", (order: LoneOrder | IdleOrder | CloseOrder) => {
    const done = "idle" in order ? rest(order) : "close" in order ? closeAll() : carryOut(order)
    done.then(
      (result) => process.send?.(result),
      (error) => process.send?.({ error: String(error) })
    )
  })
  process.on("disconnect", () => process.exit(0))
  process.send?.(opened)
} catch (error) {
  process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
}
