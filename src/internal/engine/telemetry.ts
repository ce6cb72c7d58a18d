/**
 * What one stream reports to `ZerobusMetrics`: synchronous updates in the context that opened it, once per message, acknowledgement or
 * connection.
 */
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { RetryableReason, StreamFailure } from "../../ZerobusError.ts"
import * as ZerobusMetrics from "../../ZerobusMetrics.ts"
import type { Message } from "../landing/chunk.ts"
import type { LandingZone } from "../landing/landingZone.ts"
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

/** What a connection is replaced for: a transient failure, or refused credentials. */
const reconnectCauses: Readonly<
  Record<Exclude<RetryableReason["_tag"], "SpoolUnavailable"> | "InvalidToken" | "PermissionDenied", true>
> = {
  ConnectionLost: true,
  ConnectTimeout: true,
  ServerUnavailable: true,
  AckTimeout: true,
  TokenServiceUnavailable: true,
  CatalogUnavailable: true,
  InvalidToken: true,
  PermissionDenied: true
}

/** The reports of a stream to `table`. `stream` names it as soon as a session is open. */
export const makeTelemetry = (
  zone: LandingZone<any>,
  table: string,
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
  /** A metric of this table, which is in the registry from now on. Its series is found by the key that it has there. */
  const of = <Input, State>(metric: Metric.Metric<Input, State>, more?: Metric.Metric.Attributes) => {
    const bound = Metric.withAttributes(metric, { table, ...more })
    let key: string | undefined
    quietly(() => void (key = keyOf(bound, registry, context)))
    return (input: Input): void => {
      try {
        const series = key === undefined ? undefined : registry.get(key)
        // One that was removed is made anew.
        if (series === undefined) bound.updateUnsafe(input, context)
        else series.hooks.update(input, context)
      } catch (error) {
        warnOnce(registry, "metric registry", error)
      }
    }
  }
  const recordsIngested = of(ZerobusMetrics.recordsIngested)
  const bytesIngested = of(ZerobusMetrics.bytesIngested)
  const recordsDurable = of(ZerobusMetrics.recordsDurable)
  const bytesDurable = of(ZerobusMetrics.bytesDurable)
  const recordsResent = of(ZerobusMetrics.recordsResent)
  const recordsReturned = of(ZerobusMetrics.recordsReturned)
  const ackLatency = of(ZerobusMetrics.ackLatency)
  const recordsRefused = of(ZerobusMetrics.recordsRefused)
  const stale = of(ZerobusMetrics.staleAcknowledgements)
  const sessionsOpened = of(ZerobusMetrics.sessionsOpened)
  const pauses = of(ZerobusMetrics.pauses)
  const reconnects = (cause: string) => of(ZerobusMetrics.reconnects, { cause })
  Object.keys(reconnectCauses).forEach(reconnects)
  let gauges: ReadonlyArray<Metric.Registration> | undefined
  let reportedRecords = 0
  let reportedBytes = 0
  /** The zone counts what it accepts; here the difference to the last report is passed on. */
  const report = () => {
    const records = zone.acceptedRecords - reportedRecords
    if (records <= 0) return
    recordsIngested(records)
    bytesIngested(zone.acceptedBytes - reportedBytes)
    reportedRecords = zone.acceptedRecords
    reportedBytes = zone.acceptedBytes
  }
  /** A gauge that reads the zone when somebody reads it: a server that says nothing must not make it stand still. */
  const gauge = (metric: Metric.Metric<number, Metric.GaugeState<number>>, value: () => number) =>
    Metric.registerUnsafe(Metric.withAttributes(metric, { table, stream: stream() }), context, {
      get: () => ({ value: value() }),
      update: () => {},
      modify: () => {}
    })
  return {
    sent: (message) => {
      if (message.sends > 1) recordsResent(message.records)
      report()
    },
    acknowledged: (records, bytes, millis) => {
      recordsDurable(records)
      bytesDurable(bytes)
      ackLatency(millis)
    },
    staleAcknowledgement: () => stale(1),
    sessionOpened: () => {
      sessionsOpened(1)
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
      reconnects(reason)(1)
      report()
    },
    paused: () => pauses(1),
    refused: recordsRefused,
    ended: (unacknowledged) => {
      // A stream that never opened has at most what it was to take over, which stays with the one before.
      if (gauges === undefined) return
      report()
      if (unacknowledged > 0) recordsReturned(unacknowledged)
      for (const registered of gauges) quietly(() => registered.remove())
    }
  }
}

/**
 * The key of a metric's series in the registry, where it is from then on. Effect finds the key anew for each update when several
 * streams share a metric, which costs more than to send a small record.
 */
const keyOf = (
  metric: Metric.Metric<any, any>,
  registry: Map<string, Metric.Metric.Metadata<any, any>>,
  context: Context.Context<never>
): string | undefined => {
  let key: string | undefined
  const noting = new Map<string, Metric.Metric.Metadata<any, any>>()
  noting.get = (asked) => registry.get((key = asked))
  noting.set = (asked, series) => {
    registry.set(asked, series)
    return noting
  }
  metric.valueUnsafe(Context.add(context, Metric.MetricRegistry, noting) as Context.Context<never>)
  return key
}
