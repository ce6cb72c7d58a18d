/**
 * Live counters of a server, and their form as Prometheus text.
 */
import type { StreamObserver } from "../stream/streamContract.ts"

/**
 * Counters since the server started. The latency is measured in milliseconds from the arrival of
 * the oldest record that an acknowledgement covers.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerCounters {
  /** Streams that are open now. */
  readonly openStreams: number
  /** Streams that were opened. */
  readonly streams: number
  /** Records that were received. */
  readonly records: number
  /** Bytes of these records. */
  readonly bytes: number
  /** Acknowledgements that were sent. */
  readonly acks: number
}

const bounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]

/** Creates counters that streams update. */
export const makeServerCounters = (): {
  readonly observer: StreamObserver
  readonly read: () => ServerCounters
  readonly prometheus: () => string
} => {
  const counters = { openStreams: 0, streams: 0, records: 0, bytes: 0, acks: 0 }
  const buckets = bounds.map(() => 0)
  let latencySum = 0
  return {
    observer: {
      opened: () => {
        counters.openStreams++
        counters.streams++
      },
      closed: () => {
        counters.openStreams--
      },
      refused: () => {},
      received: (records, bytes) => {
        counters.records += records
        counters.bytes += bytes
      },
      durable: () => {},
      noted: () => {},
      acked: (_, latencyMillis) => {
        if (latencyMillis === undefined) return
        counters.acks++
        latencySum += latencyMillis
        for (let n = 0; n < bounds.length; n++)
          if (latencyMillis <= bounds[n]!) buckets[n] = buckets[n]! + 1
      }
    },
    read: () => ({ ...counters }),
    prometheus: () => {
      const lines: Array<string> = []
      const add = (name: string, type: string, help: string, value: number) =>
        lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, `${name} ${value}`)
      add("zerobus_local_open_streams", "gauge", "Streams that are open now.", counters.openStreams)
      add("zerobus_local_streams_total", "counter", "Streams opened.", counters.streams)
      add("zerobus_local_records_total", "counter", "Records stored.", counters.records)
      add("zerobus_local_record_bytes_total", "counter", "Bytes of records stored.", counters.bytes)
      const name = "zerobus_local_ack_latency_milliseconds"
      lines.push(
        `# HELP ${name} From the arrival of a record to the acknowledgement that covers it.`,
        `# TYPE ${name} histogram`,
        ...bounds.map((bound, n) => `${name}_bucket{le="${bound}"} ${buckets[n]}`),
        `${name}_bucket{le="+Inf"} ${counters.acks}`,
        `${name}_sum ${latencySum}`,
        `${name}_count ${counters.acks}`
      )
      return `${lines.join("\n")}\n`
    }
  }
}
