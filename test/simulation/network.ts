/**
 * The network between client and server: latency, stalls, black holes, cuts seen by one end or
 * both, and false responses to the client. It implements `MemoryTransport` and records the client's
 * end of every connection in the history.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Transport, type TransportCall } from "effect-zerobus"
import * as MemoryTransport from "../../src/testing/MemoryTransport.ts"
import type { ServerStream } from "../../src/local/stream/serverStream.ts"
import type { Ended, History } from "./history.ts"
import type { Lie, Plan } from "./plan.ts"
import { flightWire } from "./arrow/flightText.ts"
import type { Records } from "./records.ts"
import type { SeededRandom } from "./seededRandom.ts"
import type { VirtualTime } from "./virtualTime.ts"
import {
  hostile,
  readRequestText,
  readResponseText,
  type RequestText,
  type ResponseText
} from "./wireText.ts"

type Delivery =
  | { readonly text: ResponseText; readonly hostile: boolean }
  | { readonly ended: Ended }

/** One connection. */
export interface Link {
  readonly conn: number
  readonly stream: number
  readonly peer: MemoryTransport.MemoryPeer
  /** The server's side; undefined if the server is down or has dropped it. */
  server: ServerStream | undefined
  token: string
  /** The client no longer uses it, or was told that it is over. */
  over: boolean
  /** Whether it belongs to a persistent stream, and then the wire offset of its first message. */
  readonly persistent: boolean
  base: number
  /** Whether it carries Arrow batches. */
  readonly arrow: boolean
  /** The process that opened it has crashed. */
  gone: boolean
  /** Until when each direction delivers nothing. */
  readonly stalled: { up: number; down: number }
  /** Ingest messages that the client has passed to the transport. */
  sent: number
  /** The highest acknowledged wire offset that reached the client. */
  acknowledged: number
  readonly arriving: Array<Delivery>
}

/** The network of one run. */
export class Network {
  readonly links: Array<Link> = []
  /** Connections that the client has opened and not released. */
  private readonly unreleased = new Set<number>()
  private instant = false
  private readonly time: VirtualTime
  private readonly history: History
  private readonly plan: Plan
  private readonly random: SeededRandom
  private readonly records: Pick<Records, "recogniseAll">

  constructor(options: {
    readonly time: VirtualTime
    readonly history: History
    readonly plan: Plan
    readonly random: SeededRandom
    readonly records: Pick<Records, "recogniseAll">
  }) {
    this.time = options.time
    this.history = options.history
    this.plan = options.plan
    this.random = options.random
    this.records = options.records
  }

  /** The number of connections that the client has opened and not released. */
  get openConnections(): number {
    return this.unreleased.size
  }

  /** The links in use. */
  get live(): ReadonlyArray<Link> {
    return this.links.filter((link) => !link.over)
  }

  /** The transport for the client. `accept` is the server. */
  layer(
    accept: (link: Link, headers: Readonly<Record<string, string>>) => MemoryTransport.MemoryCall
  ): Layer.Layer<Transport> {
    const server: MemoryTransport.MemoryServer = (headers, peer, rpc) => {
      const link: Link = {
        conn: Number(headers["x-sim-conn"]),
        stream: Number(headers["x-sim-stream"]),
        peer,
        server: undefined,
        token: headers["authorization"] ?? "",
        over: false,
        gone: false,
        persistent: rpc === "PersistentStream",
        base: 0,
        arrow: rpc === "DoPut",
        stalled: { up: 0, down: 0 },
        sent: 0,
        acknowledged: -1,
        arriving: []
      }
      this.links[link.conn] = link
      return accept(link, headers)
    }
    const network: MemoryTransport.MemoryNetwork = {
      window: this.plan.window,
      carry: (direction, call, arrive) => {
        const link = this.links[call]
        // A long run drops old connections.
        if (link !== undefined) this.carry(direction, link, arrive)
      }
    }
    let next = 0
    return Layer.effect(
      Transport,
      Effect.map(Transport, (inner) =>
        Transport.of({
          open: (headers, rpc) =>
            Effect.suspend(() => {
              const conn = next++
              return this.watched(
                conn,
                headers,
                inner.open({ ...headers, "x-sim-conn": String(conn) }, rpc)
              )
            })
        })
      )
    ).pipe(Layer.provide(MemoryTransport.layer(server, network)))
  }

  /** Sends a response to the client, in place of the server. */
  write(link: Link, response: Uint8Array, isHostile = false): void {
    link.arriving.push({ text: readResponse(link, response), hostile: isHostile })
    link.peer.write(response)
  }

  /** Ends the call with OK or a status. */
  finish(link: Link, status: MemoryTransport.MemoryStatus | undefined): void {
    link.arriving.push({
      ended: status === undefined ? { how: "ok" } : { how: "status", code: status.code }
    })
    link.peer.finish(status)
  }

  /** Breaks the client's end now. */
  cutClient(link: Link): void {
    if (link.over) return
    link.over = true
    this.history.add({ e: "ended", conn: link.conn, ended: { how: "lost" } })
    link.peer.cut()
  }

  /** Breaks the server's end now. */
  cutServer(link: Link): void {
    const server = link.server
    link.server = undefined
    server?.cancelled()
  }

  /**
   * From now on nothing gets through in these directions; the client's keepalive notices after
   * `foundAfter`.
   */
  blackHole(link: Link, up: boolean, down: boolean, foundAfter: number): void {
    if (up) link.stalled.up = Infinity
    if (down) link.stalled.down = Infinity
    this.time.after(foundAfter, () => this.cutClient(link))
  }

  /** Sends the client a false response at once. */
  lie(link: Link, what: Lie): void {
    if (link.over || link.arriving.length > 0 || link.stalled.down > this.time.now) return
    this.instant = true
    const say = (bytes: Uint8Array) => this.write(link, bytes, true)
    switch (what) {
      case "beyond":
        say(hostile.ack(link.sent))
        break
      case "farBeyond":
        say(hostile.ack(Number.MAX_SAFE_INTEGER + 10))
        break
      case "missing":
        say(hostile.ackWithoutOffset)
        break
      case "negative":
        say(hostile.ack(-1))
        break
      case "repeated":
        for (let i = 0; i < 3; i++) say(hostile.ack(0))
        break
      case "lower":
        say(hostile.ack(Math.max(0, link.sent - 3)))
        say(hostile.ack(0))
        break
      case "unknown":
        say(hostile.unknownKind)
        break
      case "empty":
        say(hostile.empty)
        break
      case "malformed":
        say(hostile.malformed)
        break
      case "created":
        say(hostile.created)
        break
      case "premature":
        // Acknowledges messages that have not left the client yet, and breaks the connection before
        // they can.
        link.stalled.up = Infinity
        if (link.sent > 0) say(hostile.ack(link.sent - 1))
        this.time.after(20, () => {
          this.cutClient(link)
          this.cutServer(link)
        })
        break
      case "nagging":
        // The server stops reading and repeats its last acknowledgement.
        link.stalled.up = Infinity
        this.nag(link)
        break
      case "ackAndClose":
        say(hostile.ackAndClose(link.sent, 1))
        break
      case "closeWithoutDuration":
        say(hostile.closeWithoutDuration)
        break
    }
    this.instant = false
  }

  /**
   * The client's process is gone: messages it has sent may still arrive, and nothing reaches it any
   * more.
   */
  loseClient(): void {
    for (const conn of this.unreleased) {
      const link = this.links[conn]
      if (link?.over !== true) this.history.add({ e: "ended", conn, ended: { how: "lost" } })
      this.history.add({ e: "released", conn })
      if (link === undefined) continue
      link.gone = link.over = true
      this.time.after(this.random.pick([0, 1, 50, 5_000]), () => {
        link.stalled.up = Infinity
        this.cutServer(link)
      })
    }
    this.unreleased.clear()
  }

  private nag(link: Link, times = 150): void {
    if (link.over) return
    if (times === 0) return this.cutClient(link)
    this.write(link, hostile.ack(Math.max(0, link.acknowledged)), true)
    this.time.after(700, () => this.nag(link, times - 1))
  }

  private carry(direction: "up" | "down", link: Link, arrive: () => void): void {
    const deliver = () => {
      if (link.stalled[direction] > this.time.now) {
        if (link.stalled[direction] < Infinity)
          this.time.after(link.stalled[direction] - this.time.now, deliver)
        return
      }
      if (link.gone && direction === "down") return
      if (direction === "down") this.noteArrival(link)
      arrive()
    }
    if (this.instant) return deliver()
    const [low, high] = this.plan.latency
    const millis = this.random.between(low, high)
    if (millis === 0) this.time.soon(deliver)
    else this.time.after(millis, deliver)
  }

  private noteArrival(link: Link): void {
    const delivery = link.arriving.shift()
    if (link.over || delivery === undefined) return
    if ("text" in delivery) {
      const text = relative(link, delivery.text)
      if (typeof text.ack === "number") link.acknowledged = Math.max(link.acknowledged, text.ack)
      this.history.add({ e: "response", conn: link.conn, text, hostile: delivery.hostile })
    } else {
      link.over = true
      this.history.add({ e: "ended", conn: link.conn, ended: delivery.ended })
    }
  }

  /**
   * The client's end of a call, recorded in the history; the transport may count requests as sent
   * late.
   */
  private watched<E, R>(
    conn: number,
    headers: Readonly<Record<string, string>>,
    open: Effect.Effect<TransportCall, E, R>
  ) {
    const { history, records, time } = this
    return Effect.gen({ self: this }, function* () {
      const stream = Number(headers["x-sim-stream"])
      let released = false
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          history.add({ e: "open", conn, stream, token: headers["authorization"] ?? "" })
          this.unreleased.add(conn)
        }),
        () =>
          Effect.sync(() => {
            released = true
            this.unreleased.delete(conn)
            const link = this.links[conn]
            if (link !== undefined) link.over = true
            if (this.plan.soak === true) time.after(3_600_000, () => delete this.links[conn])
            history.add({ e: "released", conn })
          })
      )
      const inner = yield* open
      const link = this.links[conn]!
      let reported = 0
      let lagging = 0
      let listener: (() => void) | undefined
      const handed: Array<{ readonly view: Uint8Array; readonly copy: Uint8Array }> = []
      const report = () => {
        const request = handed[reported++]!
        if (released || link.gone) return
        if (!link.over && !Buffer.from(request.view).equals(request.copy)) {
          history.add({
            e: "broken",
            what:
              `the bytes of request ${reported - 1} of connection ${conn} changed before ` +
              `they were sent`
          })
        }
        history.add({ e: "sent", conn })
        listener?.()
      }
      inner.onSentUnsafe(() => {
        while (lagging < inner.sentUnsafe()) {
          lagging++
          if (this.plan.sentLag === 0) report()
          else time.after(this.plan.sentLag, report)
        }
      })
      const call: TransportCall = {
        ...inner,
        sendUnsafe: (request) => {
          try {
            const text = readRequest(link, request)
            if (text.kind !== "ingest") history.add({ e: "sendCreate", conn })
            else {
              link.sent++
              history.add({
                e: "send",
                conn,
                wireOffset: text.wireOffset === undefined ? undefined : text.wireOffset - link.base,
                records: text.payloads.flatMap((payload) => records.recogniseAll(payload))
              })
            }
          } catch (error) {
            history.add({
              e: "broken",
              what: `connection ${conn} was handed nonsense: ${String(error)}`
            })
          }
          handed.push({ view: request, copy: request.slice() })
          return inner.sendUnsafe(request)
        },
        sentUnsafe: () => reported,
        onSentUnsafe: (resume) => {
          listener = resume
        },
        halfClose: Effect.suspend(() => {
          history.add({ e: "halfClose", conn })
          return inner.halfClose
        })
      }
      return call
    })
  }
}

const readRequest = (link: Link, request: Uint8Array): RequestText =>
  link.arrow ? flightWire.request(request) : readRequestText(request, link.persistent)

const readResponse = (link: Link, response: Uint8Array): ResponseText =>
  link.arrow ? flightWire.response(response) : readResponseText(response, link.persistent)

/**
 * A response with offsets relative to its connection; those of persistent streams continue over
 * connections.
 */
const relative = (link: Link, text: ResponseText): ResponseText => {
  if (text.resumed !== undefined) link.base = text.resumed + 1
  if (!link.persistent || typeof text.ack !== "number") return text
  const { ack, ...rest } = text
  // Messages of the stream's earlier connections are settled by the answer to the resume.
  return ack < link.base ? rest : { ...rest, ack: ack - link.base }
}
