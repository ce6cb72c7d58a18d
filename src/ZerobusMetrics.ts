/**
 * Every metric of the client, by name and unit. The client updates them per message, per
 * acknowledgement and per connection, never per record, and the gauges give what is true when they
 * are read; exporters are the application's business (`effect/observability`).
 *
 * All carry the attributes `table` and `unit`, which exporters take as the metric's unit:
 * `records`, `bytes`, `milliseconds` and the like. The counters and the histogram of a table exist
 * from its first `createStream` on, with 0; `zerobus_token_mints` from the first token that is
 * needed. The gauges carry `stream` as well and disappear with their stream; counters do not, so
 * that opening many streams does not grow the registry. Those of a stream with several lanes carry
 * `lane` too, from `"0"`.
 *
 * @packageDocumentation
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

/**
 * Records accepted by `ingestRecord`, `ingestRecords` and `offerUnsafe`, or taken over by
 * `recreateStream`. Brought up to date when a connection takes a message or is lost, and when the
 * stream ends.
 *
 * @since 0.1.0
 * @category metrics
 */
export const recordsIngested = Metric.counter("zerobus_records_ingested", {
  description: "Records accepted",
  attributes: { unit: "records" },
  incremental: true
})

/**
 * Encoded bytes accepted, framing included; counted with their records.
 *
 * @since 0.1.0
 * @category metrics
 */
export const bytesIngested = Metric.counter("zerobus_bytes_ingested", {
  description: "Encoded bytes accepted, framing included",
  attributes: { unit: "bytes" },
  incremental: true
})

/**
 * Records that the server said are durable.
 *
 * @since 0.1.0
 * @category metrics
 */
export const recordsDurable = Metric.counter("zerobus_records_durable", {
  description: "Records the server said are durable",
  attributes: { unit: "records" },
  incremental: true
})

/**
 * Encoded bytes that the server said are durable, framing included.
 *
 * @since 0.1.0
 * @category metrics
 */
export const bytesDurable = Metric.counter("zerobus_bytes_durable", {
  description: "Encoded bytes the server said are durable, framing included",
  attributes: { unit: "bytes" },
  incremental: true
})

/**
 * Records sent again on a new connection, also on that of a recreated stream: each may be a
 * duplicate in the table.
 *
 * @since 0.1.0
 * @category metrics
 */
export const recordsResent = Metric.counter("zerobus_records_resent", {
  description: "Records sent again on a new connection",
  attributes: { unit: "records" },
  incremental: true
})

/**
 * Records that a stream ended with, not acknowledged; they stay readable and are what `onUnacked`
 * is given.
 *
 * @since 0.1.0
 * @category metrics
 */
export const recordsReturned = Metric.counter("zerobus_records_returned", {
  description: "Records a stream ended with, not acknowledged",
  attributes: { unit: "records" },
  incremental: true
})

/**
 * Records that the server refused and `onRefused` accepted.
 *
 * @since 0.2.0
 * @category metrics
 */
export const recordsRefused = Metric.counter("zerobus_records_refused", {
  description: "Records the server refused and onRefused accepted",
  attributes: { unit: "records" },
  incremental: true
})

/**
 * Offsets (a batch counts as one) queued or in flight.
 *
 * @since 0.1.0
 * @category metrics
 */
export const recordsInFlight = Metric.gauge("zerobus_records_in_flight", {
  description: "Records (a batch counts as one) queued or in flight",
  attributes: { unit: "records" }
})

/**
 * Encoded bytes queued or in flight.
 *
 * @since 0.1.0
 * @category metrics
 */
export const bytesInFlight = Metric.gauge("zerobus_bytes_in_flight", {
  description: "Encoded bytes queued or in flight",
  attributes: { unit: "bytes" }
})

/**
 * Milliseconds from the ingest of a message's first record to its acknowledgement, of the oldest
 * message of each acknowledgement.
 *
 * @since 0.1.0
 * @category metrics
 */
export const ackLatency = Metric.histogram("zerobus_ack_latency_ms", {
  description:
    "Milliseconds from ingest to acknowledgement, of the oldest message of each acknowledgement",
  attributes: { unit: "milliseconds" },
  boundaries: Metric.exponentialBoundaries({ start: 1, factor: 2, count: 18 })
})

/**
 * Acknowledgements that repeated or undercut an earlier one; they change nothing.
 *
 * @since 0.1.0
 * @category metrics
 */
export const staleAcknowledgements = Metric.counter("zerobus_stale_acknowledgements", {
  description: "Acknowledgements that repeated or undercut an earlier one",
  attributes: { unit: "acknowledgements" },
  incremental: true
})

/**
 * Connections opened.
 *
 * @since 0.1.0
 * @category metrics
 */
export const sessionsOpened = Metric.counter("zerobus_sessions_opened", {
  description: "Connections opened",
  attributes: { unit: "connections" },
  incremental: true
})

/**
 * Connections lost or refused and tried again, with the attribute `cause`: the tag of the error or
 * of its reason.
 *
 * @since 0.1.0
 * @category metrics
 */
export const reconnects = Metric.counter("zerobus_reconnects", {
  description: "Connections lost or refused and tried again",
  attributes: { unit: "connections" },
  incremental: true
})

/**
 * Pauses that the server announced.
 *
 * @since 0.1.0
 * @category metrics
 */
export const pauses = Metric.counter("zerobus_pauses", {
  description: "Pauses announced by the server",
  attributes: { unit: "pauses" },
  incremental: true
})

/**
 * Tokens for streams asked of the token endpoint, with the attribute `outcome`: `minted` or
 * `failed`. The catalog's are not counted.
 *
 * @since 0.1.0
 * @category metrics
 */
export const tokenMints = Metric.counter("zerobus_token_mints", {
  description: "Tokens asked of the token endpoint",
  attributes: { unit: "tokens" },
  incremental: true
})
