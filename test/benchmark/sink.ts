/**
 * The neutral server of the benchmark, in a separate process. It reads the frames of each call by
 * their length, acknowledges cumulatively by count every few milliseconds, and stores and decodes
 * nothing, so that the benchmark measures the clients. While `verify` is on it also reads every
 * message: offsets must rise by one, and the records are counted.
 *
 * Its parent controls it by messages: it answers each `SinkOrder` with one `SinkReport`.
 */
import * as Http2 from "node:http2"
import type { AddressInfo } from "node:net"

/** Settings that the parent may change; omitted ones stay as they are. */
export interface SinkOrder {
  /** Milliseconds between acknowledgements; 0 acknowledges each read at once. */
  readonly ackInterval?: number
  /** `ack`: normal. `silent`: reads, never acknowledges. `frozen`: does not even read. */
  readonly mode?: SinkMode
  readonly verify?: boolean
  /**
   * Whether `verify` also reads the start of records, a key and its count in 32 bits each: those of
   * a key must arrive on one call, in order and without gaps.
   */
  readonly keyed?: boolean
  /** Rows of each batch of an Arrow Flight call, by which it counts acknowledgements. */
  readonly flightRows?: number
  /**
   * The maximum number of bytes read from each call per second; `Infinity` for no limit. Sent as
   * text, because JSON has no infinity.
   */
  readonly bytesPerSecond?: string
  /** Destroys all connections. */
  readonly cut?: boolean
}

export type SinkMode = "ack" | "silent" | "frozen"

/** Messages that arrived since the last report. */
export interface SinkReport {
  readonly port: number
  readonly securePort: number | undefined
  readonly messages: number
  readonly bytes: number
  /** Counted only while `verify` is on. */
  readonly records: number
  /** Calls open now. */
  readonly calls: number
  /** Calls that were opened since the last report, and the maximum number open at once. */
  readonly opened: number
  readonly mostCalls: number
  /** CPU time in seconds. */
  readonly cpu: number
  /** Milliseconds from the last cut to the first message of a connection opened after it. */
  readonly resumedAfter: number | undefined
  /** A violation of the protocol, if there was one. */
  readonly violation: string | undefined
}

const FRAME_HEADER = 5
const STREAM_WINDOW = 16 * 1024 * 1024
const CONNECTION_WINDOW = 64 * 1024 * 1024

let mode: SinkMode = "ack"
let ackInterval = 5
let verify = false
let keyed = false
let flightRows = 1
let bytesPerSecond = Infinity
/** How many records of each key arrived while `keyed` was on, and on which call. */
const counts = new Map<number, { readonly call: Call; count: number }>()
let messages = 0
let bytes = 0
let records = 0
let opened = 0
let mostCalls = 0
let violation: string | undefined
let cutAt: number | undefined
let resumedAfter: number | undefined
let cpuBefore = process.cpuUsage()
const sessions = new Set<Http2.ServerHttp2Session>()
const calls = new Set<Call>()

const varint = (
  buffer: Buffer,
  position: number
): { readonly value: number; readonly next: number } => {
  let value = 0
  for (let scale = 1; ; scale *= 128) {
    const byte = buffer[position++] ?? 0
    value += (byte & 127) * scale
    if (byte < 128) return { value, next: position }
  }
}

/** Reads one ingest message: its offset, and the number of its records. */
const inspect = (
  message: Buffer,
  each?: (record: Buffer) => void
): { readonly offset: number; readonly records: number } => {
  const offset = varint(message, varint(message, 1).next + 1)
  const single = message[0] === 0x12
  let position = single ? offset.next : varint(message, offset.next + 1).next
  let count = 0
  for (; position < message.length; count++) {
    const { next, value } = varint(message, position + 1)
    position = next + value
    each?.(message.subarray(next, position))
  }
  return { offset: offset.value, records: count }
}

const frame = (payload: ReadonlyArray<number>): Buffer => {
  const framed = Buffer.alloc(FRAME_HEADER + payload.length)
  framed.writeUInt32BE(payload.length, 1)
  framed.set(payload, FRAME_HEADER)
  return framed
}

const created = frame([0x0a, 3, 0x0a, 1, 0x62])

const acknowledgement = (upTo: number): Buffer => {
  const digits: Array<number> = []
  let rest = upTo
  for (; rest >= 128; rest = Math.floor(rest / 128)) digits.push((rest % 128) | 128)
  digits.push(rest)
  return frame([0x12, digits.length + 1, 0x08, ...digits])
}

/** A response of Arrow Flight: this many batches have arrived. */
const flightAnswer = (batches: number): Buffer => {
  const upTo = { ack_up_to_offset: batches - 1, ack_up_to_records: batches * flightRows }
  const metadata = Buffer.from(JSON.stringify(upTo))
  return frame([0x0a, metadata.length, ...metadata])
}

/** One call: its position in its frames, and what it received and acknowledged. */
class Call {
  private readonly stream: Http2.ServerHttp2Stream
  private readonly header = Buffer.alloc(FRAME_HEADER)
  private headerBytes = 0
  private bodyLeft = 0
  private body: Array<Buffer> | undefined
  private open = false
  private received = 0
  private acknowledged = 0
  /** Bytes that may be read now, and when that number was updated. */
  private allowed = 0
  private allowedAt = performance.now()
  private held = false
  /**
   * Its connection was destroyed by an order; data still read from it does not count for the next
   * connection.
   */
  cut = false

  private readonly flight: boolean

  constructor(stream: Http2.ServerHttp2Stream, flight: boolean) {
    this.stream = stream
    this.flight = flight
  }

  read(chunk: Buffer): void {
    bytes += chunk.length
    this.spend(chunk.length)
    let position = 0
    while (position < chunk.length) {
      if (this.bodyLeft === 0) {
        while (this.headerBytes < FRAME_HEADER && position < chunk.length) {
          this.header[this.headerBytes++] = chunk[position++]!
        }
        if (this.headerBytes < FRAME_HEADER) return
        this.bodyLeft = this.header.readUInt32BE(1)
        this.body = verify && !this.flight ? [] : undefined
      }
      const taken = Math.min(this.bodyLeft, chunk.length - position)
      this.body?.push(chunk.subarray(position, position + taken))
      position += taken
      this.bodyLeft -= taken
      if (this.bodyLeft > 0) return
      this.headerBytes = 0
      this.complete()
    }
    if (ackInterval === 0) this.acknowledge()
  }

  /** Continues reading once the limit allows it. */
  allow(now: number): void {
    if (bytesPerSecond === Infinity) this.allowed = Infinity
    else {
      const since = (now - this.allowedAt) / 1000
      this.allowed = Math.min(bytesPerSecond, this.allowed + since * bytesPerSecond)
    }
    this.allowedAt = now
    if (!this.held || this.allowed <= 0) return
    this.held = false
    this.stream.resume()
  }

  private spend(size: number): void {
    if (bytesPerSecond === Infinity) return
    if (this.allowed === Infinity) this.allowed = 0
    this.allowed -= size
    if (this.allowed > 0 || this.held) return
    this.held = true
    this.stream.pause()
  }

  acknowledge(): void {
    if (mode !== "ack" || this.received === this.acknowledged || this.stream.destroyed) return
    this.acknowledged = this.received
    const { flight, received } = this
    this.stream.write(flight ? flightAnswer(received) : acknowledgement(received - 1))
  }

  freeze(frozen: boolean): void {
    if (frozen) this.stream.pause()
    else this.stream.resume()
  }

  private count(record: Buffer): void {
    const key = record.readUInt32LE(0)
    const known = counts.get(key) ?? { call: this, count: 0 }
    counts.set(key, known)
    if (known.call !== this) violation ??= `key ${key} arrived on two calls`
    const count = record.readUInt32LE(4)
    if (count !== known.count)
      violation ??= `record ${count} of key ${key} arrived as its record ${known.count}`
    known.count++
  }

  private complete(): void {
    if (!this.open) {
      this.open = true
      this.stream.write(this.flight ? flightAnswer(0) : created)
      return
    }
    messages++
    if (cutAt !== undefined && !this.cut) {
      resumedAfter = performance.now() - cutAt
      cutAt = undefined
    }
    if (this.body !== undefined) {
      const read = inspect(
        Buffer.concat(this.body),
        keyed ? (record) => this.count(record) : undefined
      )
      records += read.records
      if (read.offset !== this.received)
        violation ??= `offset ${read.offset} arrived as message ${this.received}`
    }
    this.received++
  }
}

const serve = (server: Http2.Http2Server | Http2.Http2SecureServer, at = 0): Promise<number> => {
  server.on("session", (session: Http2.ServerHttp2Session) => {
    sessions.add(session)
    session.setLocalWindowSize(CONNECTION_WINDOW)
    session.on("close", () => sessions.delete(session))
    session.on("error", () => {})
  })
  server.on("stream", (stream: Http2.ServerHttp2Stream, headers: Http2.IncomingHttpHeaders) => {
    const call = new Call(stream, headers[":path"]?.endsWith("/DoPut") === true)
    calls.add(call)
    opened++
    mostCalls = Math.max(mostCalls, calls.size)
    stream.respond(
      { ":status": 200, "content-type": "application/grpc" },
      { waitForTrailers: true }
    )
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }))
    stream.on("data", (chunk: Buffer) => call.read(chunk))
    stream.on("end", () => {
      call.acknowledge()
      stream.end()
    })
    stream.on("error", () => {})
    stream.on("close", () => calls.delete(call))
    if (mode === "frozen") call.freeze(true)
  })
  return new Promise((resolve) =>
    server.listen(at, "127.0.0.1", () => resolve((server.address() as AddressInfo).port))
  )
}

const [most, wanted, key, cert] = process.argv.slice(2)
const settings = { initialWindowSize: STREAM_WINDOW, maxConcurrentStreams: Number(most) }
const port = await serve(Http2.createServer({ settings }), Number(wanted))
const securePort =
  key === undefined || cert === undefined
    ? undefined
    : await serve(Http2.createSecureServer({ key, cert, settings }))

const acknowledgeAll = (): void => {
  const now = performance.now()
  for (const call of calls) call.allow(now)
  for (const call of calls) call.acknowledge()
}
let timer = setInterval(acknowledgeAll, ackInterval)

const report = (): void => {
  const { system, user } = process.cpuUsage(cpuBefore)
  cpuBefore = process.cpuUsage()
  const cpu = (system + user) / 1e6
  const answer: SinkReport = {
    port,
    securePort,
    messages,
    bytes,
    records,
    calls: calls.size,
    opened,
    mostCalls,
    cpu,
    resumedAfter,
    violation
  }
  process.send?.(answer)
  messages = bytes = records = opened = 0
  mostCalls = calls.size
  violation = undefined
}

process.on("message", (order: SinkOrder) => {
  if (order.ackInterval !== undefined) {
    ackInterval = order.ackInterval
    clearInterval(timer)
    timer = setInterval(acknowledgeAll, Math.max(1, ackInterval))
  }
  if (order.verify !== undefined) verify = order.verify
  if (order.keyed !== undefined) {
    keyed = order.keyed
    counts.clear()
  }
  if (order.flightRows !== undefined) flightRows = order.flightRows
  if (order.bytesPerSecond !== undefined) bytesPerSecond = Number(order.bytesPerSecond)
  if (order.mode !== undefined) {
    mode = order.mode
    for (const call of calls) call.freeze(mode === "frozen")
  }
  if (order.cut === true) {
    cutAt = performance.now()
    resumedAfter = undefined
    for (const call of calls) call.cut = true
    for (const session of sessions) session.destroy()
  }
  report()
})
process.on("disconnect", () => process.exit(0))
report()
