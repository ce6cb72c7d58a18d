/**
 * Bounds the growth of the server's JavaScript heap in all of its threads.
 *
 * V8 doubles the space for new objects up to two times 64 MiB in each thread, and a server that
 * allocates steadily soon uses all of it. A quarter is enough: the objects of a message live for
 * milliseconds. V8 also lets the space for older objects grow to four times the live size before it
 * collects there. One and a half times is enough: most of it is the state of tables and streams,
 * which changes slowly.
 *
 * These limits are flags of the `node` command, which users of `npx zerobus` do not pass, so they
 * are set here. Growth of the space for new objects is disabled once it is large enough. It is
 * enabled again after V8 has shrunk the space, which happens while the server is idle.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { PerformanceObserver } from "node:perf_hooks"
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8"

/** Size of the young generation, in bytes, at which growth is disabled: two halves of 16 MiB. */
const enoughBytes = 32 * 1024 * 1024
/**
 * Semi-space size of threads that start later, in MiB. While growth is disabled they would stay at
 * 1 MiB. It is also the threads' maximum.
 */
const threadMebibytes = 8
/** Growth of the old generation over its live size, in percent. */
const growthPercent = 50

const youngBytes = (): number =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0

/** Sets the growth factor of the young generation; 1 disables growth. */
const growBy = (factor: number): void => setFlagsFromString(`--semi-space-growth-factor=${factor}`)

/**
 * Bounds the heap while the scope is open. Only Node 24 needs the bound of the young generation:
 * Node 22 has the same by default.
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
