/**
 * What one stream reports to `ZerobusMetrics`: synchronous updates in the context that opened it, once per message, acknowledgement or
 * connection.
 */
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { StreamFailure } from "../../ZerobusError.ts"
import * as ZerobusMetrics from "../../ZerobusMetrics.ts"
import type { Message } from "../landing/chunk.ts"
import type { LandingZone } from "../landing/landingZone.ts"
import { type SeriesOf, tableMetrics } from "./tableMetrics.ts"
import { warnOnce } from "../userCode/wake.ts"

/** The reports of one stream. */
export interface Telemetry {
  /** A message was handed to a session. */
  readonly sent: (message: Message) => void
  /** An acknowledgement made records durable, the oldest of them so long after they were accepted. */
  readonly acknowledged: (records: number, bytes: number, millis: number) => void
  readonly staleAcknowledgement: () => void
  readonly sessionOpened: () => void
  readonly recovering: (cause: StreamFailure) => void
  readonly paused: () => void
  /** So many records were refused. */
  readonly refused: (records: number) => void
  /** The stream has ended with so many records not acknowledged. */
  readonly ended: (unacknowledged: number) => void
}

/** The reports of a stream to a table, or of one of its lanes. `stream` names it as soon as a session is open. */
export const makeTelemetry = (
  zone: LandingZone<any>,
  of: SeriesOf,
  stream: () => string,
  context: Context.Context<never>
): Telemetry => {
  // Metrics live in a registry of the user's context, which may throw.
  const registry = Context.get(context, Metric.MetricRegistry)
  const quietly = (call: () => void): void => {
    try {
      call()
    } catch (error) {
      warnOnce(registry, "metric registry", error)
    }
  }
  const metrics = tableMetrics(of, context)
  const { ackLatency, bytesDurable, bytesIngested, recordsDurable, recordsIngested } = metrics
  let gauges: ReadonlyArray<Metric.Registration> | undefined
  let reportedRecords = 0
  let reportedBytes = 0
  /** The zone counts what it accepts; here the difference to the last report is passed on. */
  const report = () => {
    const records = zone.acceptedRecords - reportedRecords
    if (records <= 0) return
    recordsIngested.update(records)
    bytesIngested.update(zone.acceptedBytes - reportedBytes)
    reportedRecords = zone.acceptedRecords
    reportedBytes = zone.acceptedBytes
  }
  /** A gauge that reads the zone when somebody reads it: a server that says nothing must not make it stand still. */
  const gauge = (metric: Metric.Metric<number, Metric.GaugeState<number>>, value: () => number) =>
    Metric.registerUnsafe(Metric.withAttributes(metric, { ...of, stream: stream() }), context, {
      get: () => ({ value: value() }),
      update: () => {},
      modify: () => {}
    })
  return {
    sent: (message) => {
      if (message.sends > 1) metrics.recordsResent.update(message.records)
      report()
    },
    acknowledged: (records, bytes, millis) => {
      recordsDurable.update(records)
      bytesDurable.update(bytes)
      ackLatency.update(millis)
    },
    staleAcknowledgement: () => metrics.staleAcknowledgements.update(1),
    sessionOpened: () => {
      metrics.sessionsOpened.update(1)
      if (gauges !== undefined) return
      gauges = []
      quietly(() => {
        gauges = [
          gauge(ZerobusMetrics.recordsInFlight, () => zone.usedRecords),
          gauge(ZerobusMetrics.bytesInFlight, () => zone.usedBytes)
        ]
      })
    },
    recovering: (cause) => {
      const reason = cause._tag === "Retryable" ? cause.reason._tag : cause._tag
      metrics.reconnects.get(reason)?.update(1)
      report()
    },
    paused: () => metrics.pauses.update(1),
    refused: metrics.recordsRefused.update,
    ended: (unacknowledged) => {
      // A stream that never opened has at most what it was to take over, which stays with the one before.
      if (gauges === undefined) return
      report()
      if (unacknowledged > 0) metrics.recordsReturned.update(unacknowledged)
      for (const registered of gauges) quietly(() => registered.remove())
    }
  }
}
