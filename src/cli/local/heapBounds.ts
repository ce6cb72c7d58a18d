/**
 * Bounds how the server's JavaScript heap grows, in all of its threads.
 *
 * V8 doubles the space for new objects up to two times 64 MiB in each thread, and a server that
 * allocates all the time soon uses all of it. A quarter is enough: what the server makes for a
 * message lives for milliseconds. V8 also lets the space for older objects grow to four times what
 * is in use before it collects there. Half as much again is enough: the state of tables and streams
 * is most of what is in use, and changes slowly.
 *
 * The limits of a process are flags of the Node command, which nobody types for `npx zerobus`, so
 * they are set here. The growth of the space for new objects is stopped once it is large enough,
 * and permitted again after V8 has shrunk it, as it does while the server is idle.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { PerformanceObserver } from "node:perf_hooks"
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8"

/** Bytes of the young generation from which on it does not grow: two halves of 16 MiB. */
const enoughBytes = 32 * 1024 * 1024
/**
 * The halves of a thread that starts later, in MiB. They do not grow either, and would stay at 1
 * MiB. The threads have this as their limit, too.
 */
const threadMebibytes = 8
/** How much the old generation grows over what is in use, in percent. */
const growthPercent = 50

const youngBytes = (): number =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0

/** How many times its size the space has after it grew; 1 keeps it from growing. */
const growBy = (factor: number): void => setFlagsFromString(`--semi-space-growth-factor=${factor}`)

/**
 * Bounds it while the scope is open. The bound of the young generation is needed on Node 24: Node
 * 22 has the same by itself.
 */
export const boundHeap: Effect.Effect<void, never, Scope.Scope> = Effect.asVoid(
  Effect.acquireRelease(
    Effect.sync(() => {
      let factor = 2
      const look = (): void => {
        const next = youngBytes() < enoughBytes ? 2 : 1
        if (next !== factor) growBy((factor = next))
      }
      const observer = new PerformanceObserver(look)
      setFlagsFromString(`--min-semi-space-size=${threadMebibytes}`)
      setFlagsFromString(`--heap-growing-percent=${growthPercent}`)
      observer.observe({ entryTypes: ["gc"] })
      look()
      return observer
    }),
    (observer) =>
      Effect.sync(() => {
        observer.disconnect()
        setFlagsFromString("--min-semi-space-size=0")
        setFlagsFromString("--heap-growing-percent=0")
        growBy(2)
      })
  )
)
