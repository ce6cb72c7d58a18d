/**
 * The process of one client of `bench:streams`: opens its streams, sends at the pace that the parent
 * orders, and measures itself.
 */
import { PerformanceObserver } from "node:perf_hooks"
import { byteRecords, paced } from "../clients/client.ts"
import { percentile } from "../figures.ts"
import type { LoneSpec, OpenLone } from "./lone.ts"

/** How opening went: milliseconds, and resident bytes before and after. */
export interface LoneOpened {
  readonly millis: number
  readonly rssBefore: number
  readonly rss: number
}

/** So many records a second over all streams, for so many milliseconds; one of `observeEvery` is observed. */
export interface LoneOrder {
  readonly rate: number
  readonly millis: number
  readonly observeEvery: number
}

/** What a slice of load used. Times in milliseconds. */
export interface LoneResult {
  readonly records: number
  /** Records per second that really went. */
  readonly rate: number
  /** CPU time of the whole process, native threads included, in seconds. */
  readonly cpu: number
  /** Time to acknowledgement. */
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** The time of the first record, and the most of all the others. */
  readonly first: number
  readonly rest: number
  /** The longest pause for garbage collection. */
  readonly gc: number
  /** 99th percentile of what a 10 ms timer was late. */
  readonly late: number
  readonly rss: number
}

const most = (times: ReadonlyArray<number>): number => times.reduce((so, time) => Math.max(so, time), 0)

/** The longest garbage collection since it was set to 0, in milliseconds. */
let collecting = 0
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) collecting = Math.max(collecting, duration)
}).observe({ entryTypes: ["gc"] })

/** Bytes of a record. */
const SIZE = 100
const TIMER = 10

/** Notes how late each timer of a chain is, until it is stopped. */
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
  const { open } = (await import(`./${spec.client}.ts`)) as { readonly open: OpenLone }
  const records = byteRecords(SIZE)
  const rssBefore = process.memoryUsage.rss()
  const started = performance.now()
  const streams = await open(spec, records)
  const opened: LoneOpened = {
    millis: performance.now() - started,
    rssBefore,
    rss: process.memoryUsage.rss()
  }
  let count = 0
  const carryOut = async ({ millis, observeEvery, rate }: LoneOrder): Promise<LoneResult> => {
    const times: Array<number> = []
    const stopTimer = watchTimer()
    collecting = 0
    const before = count
    const cpuBefore = process.cpuUsage()
    const reached = await paced(rate, millis, (due) => {
      streams.send(
        Array.from({ length: due }, () => ({ stream: count % spec.streams, observed: count++ % observeEvery === 0 })),
        (millis) => void times.push(millis)
      )
    })
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
      first: times[0] ?? Number.NaN,
      rest: most(times.slice(1)),
      gc: collecting,
      late: percentile(late, 0.99),
      rss: process.memoryUsage.rss()
    }
  }
  process.on("message", (order: LoneOrder) => {
    carryOut(order).then(
      (result) => process.send?.(result),
      (error) => process.send?.({ error: String(error) })
    )
  })
  process.on("disconnect", () => process.exit(0))
  process.send?.(opened)
} catch (error) {
  process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
}
