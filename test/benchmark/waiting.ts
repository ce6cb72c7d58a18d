/**
 * `npm run bench:waiting -- [receipts]`: the cost of waiting. Prints the processor time until this
 * many receipts are awaited, and then resolved or interrupted, and the longest part of it without a
 * turn of the event loop. Also prints the latter for a fiber that ingests records without a pause,
 * which cannot be interrupted in that time. It measures the time of this thread, so that other work
 * on the machine does not count.
 */
import { Effect, Fiber, Scheduler } from "effect"
import { Zerobus, type RecordAck } from "effect-zerobus"
import { ackResponse } from "../../src/local/stream/streamMessages.ts"
import type { MemoryPeer } from "../../src/testing/MemoryTransport.ts"
import * as A from "../support/acceptance.ts"
import { ingestServer, memoryClient } from "../support/memoryClient.ts"
import { seeded } from "../support/zones.ts"

const count = Number(process.argv[2] ?? 100_000)

/** The processor time of this thread so far, in milliseconds. */
const used = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1000
}

/**
 * The longest processor time without a turn of the event loop since the last reset, in
 * milliseconds.
 */
const loop = { last: used(), longest: 0 }
const turn = () => {
  const now = used()
  loop.longest = Math.max(loop.longest, now - loop.last)
  loop.last = now
  setImmediate(turn)
}
setImmediate(turn)

const measured = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    yield* A.turn
    loop.longest = 0
    const begun = used()
    const result = yield* effect
    yield* A.turn
    const millis = (used() - begun).toFixed(0)
    console.log(
      `${what}: ${millis} ms, of them ${loop.longest.toFixed(1)} ms at most without a turn`
    )
    return result
  })

const orders: Readonly<Record<string, <X>(all: ReadonlyArray<X>) => ReadonlyArray<X>>> = {
  forward: (all) => all,
  backward: (all) => all.toReversed(),
  shuffled: (all) => {
    const random = seeded(1)
    const shuffled = [...all]
    for (let n = shuffled.length - 1; n > 0; n--) {
      const other = random.below(n + 1)
      ;[shuffled[n], shuffled[other]] = [shuffled[other]!, shuffled[n]!]
    }
    return shuffled
  }
}

const receipts = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  for (const [order, arrange] of Object.entries(orders)) {
    for (const end of ["answered", "interrupted"] as const) {
      const stream = yield* zerobus.createStream(A.table, {
        scopeCloseTimeout: 0,
        onUnacked: () => Effect.void
      })
      const acks: Array<RecordAck> = []
      for (let n = 0; n < count; n++) acks.push(yield* stream.ingestRecord({ n }))
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      const title = `${count} receipts ${order}`
      const waitForAll = Effect.gen(function* () {
        for (const ack of arrange(acks)) {
          fibers.push(yield* Effect.forkChild(ack.await, { startImmediately: true }))
          if (fibers.length % 256 === 0) yield* A.turn
        }
      })
      yield* measured(`${title}, awaited`, waitForAll)
      const endAll = Effect.gen(function* () {
        if (end === "answered") last.peer!.write(ackResponse(last.offset))
        for (const [n, fiber] of fibers.entries()) {
          yield* end === "answered" ? Fiber.await(fiber) : Fiber.interrupt(fiber)
          if (n % 256 === 0) yield* A.turn
        }
      })
      yield* measured(`${title}, ${end}`, endAll)
    }
  }
})

const schedulers: Readonly<Record<string, Scheduler.Scheduler>> = {
  "Effect's scheduler": new Scheduler.MixedScheduler(),
  "a scheduler that never lets fibers yield": Object.assign(new Scheduler.MixedScheduler(), {
    shouldYield: () => false
  })
}

const loops = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  for (const [name, scheduler] of Object.entries(schedulers)) {
    for (const size of [1, 100, 10_000]) {
      const stream = yield* zerobus.createStream(A.table, {
        scopeCloseTimeout: 0,
        onUnacked: () => Effect.void
      })
      const text = "x".repeat(size)
      const tight = Effect.gen(function* () {
        for (;;) yield* stream.ingestRecord({ text })
      })
      const interrupted = Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(
          Effect.provideService(tight, Scheduler.Scheduler, scheduler)
        )
        setTimeout(() => fiber.interruptUnsafe(), 1000)
        yield* Fiber.await(fiber)
      })
      yield* measured(`a loop of records of ${size} characters with ${name}`, interrupted)
    }
  }
})

const last: { peer: MemoryPeer | undefined; offset: number } = { peer: undefined, offset: -1 }
const silent = ingestServer((offset, _, peer) => Object.assign(last, { offset, peer }))
const prompt = ingestServer((offset, _, peer) => peer.write(ackResponse(offset)))

await Effect.runPromise(Effect.provide(Effect.scoped(receipts), memoryClient(silent)))
await Effect.runPromise(Effect.provide(Effect.scoped(loops), memoryClient(prompt)))
process.exit(0)
