/**
 * Replaces `src/internal/engine/telemetry.ts` to measure its cost: the same reports behind a
 * switch, so that one process, with the same compiled code and the same heap, runs with and without
 * them.
 */
import { makeTelemetry as makeReal } from "../../src/internal/engine/telemetry.ts"
import { telemetrySwitch } from "./telemetrySwitch.ts"

/** Accepts the arguments of the real one. */
export const makeTelemetry: typeof makeReal = (...options) => {
  telemetrySwitch.found = true
  return new Proxy(makeReal(...options), {
    get: (real, name) => {
      const report: unknown = Reflect.get(real, name)
      if (typeof report !== "function") return report
      return (...input: ReadonlyArray<unknown>) =>
        telemetrySwitch.on ? Reflect.apply(report, real, input) : undefined
    }
  })
}
