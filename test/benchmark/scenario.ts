/**
 * One measurement in addition to the throughput table, its budget, and the table of all of them.
 */
import { specOf } from "./cases.ts"
import type { ClientName, NativeUse } from "./clients/client.ts"
import { digits, type Spread, spreadText, table } from "./figures.ts"
import { type ClientProcess, type Sink, startClient } from "./processes.ts"

/** The result of a measurement, with its budget if it has one. */
export interface ScenarioResult {
  readonly id: string
  readonly client: ClientName
  /** Single figures, or those of several rounds. */
  readonly figures: Readonly<Record<string, number | Spread>>
  /** The budget of the design, in words, and whether it was met. */
  readonly budget?: Budget
}

/** A budget in words, and whether it was met. */
export interface Budget {
  readonly text: string
  readonly met: boolean
}

/** Several budgets as one: all must be met. */
export const budgetsOf = (budgets: ReadonlyArray<Budget>): { readonly budget?: Budget } =>
  budgets.length === 0
    ? {}
    : {
        budget: {
          text: budgets.map(({ text }) => text).join(", "),
          met: budgets.every(({ met }) => met)
        }
      }

/** A client that sends single records over a number of streams. `flags` are passed to Node. */
export interface ScenarioClient {
  readonly size: number
  readonly streams?: number
  readonly window?: number
  readonly flags?: ReadonlyArray<string>
  readonly nativeUse?: NativeUse
}

/** Starts a client, uses and stops it, and resets the sink. */
export const withClient = async <A>(
  sink: Sink,
  name: ClientName,
  options: ScenarioClient,
  use: (client: ClientProcess) => Promise<A>
): Promise<A> => {
  const client = await startScenarioClient(sink, name, options)
  try {
    return await use(client)
  } finally {
    await client.stop()
    await sink.order({ mode: "ack", ackInterval: 5 })
  }
}

/** Starts a client of single records in a separate process. */
export const startScenarioClient = (
  sink: Sink,
  name: ClientName,
  options: ScenarioClient
): Promise<ClientProcess> => {
  const { flags, nativeUse, size, streams = 1, window } = options
  const one = { api: "single", size, format: "bytes", streams } as const
  const spec = specOf(one, name, sink.port, window === undefined ? {} : { window })
  return startClient({ ...spec, nativeUse }, flags)
}

const figureText = (value: number | Spread): string =>
  typeof value !== "number"
    ? spreadText(value)
    : Number.isInteger(value)
      ? value.toLocaleString("en-US")
      : digits(value)

/** The figures as one text. */
export const figuresText = ({ figures }: ScenarioResult): string =>
  Object.entries(figures)
    .map(([name, value]) => `${name}: ${figureText(value)}`)
    .join(", ")

/** The scenarios as a table. */
export const scenarioTable = (results: ReadonlyArray<ScenarioResult>): string =>
  table(
    ["scenario", "client", "figures", "budget", "met"],
    results.map((result) => [
      result.id,
      result.client === "ours" ? "effect-zerobus" : "native SDK",
      figuresText(result),
      result.budget?.text ?? "",
      result.budget === undefined ? "-" : result.budget.met ? "yes" : "no"
    ])
  )

/** How many budgets were met, and the names of the others. */
export const budgetSummary = (budgets: ReadonlyArray<Budget>): string => {
  const missed = budgets.filter(({ met }) => !met)
  const count = `${budgets.length - missed.length} of ${budgets.length} budgets met`
  return missed.length === 0
    ? count
    : [`${count}; not met:`, ...missed.map(({ text }) => `- ${text}`)].join("\n")
}

/** The budgets of the scenarios, each with the scenario's name. */
export const scenarioBudgets = (results: ReadonlyArray<ScenarioResult>): ReadonlyArray<Budget> =>
  results.flatMap(({ budget, id }) =>
    budget === undefined ? [] : [{ text: `${id}: ${budget.text}`, met: budget.met }]
  )
