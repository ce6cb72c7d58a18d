/**
 * A scripted Zerobus server for tests, correct or hostile, over `MemoryTransport`.
 *
 * It decodes requests with the code generated from the proto file, so that it does not share the
 * client's own codec. It writes responses by hand, so that it can send what generated code cannot.
 * `violations` records what a correct client never does: a gap in the wire offsets, a record before
 * the create request, anything after a half-close.
 */
import { databricks } from "../generated/zerobus_service.js"
import type { MemoryPeer, MemoryServer } from "../../src/testing/MemoryTransport.ts"

const { EphemeralStreamRequest } = databricks.zerobus

/** One ingest request as the server decoded it. */
export interface Received {
  readonly wireOffset: number
  readonly kind: "single" | "batch"
  readonly format: "json" | "proto" | "avro"
  readonly records: ReadonlyArray<string>
}

/** The decoded create request. */
export interface Created {
  readonly tableName: string
  readonly recordType: number
  readonly descriptor: Uint8Array | undefined
  readonly avroSchema?: string | undefined
}

/** The behaviour of one connection. Missing callbacks behave correctly. */
export interface Script {
  readonly onConnect?: ((connection: Connection) => void) | undefined
  readonly onCreate?: ((connection: Connection) => void) | undefined
  readonly onMessage?: ((connection: Connection, message: Received) => void) | undefined
  readonly onHalfClose?: ((connection: Connection) => void) | undefined
}

const varint = (value: bigint): Array<number> => {
  const bytes: Array<number> = []
  let rest = BigInt.asUintN(64, value)
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return bytes
}
const delimited = (field: number, content: ReadonlyArray<number>): Array<number> => [
  (field << 3) | 2,
  ...varint(BigInt(content.length)),
  ...content
]
const duration = (millis: number): Array<number> => [
  0x08,
  ...varint(BigInt(Math.floor(millis / 1000))),
  0x10,
  ...varint(BigInt(Math.round((millis % 1000) * 1_000_000)))
]

/** Responses, byte by byte. Concatenate parts to send them in one message. */
export const response = {
  created: (streamId?: string): Array<number> =>
    delimited(
      1,
      streamId === undefined ? [] : delimited(1, [...new TextEncoder().encode(streamId)])
    ),
  /** Durable up to this wire offset. Negative values are sent in ten bytes, as in protobuf. */
  ack: (upTo: number | bigint): Array<number> => delimited(2, [0x08, ...varint(BigInt(upTo))]),
  ackWithoutOffset: (): Array<number> => delimited(2, []),
  closing: (millis?: number): Array<number> =>
    delimited(3, millis === undefined ? [] : delimited(1, duration(millis))),
  unknown: (): Array<number> => delimited(9, [1, 2, 3]),
  empty: (): Array<number> => [],
  garbage: (): Array<number> => [0xff, 0xff, 0xff]
}

/** gRPC status codes by name. */
export const code = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16
} as const

const decodeText = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1")

/** One connection, on the server's side. */
export class Connection {
  readonly index: number
  readonly headers: Readonly<Record<string, string>>
  readonly messages: Array<Received> = []
  readonly violations: Array<string> = []
  create: Created | undefined
  halfCloses = 0
  /** Number of times the client cancelled the call before it had ended. */
  resets = 0
  over = false
  private readonly peer: MemoryPeer
  private readonly script: Script

  constructor(
    index: number,
    headers: Readonly<Record<string, string>>,
    peer: MemoryPeer,
    script: Script
  ) {
    this.index = index
    this.headers = headers
    this.peer = peer
    this.script = script
    script.onConnect?.(this)
  }

  /** Sends one response with these parts. */
  send(...parts: ReadonlyArray<ReadonlyArray<number>>): void {
    this.peer.write(Uint8Array.from(parts.flat()))
  }
  accept(streamId: string | undefined = `session-${this.index}`): void {
    this.send(response.created(streamId))
  }
  ack(upTo: number | bigint): void {
    this.send(response.ack(upTo))
  }
  closing(millis?: number): void {
    this.send(response.closing(millis))
  }
  end(): void {
    this.over = true
    this.peer.finish(undefined)
  }
  fail(status: number, message = "scripted", details?: Uint8Array): void {
    this.over = true
    this.peer.finish({ code: status, message, details })
  }
  cut(): void {
    this.over = true
    this.peer.cut()
  }
  /** Stops accepting requests, so that the client's transport fills up. */
  pause(): void {
    this.peer.pause()
  }
  resume(): void {
    this.peer.resume()
  }
  /** Records received on this connection, in order. */
  get records(): ReadonlyArray<string> {
    return this.messages.flatMap((message) => message.records)
  }

  receive(bytes: Uint8Array): void {
    if (this.halfCloses > 0) this.violations.push("a request after the half-close")
    const request = EphemeralStreamRequest.decode(bytes)
    if (request.createStream) {
      if (this.create !== undefined) this.violations.push("a second create request")
      const { avroSchemaJson, descriptorProto, recordType, tableName } = request.createStream
      this.create = {
        tableName: tableName ?? "",
        recordType: recordType ?? 0,
        descriptor: descriptorProto && descriptorProto.length > 0 ? descriptorProto : undefined,
        ...(avroSchemaJson ? { avroSchema: avroSchemaJson } : {})
      }
      if (this.script.onCreate === undefined) this.accept()
      else this.script.onCreate(this)
      return
    }
    if (this.create === undefined) this.violations.push("a record before the create request")
    const message = decodeIngest(request)
    if (message === undefined) {
      this.violations.push("a request of no known kind")
      return
    }
    if (message.wireOffset !== this.messages.length) {
      this.violations.push(`wire offset ${message.wireOffset} instead of ${this.messages.length}`)
    }
    this.messages.push(message)
    if (this.script.onMessage === undefined) this.ack(message.wireOffset)
    else this.script.onMessage(this, message)
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

const decodeIngest = (request: databricks.zerobus.EphemeralStreamRequest): Received | undefined => {
  const single = request.ingestRecord
  const avro = single?.avroEncodedRecord
  if (avro && avro.length > 0) {
    const wireOffset = Number(single.offsetId)
    return { wireOffset, kind: "single", format: "avro", records: [decodeText(avro)] }
  }
  if (single) {
    const json = single.jsonRecord
    return {
      wireOffset: Number(single.offsetId),
      kind: "single",
      format: typeof json === "string" ? "json" : "proto",
      records: [
        typeof json === "string" ? json : decodeText(single.protoEncodedRecord ?? new Uint8Array())
      ]
    }
  }
  const batch = request.ingestRecordBatch
  if (!batch) return undefined
  if (batch.avroBatch) {
    const records = (batch.avroBatch.records ?? []).map(decodeText)
    return { wireOffset: Number(batch.offsetId), kind: "batch", format: "avro", records }
  }
  return batch.jsonBatch
    ? {
        wireOffset: Number(batch.offsetId),
        kind: "batch",
        format: "json",
        records: batch.jsonBatch.records ?? []
      }
    : {
        wireOffset: Number(batch.offsetId),
        kind: "batch",
        format: "proto",
        records: (batch.protoEncodedBatch?.records ?? []).map(decodeText)
      }
}

/**
 * The server: `scripts[n]` is for connection `n`, the last one for all that follow. Without
 * scripts, the server behaves correctly.
 */
export class ScriptedServer {
  readonly connections: Array<Connection> = []
  private readonly scripts: ReadonlyArray<Script>

  constructor(scripts: ReadonlyArray<Script>) {
    this.scripts = scripts
  }

  readonly serve: MemoryServer = (headers, peer) => {
    const index = this.connections.length
    const script = this.scripts[Math.min(index, this.scripts.length - 1)] ?? {}
    const connection = new Connection(index, headers, peer, script)
    this.connections.push(connection)
    return connection
  }

  connection(index: number): Connection {
    const connection = this.connections[index]
    if (connection === undefined)
      throw new Error(`There is no connection ${index}, only ${this.connections.length}`)
    return connection
  }
  /** The newest connection. */
  get last(): Connection {
    return this.connection(this.connections.length - 1)
  }
  /** All records received, connection after connection. */
  get records(): ReadonlyArray<string> {
    return this.connections.flatMap((connection) => connection.records)
  }
  /** All ingest requests received. */
  get writes(): number {
    return this.connections.reduce((sum, connection) => sum + connection.messages.length, 0)
  }
  get violations(): ReadonlyArray<string> {
    return this.connections.flatMap((connection) => connection.violations)
  }
}
