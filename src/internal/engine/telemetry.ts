/**
 * What one stream reports to `ZerobusMetrics`: synchronous updates in the context that opened it,
 * once per message, acknowledgement or connection.
 */
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { StreamFailure } from "../../ZerobusError.ts"
import * as ZerobusMetrics from "../../ZerobusMetrics.ts"
import type { Message } from "../landing/chunk.ts"
import type { LandingZone } from "../landing/landingZone.ts"
import { type SeriesOf, type TableMetrics, tableMetrics } from "./tableMetrics.ts"
import { warnOnce } from "../userCode/wake.ts"

/** The metrics of a stream to a table, or of one of its lanes. */
export class Telemetry {
  private readonly zone: LandingZone<any>
  private readonly of: SeriesOf
  private readonly stream: () => string
  private readonly context: Context.Context<never>
  private readonly metrics: TableMetrics
  private gauges: ReadonlyArray<Metric.Registration> | undefined
  private reportedRecords = 0
  private reportedBytes = 0

  /** `stream` returns the stream's id once a session is open. */
  constructor(
    zone: LandingZone<any>,
    of: SeriesOf,
    stream: () => string,
    context: Context.Context<never>
  ) {
    this.zone = zone
    this.of = of
    this.stream = stream
    this.metrics = tableMetrics(of, context)
    // The context of the table's metrics, which streams share.
    this.context = this.metrics.context
  }

  /** A message was handed to a session. */
  sent(message: Message): void {
    if (message.sends > 1) this.metrics.recordsResent.update(message.records)
    this.report()
  }

  /**
   * An acknowledgement made records durable. `millis` is the time since the oldest of them was
   * accepted.
   */
  acknowledged(records: number, bytes: number, millis: number): void {
    const { ackLatency, bytesDurable, recordsDurable } = this.metrics
    recordsDurable.update(records)
    bytesDurable.update(bytes)
    ackLatency.update(millis)
  }

  /** A part of a message became durable, acknowledged in part. */
  shortened(records: number, bytes: number): void {
    this.metrics.recordsDurable.update(records)
    this.metrics.bytesDurable.update(bytes)
  }

  staleAcknowledgement(): void {
    this.metrics.staleAcknowledgements.update(1)
  }

  sessionOpened(): void {
    this.metrics.sessionsOpened.update(1)
    if (this.gauges !== undefined) return
    this.gauges = []
    const { zone } = this
    this.quietly(() => {
      this.gauges = [
        this.gauge(ZerobusMetrics.recordsInFlight, () => zone.usedRecords),
        this.gauge(ZerobusMetrics.bytesInFlight, () => zone.usedBytes)
      ]
    })
  }

  recovering(cause: StreamFailure): void {
    const reason = cause._tag === "Retryable" ? cause.reason._tag : cause._tag
    this.metrics.reconnects.get(reason)?.update(1)
    this.report()
  }

  paused(): void {
    this.metrics.pauses.update(1)
  }

  /** Records were refused. */
  refused(records: number): void {
    this.metrics.recordsRefused.update(records)
  }

  /** The stream has ended with this number of unacknowledged records. */
  ended(unacknowledged: number): void {
    const { gauges } = this
    // A stream that never opened holds at most the records that it was to take over. They stay with
    // the previous stream.
    if (gauges === undefined) return
    this.report()
    if (unacknowledged > 0) this.metrics.recordsReturned.update(unacknowledged)
    for (const registered of gauges) this.quietly(() => registered.remove())
  }

  /** The zone counts what it accepts. This reports the difference to the last report. */
  private report(): void {
    const { metrics, zone } = this
    const records = zone.acceptedRecords - this.reportedRecords
    if (records <= 0) return
    metrics.recordsIngested.update(records)
    metrics.bytesIngested.update(zone.acceptedBytes - this.reportedBytes)
    this.reportedRecords = zone.acceptedRecords
    this.reportedBytes = zone.acceptedBytes
  }

  /**
   * A gauge that computes its value when it is read, so that it stays current while the server is
   * silent.
   */
  private gauge(
    metric: Metric.Metric<number, Metric.GaugeState<number>>,
    value: () => number
  ): Metric.Registration {
    const named = Metric.withAttributes(metric, { ...this.of, stream: this.stream() })
    return Metric.registerUnsafe(named, this.context, {
      get: () => ({ value: value() }),
      update,
      modify: update
    })
  }

  /** Metrics live in a registry of the user's context, which may throw. */
  private quietly(call: () => void): void {
    try {
      call()
    } catch (error) {
      warnOnce(Context.get(this.context, Metric.MetricRegistry), "metric registry", error)
    }
  }
}

/** A gauge that computes its value is not set. */
const update = (): void => {}

/** Makes the telemetry of a stream. */
export const makeTelemetry = (...given: ConstructorParameters<typeof Telemetry>): Telemetry =>
  new Telemetry(...given)
