/** The operations of every measured client, and the records that they all send. */

/** The names of the modules in this folder. */
export type ClientName = "ours" | "native" | "rawGrpc" | "rawHttp2"

/**
 * `single`: one call per record. `batch`: calls with 100 records. `offer`: our callback interface,
 * without an effect.
 */
export type Api = "single" | "batch" | "offer"

/**
 * The form in which a record is ingested: prepared bytes, JSON, or an object of a typed table with
 * a number of columns. `rows` are prepared bytes of the eleven columns of the sustained run, for a
 * server that stores them.
 */
export type Format =
  | "bytes"
  | "jsonObject"
  | "jsonText"
  | "typed3"
  | "typed20"
  | "typed105"
  | "rows"

/** A server that requires a token, as the local server prints it. */
export interface LocalServer {
  readonly serverEndpoint: string
  readonly workspaceUrl: string
  readonly clientId: string
  readonly clientSecret: string
}

/**
 * How the native SDK is used. Omitted settings take the fastest value; `nativeVariants.ts` measures
 * the alternatives.
 */
export interface NativeUse {
  /**
   * `queued`: promises that resolve when the record is queued. `acknowledged`: promises that
   * resolve at the acknowledgement. `sequential`: each promise is awaited before the next call.
   */
  readonly calls?: "queued" | "acknowledged" | "sequential"
  /** Pending promises over all streams together; for batches, pending batches. */
  readonly window?: number
  /** Whether all promises of a window are awaited, or only the last one. */
  readonly awaits?: "all" | "last"
  /** Threads of its runtime; 0 uses the SDK's default. */
  readonly threads?: number
  /** Threads of Node's own pool. */
  readonly poolThreads?: number
  /** Its `maxInflightRequests`; 0 uses the SDK's default. */
  readonly inflight?: number
  readonly bytesAs?: "Buffer" | "Uint8Array"
}

/** One client in one case. */
export interface ClientSpec {
  readonly client: ClientName
  readonly api: Api
  /** The approximate number of encoded bytes of one record. */
  readonly size: number
  readonly format: Format
  readonly streams: number
  readonly port: number
  /** The certificate to trust (PEM). Without one the connection is plaintext. */
  readonly ca?: string | undefined
  /** The maximum number of records in flight. */
  readonly window: number
  /** Records per call of the batch API; {@link BATCH} by default. */
  readonly batch?: number | undefined
  /** Sends to this server with a separate token, instead of the sink. */
  readonly local?: LocalServer | undefined
  readonly nativeUse?: NativeUse | undefined
}

/** An open client. */
export interface Client {
  /**
   * Ingests for `millis` milliseconds, then waits until everything is acknowledged. Returns the
   * number of records.
   */
  readonly run: (millis: number) => Promise<number>
  /**
   * Ingests this many records, rounded up, then waits until everything is acknowledged. Returns the
   * number of records.
   */
  readonly count: (records: number) => Promise<number>
  /**
   * Ingests this many records without waiting for acknowledgements, or as many as are accepted
   * within `within` milliseconds.
   */
  readonly fill: (records: number, within: number) => Promise<number>
  /** Waits until everything is acknowledged. */
  readonly flush: () => Promise<void>
  /** Ingests at a steady rate of records per second for `millis` milliseconds. */
  readonly latency: (rate: number, millis: number) => Promise<Latencies>
}

/** Times to acknowledgement. */
export interface Latencies {
  /** Milliseconds from the call to the acknowledgement, of at most about 2,000 calls per second. */
  readonly times: ReadonlyArray<number>
  /** The actual rate in records per second. */
  readonly rate: number
}

export const BATCH = 100
export const TABLE = "main.default.benchmark"
export const METHOD = "/databricks.zerobus.Zerobus/EphemeralStream"

/** `message R { optional bytes payload = 1; }` as a DescriptorProto. */
export const descriptor = Uint8Array.from([
  10,
  1,
  82,
  18,
  15,
  10,
  7,
  ...Buffer.from("payload"),
  24,
  1,
  32,
  1,
  40,
  12
])

/** The number of different records that a client repeats; a power of two. */
export const VARIETY = 64

const noise = (length: number, seed: number): string => {
  let text = ""
  for (let state = seed + 1; text.length < length; state = (state * 48_271) % 2_147_483_647)
    text += state.toString(36)
  return text.slice(0, length)
}

/** Records as protobuf bytes of that `size` each. */
export const byteRecords = (size: number): ReadonlyArray<Buffer> =>
  Array.from({ length: VARIETY }, (_, n) => {
    const lengthSize = size < 130 ? 1 : size < 16_387 ? 2 : 3
    const payload = size - 1 - lengthSize
    const length = Array.from(
      { length: lengthSize },
      (_, i) => ((payload >>> (7 * i)) & 127) | (i < lengthSize - 1 ? 128 : 0)
    )
    return Buffer.concat([Buffer.from([0x0a, ...length]), Buffer.from(noise(payload, n))])
  })

/** Records as objects whose JSON text has about `size` bytes. */
export const objectRecords = (size: number): ReadonlyArray<object> =>
  Array.from({ length: VARIETY }, (_, n) => {
    const reading = { device: `sensor-${n}`, temp: 20 + n, humidity: 40.5 + n, ok: true, note: "" }
    return { ...reading, note: noise(Math.max(0, size - JSON.stringify(reading).length), n) }
  })

const varint = (value: number): ReadonlyArray<number> =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))]

const field = (tag: number, content: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([tag, ...varint(content.length)]), content])

/** The create request for {@link TABLE} with protobuf records. */
export const createMessage = field(
  0x0a,
  Buffer.concat([field(0x0a, Buffer.from(TABLE)), field(0x1a, descriptor), Buffer.from([0x20, 1])])
)

/**
 * One prepared message with these records as a batch. Its offset stays 0: the sink counts messages.
 */
export const batchMessage = (records: ReadonlyArray<Uint8Array>): Buffer => {
  const batch = Buffer.concat(records.map((record) => field(0x0a, record)))
  return field(0x1a, Buffer.concat([Buffer.from([0x08, 0]), field(0x12, batch)]))
}

/** One prepared message with one record. */
export const singleMessage = (record: Uint8Array): Buffer =>
  field(0x12, Buffer.concat([Buffer.from([0x08, 0]), field(0x12, record)]))

/** Adds the gRPC frame before a message. */
export const framed = (message: Uint8Array): Buffer => {
  const header = Buffer.alloc(5)
  header.writeUInt32BE(message.length, 1)
  return Buffer.concat([header, message])
}

/** The offset of an acknowledgement; `undefined` for other responses. */
export const acknowledgedUpTo = (response: Uint8Array): number | undefined => {
  if (response[0] !== 0x12) return undefined
  let value = 0
  for (let at = 3, scale = 1; at < response.length; at++, scale *= 128)
    value += (response[at]! & 127) * scale
  return value
}

/**
 * Calls `send` at a steady rate: as many times as are due, then yields to the event loop. Returns
 * the actual rate.
 */
export const paced = async (
  rate: number,
  millis: number,
  send: (count: number) => void | Promise<void>
): Promise<number> => {
  const started = performance.now()
  let sent = 0
  for (;;) {
    const elapsed = performance.now() - started
    if (elapsed >= millis) return (sent / elapsed) * 1000
    const due = Math.floor((elapsed * rate) / 1000) + 1 - sent
    if (due > 0) {
      sent += due
      await send(due)
    }
    // Fast rates are sent in bursts of a millisecond: otherwise the benchmark would measure a busy
    // loop.
    await new Promise<void>((resolve) => setTimeout(resolve, Math.max(1, 500 / rate)))
  }
}
