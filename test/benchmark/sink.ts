/**
 * The neutral server of the benchmarks, in a process of its own: it counts the records in each message and acknowledges what has
 * arrived every five milliseconds. It stores nothing and decodes nothing, so that the clients are what is measured.
 */
import * as Grpc from "@grpc/grpc-js"
import { readLength } from "../../src/internal/envelope.ts"
import { ackResponse, createdResponse } from "../../src/local/streamMessages.ts"

const ACK_INTERVAL = 5
const CREATE = 0x0a
const BATCH = 0x1a

const identity = (bytes: Buffer): Buffer => bytes
let records = 0

/** How many records a message carries: one, or those of its batch. */
const countRecords = (message: Buffer): number => {
  const body = readLength(message, 1).next
  if (message[0] !== BATCH) return 1
  // The offset, then the tag of the batch and its length; after it each record as tag, length, bytes.
  const offset = message[body] === 0x08 ? readLength(message, body + 1).next : body
  let position = readLength(message, offset + 1).next
  let count = 0
  while (position < message.length) {
    const { length, next } = readLength(message, position + 1)
    position = next + length
    count++
  }
  return count
}

const serve = (call: Grpc.ServerDuplexStream<Buffer, Buffer>): void => {
  let received = 0
  let acknowledged = 0
  const acknowledge = (): void => {
    if (received === acknowledged) return
    acknowledged = received
    call.write(Buffer.from(ackResponse(received - 1)))
  }
  const timer = setInterval(acknowledge, ACK_INTERVAL)
  call.on("data", (message: Buffer) => {
    if (message[0] === CREATE) {
      call.write(Buffer.from(createdResponse("benchmark")))
      return
    }
    received++
    records += countRecords(message)
  })
  call.on("end", () => {
    clearInterval(timer)
    acknowledge()
    call.end()
  })
  call.on("error", () => clearInterval(timer))
  call.on("cancelled", () => clearInterval(timer))
}

const server = new Grpc.Server({ "grpc.max_receive_message_length": 16 * 1024 * 1024 })
server.register("/databricks.zerobus.Zerobus/EphemeralStream", serve as never, identity, identity, "bidi")
server.bindAsync("127.0.0.1:0", Grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error
  process.send?.({ port })
})
process.on("message", () => {
  process.send?.({ records, cpu: process.cpuUsage() })
  records = 0
})
process.on("disconnect", () => process.exit(0))
