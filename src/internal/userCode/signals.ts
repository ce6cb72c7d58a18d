/**
 * Signals that end the process while a scope closes.
 *
 * `NodeRuntime.runMain` interrupts its program on SIGINT and SIGTERM. This has no effect on a scope
 * that is already closing. The engine also listens while such a scope waits, so that a second
 * signal ends the wait.
 */
import * as Effect from "effect/Effect"
import { wake } from "./wake.ts"

const signals = ["SIGINT", "SIGTERM"] as const

/**
 * Signals closer together than this, in milliseconds, count as one: npm forwards a SIGINT that the
 * terminal sent already.
 */
const SAME_SIGNAL = 300

const waiting = new Set<() => void>()
const onSignal = (): void => {
  for (const note of waiting) note()
}

/**
 * Waits for `count` signals; `now` returns milliseconds. Listens only for signals that the program
 * listens for. Others end the process, as they do without this package.
 */
export const signalled = (count: number, now: () => number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    let left = count
    let latest = -Infinity
    const note = (): void => {
      if (now() - latest < SAME_SIGNAL) return
      latest = now()
      if (--left > 0) return
      stop()
      wake(resume, Effect.void)
    }
    const stop = (): void => {
      waiting.delete(note)
      if (waiting.size === 0) for (const signal of signals) process.off(signal, onSignal)
    }
    if (waiting.size === 0) {
      for (const signal of signals)
        if (process.listenerCount(signal) > 0) process.on(signal, onSignal)
    }
    waiting.add(note)
    return Effect.sync(stop)
  })
