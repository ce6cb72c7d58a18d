/**
 * node:http2 alone: one prepared message per record, framed and packed into writes of about 128
 * KiB. No client on Node can be faster than this.
 */
import * as Http2 from "node:http2"
import {
  acknowledgedUpTo,
  byteRecords,
  type Client,
  type ClientSpec,
  createMessage,
  framed,
  METHOD,
  singleMessage,
  VARIETY
} from "./client.ts"
import { Window } from "./window.ts"

const WRITE = 128 * 1024

export const open = async (spec: ClientSpec): Promise<Client> => {
  const messages = byteRecords(spec.size).map((record) => framed(singleMessage(record)))
  const perWrite = Math.max(1, Math.floor(WRITE / messages[0]!.length))
  const block = Buffer.concat(Array.from({ length: perWrite }, (_, n) => messages[n % VARIETY]!))
  const scheme = spec.ca === undefined ? "http" : "https"
  const session = Http2.connect(
    `${scheme}://127.0.0.1:${spec.port}`,
    spec.ca === undefined ? {} : { ca: spec.ca }
  )
  const stream = session.request({
    ":method": "POST",
    ":path": METHOD,
    "content-type": "application/grpc",
    "te": "trailers"
  })
  const window = new Window(spec.window, 1)
  const opened = Promise.withResolvers<void>()
  let buffered: Buffer = Buffer.alloc(0)
  stream.on("data", (chunk: Buffer) => {
    buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk])
    while (buffered.length >= 5 && buffered.length >= 5 + buffered.readUInt32BE(1)) {
      const end = 5 + buffered.readUInt32BE(1)
      const upTo = acknowledgedUpTo(buffered.subarray(5, end))
      buffered = buffered.subarray(end)
      if (upTo === undefined) opened.resolve()
      else window.acknowledge(upTo)
    }
  })
  const fail = (error: Error): void => {
    opened.reject(error)
    window.fail(error)
  }
  stream.on("drain", () => window.drained())
  stream.on("error", fail)
  session.on("error", fail)
  stream.write(framed(createMessage))
  await opened.promise

  const send = async (goesOn: (records: number) => boolean): Promise<number> => {
    let records = 0
    for (; goesOn(records); records += perWrite) {
      if (!window.hasRoom) await window.room()
      window.wrote(perWrite, stream.write(block))
    }
    return records
  }
  return {
    run: async (millis) => {
      const until = performance.now() + millis
      const records = await send(() => performance.now() < until)
      await window.settled()
      return records
    },
    count: async (wanted) => {
      const records = await send((count) => count < wanted)
      await window.settled()
      return records
    },
    fill: (count, within) => {
      const until = performance.now() + within
      return send((records) => records < count && performance.now() < until)
    },
    flush: () => window.settled(),
    latency: () => Promise.reject(new Error("The raw client sends whole writes only."))
  }
}
