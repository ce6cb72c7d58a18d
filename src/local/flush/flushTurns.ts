/**
 * Limits how many tables flush concurrently. The table that has waited longest is next.
 *
 * A table seals its rows when its turn comes, so rows that arrive while it waits go into the same
 * file. A store with many tables therefore commits less often, instead of falling behind.
 */

/** The turns of one store. */
export class FlushTurns {
  private readonly atOnce: number
  private running = 0
  private readonly waiting: Array<() => void> = []

  constructor(atOnce: number) {
    this.atOnce = atOnce
  }

  /** Runs the work when its turn comes. */
  async run<A>(work: () => Promise<A>): Promise<A> {
    if (this.running >= this.atOnce)
      await new Promise<void>((resolve) => this.waiting.push(resolve))
    else this.running++
    try {
      return await work()
    } finally {
      // The turn passes directly to the next table, without becoming free.
      const next = this.waiting.shift()
      if (next === undefined) this.running--
      else next()
    }
  }
}
