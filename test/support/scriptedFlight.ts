/**
 * A scripted Arrow Flight server for tests, over `MemoryTransport` or gRPC.
 *
 * It reads requests with protobufjs and batches with the Arrow library, so that it does not share
 * the client's own codec. `violations` records what a correct client never does: a gap in the frame
 * numbers, a batch before the schema, anything after a half-close.
 */
import { RecordBatchReader, type Table, tableFromIPC } from "apache-arrow"
import protobuf from "protobufjs"
import type { MemoryPeer, MemoryServer } from "../../src/testing/MemoryTransport.ts"

const { root } = protobuf.parse(`
  syntax = "proto3";
  message FlightData { bytes data_header = 2; bytes app_metadata = 3; bytes data_body = 1000; }
  message PutResult { bytes app_metadata = 1; }
`)
const FlightData = root.lookupType("FlightData")
const PutResult = root.lookupType("PutResult")

/** One received record batch. */
export interface Frame {
  /** Its number from the metadata. */
  readonly offset: number
  readonly rows: number
  readonly header: Buffer
  readonly body: Buffer
}

/** The behaviour of one connection. Missing callbacks behave correctly. */
export interface FlightScript {
  readonly onConnect?: ((connection: FlightConnection) => void) | undefined
  readonly onSchema?: ((connection: FlightConnection) => void) | undefined
  readonly onFrame?: ((connection: FlightConnection, frame: Frame) => void) | undefined
  readonly onHalfClose?: ((connection: FlightConnection) => void) | undefined
}

/** A message of the stream format: prefix, metadata, body. */
const message = (header: Uint8Array, body: Uint8Array): Buffer => {
  const prefix = Buffer.alloc(8)
  prefix.writeInt32LE(-1)
  prefix.writeInt32LE(header.length, 4)
  return Buffer.concat([prefix, header, body])
}

/** One connection, on the server's side. */
export class FlightConnection {
  readonly index: number
  readonly headers: Readonly<Record<string, string>>
  readonly rpc: string
  readonly frames: Array<Frame> = []
  readonly violations: Array<string> = []
  schema: Buffer | undefined
  halfCloses = 0
  /** Number of times the client cancelled the call before it had ended. */
  resets = 0
  over = false
  private readonly peer: MemoryPeer
  private readonly script: FlightScript

  constructor(
    index: number,
    headers: Readonly<Record<string, string>>,
    peer: MemoryPeer,
    rpc: string,
    script: FlightScript
  ) {
    this.index = index
    this.headers = headers
    this.peer = peer
    this.rpc = rpc
    this.script = script
    script.onConnect?.(this)
  }

  /** Sends an answer with this metadata. */
  send(metadata: object | string): void {
    const text = typeof metadata === "string" ? metadata : JSON.stringify(metadata)
    this.peer.write(PutResult.encode({ appMetadata: Buffer.from(text) }).finish())
  }
  ready(): void {
    this.send({ ack_up_to_offset: -1, ack_up_to_records: 0 })
  }
  /** Acknowledges this many rows of the connection. */
  ack(rows: number, closeMillis?: number): void {
    const offset = this.frames.length - 1
    const closing = closeMillis === undefined ? {} : { close_stream_duration_ms: closeMillis }
    this.send({ ack_up_to_offset: offset, ack_up_to_records: rows, ...closing })
  }
  /** Announces the end of the connection without an acknowledgement. */
  closing(millis: number): void {
    this.send({ ack_up_to_offset: -1, ack_up_to_records: 0, close_stream_duration_ms: millis })
  }
  end(): void {
    this.over = true
    this.peer.finish(undefined)
  }
  fail(status: number, words = "scripted", details?: Uint8Array): void {
    this.over = true
    this.peer.finish({ code: status, message: words, details })
  }
  cut(): void {
    this.over = true
    this.peer.cut()
  }
  pause(): void {
    this.peer.pause()
  }
  resume(): void {
    this.peer.resume()
  }
  /** Rows received. */
  get rows(): number {
    return this.frames.reduce((sum, frame) => sum + frame.rows, 0)
  }
  /** The received rows, read with the Arrow library. */
  get table(): Table {
    const batches = this.frames.map(({ body, header }) => message(header, body))
    return tableFromIPC(Buffer.concat([this.schema!, ...batches]))
  }

  receive(bytes: Uint8Array): void {
    if (this.halfCloses > 0) this.violations.push("a request after the half-close")
    const data = FlightData.decode(bytes) as unknown as Record<string, Uint8Array | undefined>
    const header = Buffer.from(data["dataHeader"] ?? [])
    const body = Buffer.from(data["dataBody"] ?? [])
    const metadata = Buffer.from(data["appMetadata"] ?? []).toString("utf8")
    if (this.schema === undefined) {
      if (metadata !== "" || body.length > 0)
        this.violations.push("a first request that is no schema")
      this.schema = message(header, body)
      if (this.script.onSchema === undefined) this.ready()
      else this.script.onSchema(this)
      return
    }
    const { offset_id: offset } = JSON.parse(metadata) as { readonly offset_id: number }
    if (offset !== this.frames.length) {
      this.violations.push(`frame ${offset} instead of ${this.frames.length}`)
    }
    const [batch] = RecordBatchReader.from(
      Buffer.concat([this.schema, message(header, body)])
    ) as unknown as Iterable<{
      readonly numRows: number
    }>
    const frame = { offset, rows: batch!.numRows, header, body }
    this.frames.push(frame)
    if (this.script.onFrame === undefined) this.ack(this.rows)
    else this.script.onFrame(this, frame)
  }

  halfClosed(): void {
    this.halfCloses++
    if (this.script.onHalfClose === undefined) this.end()
    else this.script.onHalfClose(this)
  }

  cancelled(): void {
    if (!this.over) this.resets++
    this.over = true
  }
}

/** The server: `scripts[n]` is for connection `n`, the last one for all that follow. */
export class ScriptedFlight {
  readonly connections: Array<FlightConnection> = []
  private readonly scripts: ReadonlyArray<FlightScript>

  constructor(scripts: ReadonlyArray<FlightScript>) {
    this.scripts = scripts
  }

  readonly serve: MemoryServer = (headers, peer, rpc) => {
    const index = this.connections.length
    const script = this.scripts[Math.min(index, this.scripts.length - 1)] ?? {}
    const connection = new FlightConnection(index, headers, peer, rpc ?? "none", script)
    this.connections.push(connection)
    return connection
  }

  connection(index: number): FlightConnection {
    const connection = this.connections[index]
    if (connection === undefined)
      throw new Error(`There are only ${this.connections.length} connections`)
    return connection
  }
  /** The newest connection. */
  get last(): FlightConnection {
    return this.connection(this.connections.length - 1)
  }
  get violations(): ReadonlyArray<string> {
    return this.connections.flatMap(({ violations }) => violations)
  }
}
