/**
 * Runs checks one after another and collects their results. A check that depends on a failed one is
 * skipped.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { CheckResult } from "./report.ts"

/** Why a check failed, and what to do. */
export class Finding extends Data.TaggedError("Finding")<{
  readonly detail: string
  readonly advice: string
  readonly isRetryable: boolean
}> {}

/** A finding. It is not retryable by default. */
export const finding = (detail: string, advice: string, isRetryable = false): Finding =>
  new Finding({ detail, advice, isRetryable })

/**
 * The result of a successful check: a description, and a value for the checks that depend on it.
 */
export interface Found<A> {
  readonly detail: string
  readonly value: A
}

/** Time limit of one check, in milliseconds. */
export const limitMillis = 15_000

/** The checks of one run. */
export class CheckList {
  readonly results: Array<CheckResult> = []

  /** Runs a check. Returns undefined when it failed. */
  run<A, R>(
    name: string,
    check: Effect.Effect<Found<A>, Finding, R>
  ): Effect.Effect<Found<A> | undefined, never, R> {
    return Effect.gen({ self: this }, function* () {
      const started = yield* Clock.currentTimeMillis
      const exit = yield* check.pipe(
        Effect.timeoutOrElse({
          duration: limitMillis,
          orElse: () =>
            Effect.fail(
              finding(
                `no answer within ${limitMillis / 1000} seconds`,
                "Something on the network path drops the packets. Check the address, and " +
                  "the firewall rules.",
                true
              )
            )
        }),
        Effect.result,
        Effect.exit
      )
      const millis = (yield* Clock.currentTimeMillis) - started
      if (Exit.isFailure(exit)) return yield* Effect.failCause(exit.cause)
      const { value } = exit
      if (value._tag === "Success") {
        this.results.push({
          name,
          result: "ok",
          millis,
          detail: value.success.detail,
          advice: undefined,
          isRetryable: false
        })
        return value.success
      }
      const { advice, detail, isRetryable } = value.failure
      this.results.push({ name, result: "failed", millis, detail, advice, isRetryable })
      return undefined
    })
  }

  /** Records checks that are not run. */
  skip(detail: string, ...names: ReadonlyArray<string>): void {
    for (const name of names) {
      this.results.push({
        name,
        result: "skipped",
        millis: 0,
        detail,
        advice: undefined,
        isRetryable: false
      })
    }
  }
}
