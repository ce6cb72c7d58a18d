/**
 * A second signal ends the wait of a closing scope: in programs of `NodeRuntime.runMain`, run as
 * separate processes.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { signalled } from "../../../src/internal/userCode/signals.ts"
import * as A from "../../support/acceptance.ts"

const program = fileURLToPath(new URL("../../support/signalledProgram.ts", import.meta.url))

/**
 * Runs the program and calls `at` for each line of its output. Returns its lines, and how it ended.
 */
const run = (at: (line: string, signal: (name: NodeJS.Signals) => void) => void) =>
  Effect.callback<{
    readonly lines: ReadonlyArray<string>
    readonly code: number | null
    readonly errors: string
  }>((resume) => {
    const child = spawn(process.execPath, ["--conditions=effect-zerobus-source", program], {
      stdio: ["ignore", "pipe", "pipe"]
    })
    const lines: Array<string> = []
    let text = ""
    let errors = ""
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()))
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString()
      const whole = text.split("\n")
      text = whole.pop()!
      for (const line of whole) {
        lines.push(line)
        at(line, (name) => child.kill(name))
      }
    })
    child.on("close", (code) => resume(Effect.succeed({ lines, code, errors })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

describe("a second signal", () => {
  for (const [first, second] of [
    ["SIGINT", "SIGINT"],
    ["SIGTERM", "SIGTERM"],
    ["SIGINT", "SIGTERM"]
  ] as const) {
    it.live(
      `ends the wait that the first one began: ${first}, ${second}`,
      () =>
        Effect.gen(function* () {
          const { code, errors, lines } = yield* run((line, signal) => {
            if (line === "ready") signal(first)
            if (line === "waiting") signal(second)
          })
          assert.deepStrictEqual([lines, errors], [["ready", "waiting", "unacked 1"], ""])
          assert.strictEqual(code, 130)
        }),
      60_000
    )
  }
})

describe("waiting for signals", () => {
  /** A program that listens for a signal, as `runMain` does. */
  const listening = <X, E, R>(name: NodeJS.Signals, effect: Effect.Effect<X, E, R>) => {
    const listener = () => {}
    return Effect.acquireUseRelease(
      Effect.sync(() => process.on(name, listener)),
      () => effect,
      () => Effect.sync(() => process.off(name, listener))
    )
  }
  const listeners = () =>
    (["SIGINT", "SIGTERM"] as const).map((name) => process.listenerCount(name))

  it.live("listens once for all who wait, and no longer than one of them does", () =>
    listening(
      "SIGTERM",
      listening(
        "SIGINT",
        Effect.gen(function* () {
          const before = listeners()
          const waiting = []
          for (let n = 0; n < 30; n++) waiting.push(yield* A.started(signalled(1, () => 0)))
          assert.deepStrictEqual(
            listeners(),
            before.map((count) => count + 1)
          )
          yield* waiting[0]!.interrupt
          assert.isFalse(waiting[1]!.done())
          process.emit("SIGTERM")
          yield* A.settle
          assert.isTrue(waiting.every((one) => one.done()))
          assert.deepStrictEqual(listeners(), before)
        })
      )
    )
  )

  it.effect("is over for all streams of a scope when one signal has ended it", () =>
    listening(
      "SIGINT",
      Effect.gen(function* () {
        const { zerobus } = yield* A.client(A.silent)
        const scope = yield* Scope.make()
        const given: Array<number> = []
        for (let n = 0; n < 3; n++) {
          const onUnacked = () => Effect.sync(() => given.push(n))
          const stream = yield* Scope.provide(zerobus.createStream(A.table, { onUnacked }), scope)
          yield* stream.ingestRecord(A.record(n))
        }
        const closing = yield* A.started(Scope.close(scope, Exit.interrupt()))
        yield* A.advance(2_000)
        assert.isFalse(closing.done())
        process.emit("SIGINT")
        yield* A.settle
        assert.isTrue(closing.done())
        assert.deepStrictEqual(given, [2, 1, 0])
      })
    )
  )

  it.live("takes two that come within 300 ms for one, as npm sends them", () =>
    listening(
      "SIGINT",
      Effect.gen(function* () {
        let now = 5000
        const waiting = yield* A.started(signalled(2, () => now))
        process.emit("SIGINT")
        now += 299
        process.emit("SIGINT")
        yield* A.settle
        assert.isFalse(waiting.done())
        now += 1
        process.emit("SIGINT")
        yield* A.settle
        assert.isTrue(waiting.done())
      })
    )
  )

  it.live("does not listen for a signal that the program does not listen for", () =>
    Effect.gen(function* () {
      const before = listeners()
      const kept = (["SIGINT", "SIGTERM"] as const).map(
        (name) => [name, process.listeners(name)] as const
      )
      for (const [name] of kept) process.removeAllListeners(name)
      try {
        const waiting = yield* A.started(signalled(1, () => 0))
        assert.deepStrictEqual(listeners(), [0, 0])
        yield* waiting.interrupt
      } finally {
        for (const [name, those] of kept) for (const one of those) process.on(name, one)
      }
      assert.deepStrictEqual(listeners(), before)
    })
  )
})
