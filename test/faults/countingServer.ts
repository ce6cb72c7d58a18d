/**
 * A gRPC server over TCP that counts, for each stream, how many records are durable, and checks for
 * each record that it arrived in order. The number of a record is its first four bytes. For Arrow
 * batches it counts rows; the number of a row is its first column. A record beyond the next
 * expected one is a loss; one before it is a duplicate.
 */
import * as Grpc from "@grpc/grpc-js"
import { tableFromIPC } from "apache-arrow"
import {
  DO_PUT_PATH,
  readFlightData,
  readOffsetMetadata,
  writePutResult
} from "../../src/internal/flight/flightData.ts"
import { ackResponse, createdResponse, readRequest } from "../../src/local/stream/streamMessages.ts"
import { duplexMethod } from "../support/duplexMethod.ts"

export interface Counted {
  /** Durable records: numbers 0 to `durable - 1`. Rows, for Arrow batches. */
  durable: number
  /** Received records, durable or not. */
  received: number
  duplicates: number
  /** Violations of the protocol or of the order, by any connection. */
  readonly violations: Array<string>
  sessions: number
  /** Stops the last connection from making more rows durable. */
  stop?: () => void
}

export interface CountingServer {
  readonly port: number
  /** By table name. */
  readonly counted: (table: string) => Counted
  readonly close: () => void
}

/** One connection of a stream. */
class Session {
  private readonly counted: Counted
  private nextOffset = 0
  private nextRecord = 0
  private started = false

  constructor(counted: Counted) {
    this.counted = counted
    counted.sessions++
  }

  /** Checks the offset of a request. */
  offset(offset: number | undefined): void {
    if (offset !== this.nextOffset)
      this.counted.violations.push(`wire offset ${offset} instead of ${this.nextOffset}`)
    this.nextOffset++
  }

  record(number: number): void {
    const { counted } = this
    // The first record of a session may repeat any durable record; after it, records are
    // consecutive.
    if (this.started && number !== this.nextRecord)
      counted.violations.push(`record ${number} instead of ${this.nextRecord}`)
    if (!this.started && number > counted.durable)
      counted.violations.push(`record ${number} came, but only ${counted.durable} are durable`)
    this.started = true
    if (number < counted.received) counted.duplicates++
    else counted.received = number + 1
    this.nextRecord = number + 1
  }

  /** Makes received records durable, except the last `without` ones. */
  settle(without = 0): void {
    this.counted.durable = Math.max(this.counted.durable, this.nextRecord - without)
  }
}

/** The time between the steps in which rows become durable, so that cuts occur between them. */
const STEP_MILLIS = 5

/** A message of Arrow's stream format. */
const ipcMessage = (header: Uint8Array, body: Uint8Array): Buffer => {
  const prefix = Buffer.alloc(8)
  prefix.writeInt32LE(-1)
  prefix.writeInt32LE(header.length, 4)
  return Buffer.concat([prefix, header, body])
}

export const startCountingServer = async (): Promise<CountingServer> => {
  const tables = new Map<string, Counted>()
  const counted = (table: string): Counted => {
    let entry = tables.get(table)
    if (entry === undefined)
      tables.set(
        table,
        (entry = { durable: 0, received: 0, duplicates: 0, violations: [], sessions: 0 })
      )
    return entry
  }
  const server = new Grpc.Server({ "grpc.max_receive_message_length": -1 })
  const ephemeralStream: Grpc.handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    let session: Session | undefined
    const write = (bytes: Uint8Array) => {
      if (!call.cancelled) call.write(Buffer.from(bytes))
    }
    let table: Counted | undefined
    call.on("error", () => {})
    call.on("data", (bytes: Buffer) => {
      const request = readRequest(bytes)
      if (request._tag === "Create") {
        table = counted(request.tableName ?? "")
        session = new Session(table)
        write(createdResponse(`session-${table.sessions}`))
        return
      }
      if (session === undefined || request._tag !== "Ingest") {
        table?.violations.push(`unexpected ${request._tag}`)
        return
      }
      session.offset(request.offset)
      for (const record of request.records)
        session.record(Buffer.from(record.buffer, record.byteOffset, 4).readUInt32BE())
      session.settle()
      write(ackResponse(request.offset))
    })
    call.on("end", () => call.end())
  }
  const doPut: Grpc.handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    const table = counted(String(call.metadata.get("x-databricks-zerobus-table-name")[0]))
    const session = new Session(table)
    // After a cut nothing more becomes durable, even before the server detects the cut.
    table.stop?.()
    let stopped = false
    table.stop = () => {
      stopped = true
      clearTimeout(timer)
      steps.length = 0
    }
    let schema: Buffer | undefined
    let frames = 0
    let rows = 0
    /** Counts of this connection's rows that become durable, step by step. */
    const steps: Array<number> = []
    let timer: NodeJS.Timeout | undefined
    const step = () => {
      timer = undefined
      const upTo = steps.shift()
      if (upTo !== undefined) {
        session.settle(rows - upTo)
        answer(upTo)
      }
      if (steps.length > 0) timer = setTimeout(step, STEP_MILLIS)
    }
    const answer = (upTo: number) => {
      call.write(Buffer.from(writePutResult({ ackUpToOffset: frames - 1, ackUpToRecords: upTo })))
    }
    call.on("error", () => {})
    call.on("data", (bytes: Buffer) => {
      const data = readFlightData(bytes)
      if (data === undefined) {
        table.violations.push("a message that is not FlightData")
        return
      }
      const message = ipcMessage(data.header, data.body)
      if (schema === undefined) {
        schema = message
        return answer(0)
      }
      session.offset(data.metadata === undefined ? undefined : readOffsetMetadata(data.metadata))
      const numbers = tableFromIPC(Buffer.concat([schema, message])).getChildAt(0) ?? []
      let count = 0
      for (const number of numbers) {
        session.record(Number(number))
        count++
      }
      frames++
      rows += count
      // Each frame becomes durable in two steps, so that cuts leave batches with part of their rows
      // durable. Each response is sent twice: if the copy is cut, the client already has the
      // acknowledgement of every durable row.
      const half = rows - Math.ceil(count / 2)
      if (count > 1) steps.push(half, half)
      steps.push(rows, rows)
      if (!stopped) timer ??= setTimeout(step, STEP_MILLIS)
    })
    // The end arrives when the client is done and when the connection is cut: nothing becomes
    // durable after it.
    call.on("end", () => {
      clearTimeout(timer)
      steps.length = 0
      call.end()
    })
  }
  server.addService(
    {
      ephemeralStream: duplexMethod("/databricks.zerobus.Zerobus/EphemeralStream"),
      doPut: duplexMethod(DO_PUT_PATH)
    },
    { ephemeralStream, doPut }
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", Grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error)
    )
  )
  return { port, counted, close: () => server.forceShutdown() }
}
