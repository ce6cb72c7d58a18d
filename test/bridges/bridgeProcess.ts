/**
 * Runs a program of `examples/bridges` in a separate process, as a user starts it, so that a test
 * can kill it.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { ZerobusLocalShape } from "effect-zerobus/testing"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { clientVariables, secretVariable } from "../../src/testing/clientVariables.ts"
import { root } from "../support/localEnvironment.ts"

/** Environment variables of a process. */
export type Environment = Readonly<Record<string, string>>

/** The variables that point a program to this server. */
export const environmentOf = (local: ZerobusLocalShape): Environment => ({
  ...clientVariables(local),
  [secretVariable]: Redacted.value(local.clientSecret)
})

/** A running bridge. */
export interface Bridge {
  /**
   * Sends a signal and waits for the end. Returns the exit code, or the signal that ended the
   * process.
   */
  readonly end: (signal: "SIGKILL" | "SIGTERM") => Effect.Effect<number | string>
  /** The output, for the message of a failing test. */
  readonly output: () => string
}

/**
 * Starts a program of the folder. The scope kills it if it is still running. The test fails if the
 * program ends by itself.
 */
export const startBridge = (
  program: string,
  environment: Environment
): Effect.Effect<Bridge, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync((): Bridge => {
      const file = `${root}/examples/bridges/${program}`
      const child = spawn(process.execPath, ["--conditions=effect-zerobus-source", file], {
        env: { ...process.env, NO_COLOR: "1", ...environment },
        stdio: ["ignore", "pipe", "pipe"]
      })
      let output = ""
      for (const from of [child.stdout, child.stderr])
        from.on("data", (chunk: Buffer) => (output += chunk.toString()))
      const ended = once(child, "close").then(
        ([code, signal]) => (code ?? signal) as number | string
      )
      return {
        end: (signal) =>
          Effect.promise(() => {
            child.kill(signal)
            return ended
          }),
        output: () => output
      }
    }),
    ({ end }) => end("SIGKILL")
  )
