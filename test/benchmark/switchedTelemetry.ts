/**
 * Stands in for `src/internal/engine/telemetry.ts` where its cost is measured: the same reports behind a switch, so that one process, with the same
 * compiled code and the same heap, runs with and without them.
 */
import { makeTelemetry as makeReal, type Telemetry } from "../../src/internal/engine/telemetry.ts"
import { telemetrySwitch } from "./telemetrySwitch.ts"

type Report = (...input: ReadonlyArray<unknown>) => unknown

/** Takes what the real one takes. */
export const makeTelemetry: typeof makeReal = (...options) => {
  telemetrySwitch.found = true
  const behindSwitch =
    (report: Report): Report =>
    (...input) =>
      telemetrySwitch.on ? report(...input) : undefined
  const reports = Object.entries(makeReal(...options)).map(([name, report]) => [name, behindSwitch(report as Report)])
  return Object.fromEntries(reports) as Telemetry
}
