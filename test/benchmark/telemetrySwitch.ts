/**
 * Whether the client reports to its metrics, for {@link import("./switchedTelemetry.ts")}.
 */
export const telemetrySwitch = {
  on: true,
  /** Set once a stream reports by way of the switch: without that nothing would be measured. */
  found: false
}
