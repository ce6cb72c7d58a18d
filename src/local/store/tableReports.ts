/**
 * The log lines about tables: problems of their flushes, and refusals that ended. Each is reported
 * once.
 */
import type { ServedTable } from "./servedTables.ts"
import type { TableEngine } from "./tableEngine.ts"

/** The log line for a table that is served again after a refusal. */
export const servedAgain = (name: string): string => `The table ${name} is served again.`

/** The lines to log, by level. */
export interface Reports {
  readonly warnings: ReadonlyArray<string>
  readonly news: ReadonlyArray<string>
}

/** Tracks what was reported about the tables of a store. */
export class TableReports {
  private readonly problems = new Map<TableEngine, string>()
  private readonly refused = new Set<TableEngine>()

  /** The lines that are new since the last call. */
  take(tables: ReadonlyArray<ServedTable>): Reports {
    const warnings: Array<string> = []
    const news: Array<string> = []
    for (const { engine, record } of tables) {
      const { name } = record.definition
      const problem = engine.lastProblem ?? ""
      if (problem !== (this.problems.get(engine) ?? "")) {
        this.problems.set(engine, problem)
        if (problem !== "") warnings.push(`${name}: ${problem}`)
      }
      if (engine.refusal !== undefined) this.refused.add(engine)
      else if (this.refused.delete(engine)) news.push(servedAgain(name))
    }
    return { warnings, news }
  }
}
