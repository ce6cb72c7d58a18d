/**
 * Whether the client reports to its metrics, for {@link import("./switchedTelemetry.ts")}.
 */
export const telemetrySwitch = {
  on: true,
  /**
   * Set once a stream reports through the switch. Otherwise the measurement would be meaningless.
   */
  found: false
}
