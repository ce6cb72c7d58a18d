/**
 * The turns in which tables flush: only so many at once, and the one that has waited longest next.
 *
 * A table seals its rows when its turn comes. What arrives while it waits goes into the same file,
 * so a store with many tables commits less often and not later and later.
 */

/** Turns of one store. */
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
      // The turn goes to the next one without becoming free in between.
      const next = this.waiting.shift()
      if (next === undefined) this.running--
      else next()
    }
  }
}
