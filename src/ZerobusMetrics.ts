/**
 * All metrics of the client, with names and units. The client updates counters per message, per
 * acknowledgement and per connection, never per record. Gauges report the current value when they
 * are read. The application chooses the exporters (`effect/observability`).
 *
 * All metrics have the attributes `table` and `unit`, which exporters use as the metric's unit:
 * `records`, `bytes`, `milliseconds` and others. The counters and the histogram of a table exist
 * with 0 from its first `createStream` on; `zerobus_token_mints` exists from the first token
 * request on. Gauges also have the attribute `stream` and are removed with their stream. Counters
 * do not, so that opening many streams does not grow the registry. The gauges of a stream with
 * several lanes also have `lane`, starting with `"0"`.
 *
 * @packageDocumentation
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

/**
 * Records accepted by `ingestRecord`, `ingestRecords` and `offerUnsafe`, or taken over by
 * `recreateStream`. Updated when a connection sends a message or is lost, and when the stream ends.
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
 * Encoded bytes accepted, including framing. Counted with their records.
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
 * Records that the server acknowledged as durable.
 *
 * @since 0.1.0
 * @category metrics
 */
export const recordsDurable = Metric.counter("zerobus_records_durable", {
  description: "Records the server acknowledged as durable",
  attributes: { unit: "records" },
  incremental: true
})

/**
 * Encoded bytes that the server acknowledged as durable, including framing.
 *
 * @since 0.1.0
 * @category metrics
 */
export const bytesDurable = Metric.counter("zerobus_bytes_durable", {
  description: "Encoded bytes the server acknowledged as durable, including framing",
  attributes: { unit: "bytes" },
  incremental: true
})

/**
 * Records sent again on a new connection, including that of a recreated stream. Each may be
 * duplicated in the table.
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
 * Records that were not acknowledged when their stream ended. They stay readable and are passed to
 * `onUnacked`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const recordsReturned = Metric.counter("zerobus_records_returned", {
  description: "Records not acknowledged when their stream ended",
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
 * Milliseconds from the ingest of a message's first record to its acknowledgement, for the oldest
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
 * Acknowledgements that were not above an earlier one. They have no effect.
 *
 * @since 0.1.0
 * @category metrics
 */
export const staleAcknowledgements = Metric.counter("zerobus_stale_acknowledgements", {
  description: "Acknowledgements not above an earlier one",
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
 * Connections that were lost or refused and retried. The attribute `cause` is the tag of the error
 * or of its reason.
 *
 * @since 0.1.0
 * @category metrics
 */
export const reconnects = Metric.counter("zerobus_reconnects", {
  description: "Connections lost or refused and retried",
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
 * Tokens for streams requested from the token endpoint. The attribute `outcome` is `minted` or
 * `failed`. The catalog's tokens are not counted.
 *
 * @since 0.1.0
 * @category metrics
 */
export const tokenMints = Metric.counter("zerobus_token_mints", {
  description: "Tokens requested from the token endpoint",
  attributes: { unit: "tokens" },
  incremental: true
})
