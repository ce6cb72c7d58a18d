/**
 * Group commit: groups of records go to disk one at a time, off the event loop. While one is
 * written, new records collect in the next one. So groups grow with the load, and a single record
 * does not wait for others.
 */

/** Writes groups in the order in which they joined. */
export class GroupCommit<Group> {
  private readonly write: (group: Group) => Promise<void>
  private readonly settle: (
    groups: ReadonlyArray<Group>,
    failure: { readonly error: unknown } | undefined
  ) => void
  private readonly soon: (run: () => void) => void
  private readonly queue: Array<Group> = []
  private writing: Group | undefined
  /** Whether the loop runs, or is about to. */
  private running = false
  private readonly idle: Array<() => void> = []

  /**
   * `write` first closes the group to further records. `settle` gets a group that was written, or a
   * failed group with all groups behind it. These fail with it, since they follow it in the log.
   * `soon` runs a task in the next turn of the event loop.
   */
  constructor(
    write: (group: Group) => Promise<void>,
    settle: (
      groups: ReadonlyArray<Group>,
      failure: { readonly error: unknown } | undefined
    ) => void,
    soon: (run: () => void) => void = setImmediate
  ) {
    this.write = write
    this.settle = settle
    this.soon = soon
  }

  /** The oldest group that is neither on disk nor failed. */
  get oldest(): Group | undefined {
    return this.writing ?? this.queue[0]
  }

  /** Finds an unsettled group that meets a condition. */
  find(condition: (group: Group) => boolean): Group | undefined {
    return this.writing !== undefined && condition(this.writing)
      ? this.writing
      : this.queue.find(condition)
  }

  /**
   * Queues a group. It is written one turn later, so that other records of this turn share the
   * write.
   */
  join(group: Group): void {
    this.queue.push(group)
    if (this.running) return
    this.running = true
    this.soon(() => void this.run())
  }

  /** Resolves when every group is settled. */
  async settled(): Promise<void> {
    if (this.running) await new Promise<void>((resolve) => this.idle.push(resolve))
  }

  private async run(): Promise<void> {
    for (let group = this.queue.shift(); group !== undefined; group = this.queue.shift()) {
      this.writing = group
      let failure: { readonly error: unknown } | undefined
      try {
        await this.write(group)
      } catch (error) {
        failure = { error }
      }
      this.writing = undefined
      this.settle(failure === undefined ? [group] : [group, ...this.queue.splice(0)], failure)
    }
    this.running = false
    for (const resolve of this.idle.splice(0)) resolve()
  }
}
