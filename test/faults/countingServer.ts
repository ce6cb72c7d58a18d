/**
 * A gRPC server over TCP that knows of each stream how far its records are durable, and of each record whether it came in order. The
 * number of a record is its first four bytes. A record beyond the next one is a loss; one at or below is a duplicate.
 */
import * as Grpc from "@grpc/grpc-js"
import { ackResponse, createdResponse, readRequest } from "../../src/local/stream/streamMessages.ts"

export interface Counted {
  /** Records that are durable: numbers 0 to `durable - 1`. */
  durable: number
  duplicates: number
  /** Rules of the protocol or of the order that a connection broke. */
  readonly violations: Array<string>
  sessions: number
}

export interface CountingServer {
  readonly port: number
  /** By table name. */
  readonly counted: (table: string) => Counted
  readonly close: () => void
}

const identity = (bytes: Buffer): Buffer => bytes

export const startCountingServer = async (): Promise<CountingServer> => {
  const tables = new Map<string, Counted>()
  const counted = (table: string): Counted => {
    let entry = tables.get(table)
    if (entry === undefined) tables.set(table, (entry = { durable: 0, duplicates: 0, violations: [], sessions: 0 }))
    return entry
  }
  const server = new Grpc.Server({ "grpc.max_receive_message_length": -1 })
  const ephemeralStream: Grpc.handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    let table: Counted | undefined
    let nextOffset = 0
    let nextRecord = 0
    const write = (bytes: Uint8Array) => {
      if (!call.cancelled) call.write(Buffer.from(bytes))
    }
    call.on("error", () => {})
    call.on("data", (bytes: Buffer) => {
      const request = readRequest(bytes)
      if (request._tag === "Create") {
        table = counted(request.tableName ?? "")
        table.sessions++
        nextRecord = table.durable
        write(createdResponse(`session-${table.sessions}`))
        return
      }
      if (table === undefined || request._tag !== "Ingest") {
        table?.violations.push(`unexpected ${request._tag}`)
        return
      }
      if (request.offset !== nextOffset) table.violations.push(`wire offset ${request.offset} instead of ${nextOffset}`)
      nextOffset++
      for (const record of request.records) {
        const number = Buffer.from(record.buffer, record.byteOffset, 4).readUInt32BE()
        // The first record of a session may repeat any durable one; from then on they follow one another.
        if (nextOffset > 1 && number !== nextRecord) table.violations.push(`record ${number} instead of ${nextRecord}`)
        if (number > table.durable)
          table.violations.push(`record ${number} came, but only ${table.durable} are durable`)
        if (number < table.durable) table.duplicates++
        else table.durable = number + 1
        nextRecord = number + 1
      }
      write(ackResponse(request.offset))
    })
    call.on("end", () => call.end())
  }
  server.addService(
    {
      ephemeralStream: {
        path: "/databricks.zerobus.Zerobus/EphemeralStream",
        requestStream: true,
        responseStream: true,
        requestSerialize: identity,
        requestDeserialize: identity,
        responseSerialize: identity,
        responseDeserialize: identity
      }
    },
    { ephemeralStream }
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", Grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error)
    )
  )
  return { port, counted, close: () => server.forceShutdown() }
}
