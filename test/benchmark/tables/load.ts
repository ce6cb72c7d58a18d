/**
 * The client of the benchmark of many tables, in a separate process: plain HTTP/2 with prepared
 * messages, so that it uses little of the machine. `load.ts PORT TABLES ROWS PER_MESSAGE`
 *
 * Every table has one stream. The messages of a second are spread evenly over it, whatever the
 * server does: a table whose server lags gets the same number of rows, until flow control of HTTP/2
 * stops them.
 */
import * as Http2 from "node:http2"
import {
  decodeResponse,
  encodeCreate,
  HEAD_ROOM,
  payloadTag,
  stampHeader
} from "../../../src/internal/protobuf/envelope.ts"
import { encodedRow, Rows } from "../../../scripts/sustained/row.ts"
import { tableName } from "./tableName.ts"

/** The orders of the parent. */
export type LoadOrder = { readonly do: "sample" } | { readonly do: "stop" }

/** Measurements since the last sample. Times are in milliseconds. */
export interface LoadSample {
  /** From the writing of a message to its acknowledgement. */
  readonly latencies: ReadonlyArray<number>
  /** Rows since the start. */
  readonly sent: number
  readonly acknowledged: ReadonlyArray<number>
  /** Processor time since the start of the process. */
  readonly cpu: number
}

/** Streams of one connection; the server permits 1,000. */
const STREAMS = 250
/** Milliseconds between two turns of sending. */
const TURN = 10

const [port = "0", tables = "1", rows = "10", perMessage = "10"] = process.argv.slice(2)
const ROWS = Number(perMessage)
const framed = (message: Uint8Array): Buffer => {
  const frame = Buffer.alloc(5 + message.length)
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, 5)
  return frame
}

const content = ((): Buffer => {
  const parts: Array<Uint8Array> = []
  for (let n = 0; n < ROWS; n++) {
    const row = encodedRow(n)
    if (row.length > 127 * 128) throw new Error("The row is too long for this encoding.")
    const length = row.length < 128 ? [row.length] : [(row.length & 127) | 128, row.length >> 7]
    parts.push(Uint8Array.from([0x0a, ...length]), row)
  }
  return Buffer.concat(parts)
})()
const buffer = Buffer.concat([Buffer.alloc(HEAD_ROOM), content])

/** The message of an offset; offsets are below 2^53. */
const message = (offset: number): Buffer => {
  const start = stampHeader(buffer, HEAD_ROOM, buffer.length, offset, payloadTag("proto"), true)
  return framed(buffer.subarray(start))
}

let latencies: Array<number> = []
let sent = 0

class Stream {
  open = false
  acknowledged = 0
  private readonly call: Http2.ClientHttp2Stream
  private next = 0
  private readonly sentAt: Array<number> = []
  private left: Buffer = Buffer.alloc(0)

  constructor(session: Http2.ClientHttp2Session, table: string, opened: () => void) {
    this.call = session.request({
      ":method": "POST",
      ":path": "/databricks.zerobus.Zerobus/EphemeralStream",
      "content-type": "application/grpc",
      "te": "trailers",
      "x-databricks-zerobus-table-name": table
    })
    this.call.on("error", () => {})
    this.call.on("trailers", (trailers) => {
      // A stopping server ends calls with status 14.
      if (trailers["grpc-status"] === "14" || trailers["grpc-status"] === "0") return
      console.error(`${table}: ${decodeURIComponent(String(trailers["grpc-message"]))}`)
    })
    this.call.on("data", (chunk: Buffer) => {
      this.left = this.left.length === 0 ? chunk : Buffer.concat([this.left, chunk])
      while (this.left.length >= 5 && this.left.length >= 5 + this.left.readUInt32BE(1)) {
        const end = 5 + this.left.readUInt32BE(1)
        const response = decodeResponse(this.left.subarray(5, end))
        this.left = this.left.subarray(end)
        if (response?.created !== undefined) {
          this.open = true
          opened()
        }
        const upTo = response?.acknowledged?.upTo
        if (upTo !== undefined) this.acknowledge(upTo)
      }
    })
    this.call.write(
      framed(encodeCreate({ tableName: table, recordType: "proto", descriptor: Rows.descriptor! }))
    )
  }

  send(): void {
    if (!this.open || this.call.destroyed) return
    this.sentAt.push(performance.now())
    sent += ROWS
    this.call.write(message(this.next++))
  }

  private acknowledge(offset: number): void {
    const now = performance.now()
    while (this.acknowledged <= offset * ROWS) {
      latencies.push(now - this.sentAt.shift()!)
      this.acknowledged += ROWS
    }
  }
}

const count = Number(tables)
const streams: Array<Stream> = []
let opened = 0
const begin = (): void => {
  const perSecond = (count * Number(rows)) / ROWS
  const started = performance.now()
  let done = 0
  setInterval(() => {
    if (stopped) return
    const due = Math.floor(((performance.now() - started) / 1000) * perSecond)
    for (; done < due; done++) streams[done % count]!.send()
  }, TURN)
  process.send!({})
}

let stopped = false
let session: Http2.ClientHttp2Session | undefined
for (let n = 0; n < count; n++) {
  if (n % STREAMS === 0) {
    session = Http2.connect(`http://127.0.0.1:${port}`)
    session.on("error", () => {})
  }
  streams.push(
    new Stream(session!, tableName(n), () => {
      if (++opened === count) begin()
    })
  )
}

process.on("message", (order: LoadOrder) => {
  if (order.do === "stop") stopped = true
  const { system, user } = process.cpuUsage()
  const sample: LoadSample = {
    latencies,
    sent,
    acknowledged: streams.map(({ acknowledged }) => acknowledged),
    cpu: (system + user) / 1000
  }
  latencies = []
  process.send!(sample)
})
