/**
 * grpc-js alone: repeats prepared messages of 100 records within the same window. The limit of this
 * transport.
 */
import * as Grpc from "@grpc/grpc-js"
import {
  acknowledgedUpTo,
  BATCH,
  batchMessage,
  byteRecords,
  type Client,
  type ClientSpec,
  createMessage,
  METHOD,
  VARIETY
} from "./client.ts"
import { Window } from "./window.ts"

const identity = (bytes: Buffer): Buffer => bytes

interface Lane {
  readonly call: Grpc.ClientDuplexStream<Buffer, Buffer>
  readonly window: Window
}

const openLane = (spec: ClientSpec): Promise<Lane> =>
  new Promise((resolve, reject) => {
    const credentials =
      spec.ca === undefined
        ? Grpc.credentials.createInsecure()
        : Grpc.credentials.createSsl(Buffer.from(spec.ca))
    const channel = new Grpc.Client(`127.0.0.1:${spec.port}`, credentials, {
      "grpc.use_local_subchannel_pool": 1
    })
    const call = channel.makeBidiStreamRequest(METHOD, identity, identity, new Grpc.Metadata())
    const window = new Window(spec.window / spec.streams)
    call.on("data", (response: Buffer) => {
      const upTo = acknowledgedUpTo(response)
      if (upTo === undefined) resolve({ call, window })
      else window.acknowledge(upTo)
    })
    call.on("drain", () => window.drained())
    call.on("error", (error) => {
      reject(error)
      window.fail(error)
    })
    call.write(createMessage)
  })

export const open = async (spec: ClientSpec): Promise<Client> => {
  const records = byteRecords(spec.size)
  const message = batchMessage(Array.from({ length: BATCH }, (_, n) => records[n % VARIETY]!))
  const lanes = await Promise.all(Array.from({ length: spec.streams }, () => openLane(spec)))
  const flush = async (): Promise<void> => {
    for (const { window } of lanes) await window.settled()
  }
  const send = async (
    { call, window }: Lane,
    goesOn: (messages: number) => boolean
  ): Promise<number> => {
    let messages = 0
    for (; goesOn(messages); messages++) {
      if (!window.hasRoom) await window.room()
      window.wrote(1, call.write(message))
    }
    return messages * BATCH
  }
  const sum = (counts: ReadonlyArray<number>): number =>
    counts.reduce((total, count) => total + count, 0)
  return {
    run: async (millis) => {
      const until = performance.now() + millis
      const counts = await Promise.all(
        lanes.map((lane) => send(lane, () => performance.now() < until))
      )
      await flush()
      return sum(counts)
    },
    count: async (wanted) => {
      const counts = await Promise.all(
        lanes.map((lane) => send(lane, (messages) => messages * BATCH * lanes.length < wanted))
      )
      await flush()
      return sum(counts)
    },
    fill: async (count, within) => {
      const until = performance.now() + within
      return sum(
        await Promise.all(
          lanes.map((lane) =>
            send(
              lane,
              (messages) => messages * BATCH * lanes.length < count && performance.now() < until
            )
          )
        )
      )
    },
    flush,
    latency: () => Promise.reject(new Error("The raw client sends whole batches only."))
  }
}
