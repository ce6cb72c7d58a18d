/**
 * An event loop controlled by a test: tasks that Effect schedules run when the test turns it.
 */
import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"

/** An event loop that runs on request. */
export const handLoop = () => {
  let tasks: Array<() => void> = []
  const scheduler = new Scheduler.MixedScheduler("async", (task) => {
    tasks.push(task)
    return () => void (tasks = tasks.filter((other) => other !== task))
  })
  return {
    scheduler,
    fork: <A, E>(effect: Effect.Effect<A, E>) => Effect.runFork(effect, { scheduler }),
    /** Runs the tasks scheduled so far. */
    turn: () => {
      const due = tasks
      tasks = []
      for (const task of due) task()
    },
    isIdle: () => tasks.length === 0
  }
}
