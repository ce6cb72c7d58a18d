/**
 * grpc-js alone: a channel and a call per stream, and a prepared message per record. It only reads
 * acknowledgements: no offsets, no recovery, no bounds, no tokens.
 */
import * as Grpc from "@grpc/grpc-js"
import { acknowledgedUpTo, createMessage, METHOD, singleMessage } from "../clients/client.ts"
import type { LoadLone } from "./lone.ts"

const identity = (bytes: Buffer): Buffer => bytes

/** A record in flight: when it was sent, and the callback for its acknowledgement. */
interface Sent {
  readonly started: number
  readonly acknowledged: ((millis: number) => void) | undefined
}

class Lane {
  readonly call: Grpc.ClientDuplexStream<Buffer, Buffer>
  /** Records in flight, oldest first. */
  private readonly sent: Array<Sent> = []
  private acknowledgedMessages = 0
  private settled: (() => void) | undefined
  private ended: (() => void) | undefined
  readonly opened: Promise<void>

  constructor(port: number) {
    const channel = new Grpc.Client(`127.0.0.1:${port}`, Grpc.credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1
    })
    this.call = channel.makeBidiStreamRequest(METHOD, identity, identity, new Grpc.Metadata())
    this.opened = new Promise((resolve, reject) => {
      this.call.on("error", reject)
      this.call.on("status", () => {
        channel.close()
        this.ended?.()
      })
      this.call.on("data", (response: Buffer) => {
        const upTo = acknowledgedUpTo(response)
        if (upTo === undefined) resolve()
        else this.acknowledge(upTo)
      })
    })
    this.call.write(createMessage)
  }

  send(message: Buffer, acknowledged: Sent["acknowledged"]): void {
    this.sent.push({ started: performance.now(), acknowledged })
    this.call.write(message)
  }

  flush(): Promise<void> {
    if (this.sent.length === 0) return Promise.resolve()
    return new Promise((resolve) => (this.settled = resolve))
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.ended = resolve
      this.call.end()
    })
  }

  private acknowledge(upTo: number): void {
    for (; this.acknowledgedMessages <= upTo; this.acknowledgedMessages++) {
      const { acknowledged, started } = this.sent.shift()!
      acknowledged?.(performance.now() - started)
    }
    if (this.sent.length === 0) this.settled?.()
  }
}

export const load: LoadLone = ({ port, streams }) =>
  Promise.resolve(async (records) => {
    const messages = records.map(singleMessage)
    const lanes = Array.from({ length: streams }, () => new Lane(port))
    await Promise.all(lanes.map(({ opened }) => opened))
    let next = 0
    return {
      send: (due, acknowledged) => {
        for (const { observed, stream } of due) {
          lanes[stream]!.send(
            messages[next++ % messages.length]!,
            observed ? acknowledged : undefined
          )
        }
      },
      flush: async () => {
        await Promise.all(lanes.map((lane) => lane.flush()))
      },
      close: async () => {
        await Promise.all(lanes.map((lane) => lane.close()))
      }
    }
  })
