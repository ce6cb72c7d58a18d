/**
 * The throughput cases as tables: all figures, and the ratios with their budgets.
 */
import type { ThroughputCase } from "./cases.ts"
import type { ClientName } from "./clients/client.ts"
import { digits, type Spread, spreadText, table } from "./figures.ts"
import type { Budget } from "./scenario.ts"
import type { ThroughputResult } from "./throughput.ts"

const titles: Readonly<Record<ClientName, string>> = {
  ours: "effect-zerobus",
  native: "native SDK",
  rawGrpc: "grpc-js, prepared",
  rawHttp2: "node:http2, prepared"
}

/**
 * The limit of a timer's delay: at full load a timer of 10 ms must run within 30 ms in 99 of 100
 * cases of the worst round, so 20 ms late.
 */
const LATE = 20

const loopBudget = (client: ClientName, loopDelay: number): string =>
  client !== "ours" ? "" : loopDelay <= LATE ? "yes" : "no"

/** The budgets of the throughput cases in words, each with whether it was met. */
export const throughputBudgets = (
  results: ReadonlyArray<ThroughputResult>
): ReadonlyArray<Budget> =>
  results.flatMap(({ figures, id, met }) => [
    ...(met === undefined ? [] : [{ text: id, met }]),
    ...figures
      .filter(({ client }) => client === "ours")
      .map(({ loopDelay }) => ({
        text: `${id}: a 10 ms timer within 30 ms`,
        met: loopDelay <= LATE
      }))
  ])

/** All figures, a row per client and case. */
export const throughputTable = (results: ReadonlyArray<ThroughputResult>): string =>
  table(
    [
      "case",
      "client",
      "million records/s",
      "MB/s",
      "CPU us/record",
      "RSS MB",
      "loop p99 ms",
      `<= ${LATE}`,
      "GC",
      "sink busy"
    ],
    results.flatMap(({ figures, id }) =>
      figures.map(({ client, cpu, gc, loopDelay, megabytes, rate, rss, sinkBusy, threads }) => [
        id,
        threads === 1 ? `${titles[client]}, one thread` : titles[client],
        spreadText(rate, 1e-6),
        digits(megabytes),
        spreadText(cpu),
        digits(rss / 1e6),
        digits(loopDelay),
        loopBudget(client, loopDelay),
        `${digits(gc * 100)} %`,
        `${digits(sinkBusy * 100)} %`
      ])
    )
  )

/** The ratios of this package, with the budgets. */
export const ratioTable = (
  results: ReadonlyArray<ThroughputResult>,
  cases: ReadonlyArray<ThroughputCase>
): string =>
  table(
    [
      "case",
      "rate / native",
      "rate / grpc-js",
      "rate / node:http2",
      "CPU / native",
      "CPU / grpc-js",
      "budget",
      "met"
    ],
    results.map(({ id, met, ratios }) => {
      const budget = cases.find((one) => one.id === id)?.budget
      const text = (spread: Spread | undefined) => (spread === undefined ? "-" : spreadText(spread))
      return [
        id,
        text(ratios.native),
        text(ratios.raw),
        text(ratios.wall),
        text(ratios.cpu),
        text(ratios.rawCpu),
        budget === undefined
          ? ""
          : [
              `>= ${budget.native}`,
              `>= ${budget.raw}`,
              ...(budget.cpu === undefined ? [] : [`CPU <= ${budget.cpu}`])
            ].join(", "),
        met === undefined ? "-" : met ? "yes" : "no"
      ]
    })
  )
