/**
 * The server of a run: the real stream core over a simulated disk, with tokens, crashes and
 * restarts.
 */
import type * as MemoryTransport from "../../src/testing/MemoryTransport.ts"
import { makeFaultScript } from "../../src/local/faults/faultScript.ts"
import {
  PersistentStreams,
  type PersistentStreamRecord,
  StreamRefused
} from "../../src/local/persistent/persistentStreams.ts"
import { startArrowStream, startStream } from "../../src/local/stream/serverStream.ts"
import type { Peer, StreamHost, StreamTable } from "../../src/local/stream/streamContract.ts"
import { makeStreamAudit } from "../../src/local/stream/streamAudit.ts"
import { partially } from "./arrow/partialAcks.ts"
import type { History } from "./history.ts"
import type { Link, Network } from "./network.ts"
import type { Plan, TimedFault } from "./plan.ts"
import type { SeededRandom } from "./seededRandom.ts"
import type { Store } from "./store.ts"
import type { VirtualTime } from "./virtualTime.ts"

/** Simulated clients retire no persistent streams. */
const notRetired = new StreamRefused({ reason: "Unknown", message: "The simulation retires none" })

const table = "main.default.simulated"

const unobserved = {
  opened: () => {},
  received: () => {},
  durable: () => {},
  acked: () => {},
  noted: () => {},
  closed: () => {},
  refused: () => {}
}

/** The server of one run. */
export class Server {
  private up = true
  private refusal: "refused" | "unavailable" | "silent" = "refused"
  private incarnation = 0
  private table: StreamTable = { script: makeFaultScript(), audit: makeStreamAudit(0) }
  private streams = 0
  private persistent: PersistentStreams
  /** The persistent streams in the server's register on disk. */
  private readonly registered: Array<Omit<PersistentStreamRecord, "committed">> = []
  /** Functions that end the running streams in an orderly way. */
  private readonly running = new Set<() => void>()
  private readonly revoked = new Set<string>()
  private readonly time: VirtualTime
  private readonly history: History
  private readonly network: Network
  private readonly store: Store
  private readonly plan: Plan
  private readonly random: SeededRandom
  /** Whether a token has expired. */
  private readonly expired: (token: string) => boolean

  constructor(options: {
    readonly time: VirtualTime
    readonly history: History
    readonly network: Network
    readonly store: Store
    readonly plan: Plan
    readonly random: SeededRandom
    readonly expired: (token: string) => boolean
  }) {
    this.time = options.time
    this.history = options.history
    this.network = options.network
    this.store = options.store
    this.plan = options.plan
    this.random = options.random
    this.expired = options.expired
    this.persistent = this.openStreams()
  }

  /** The persistent streams, as a starting server finds them. */
  private openStreams(): PersistentStreams {
    const { registered, store, time } = this
    const { incarnation } = this
    return new PersistentStreams({
      register: {
        created: async (stream) => void registered.push({ ...stream, retiredAt: undefined }),
        retired: async () => {}
      },
      known: registered.map((stream) => ({
        ...stream,
        committed: store.committed.get(stream.streamId) ?? -1
      })),
      onDurable: (ticket, callback) =>
        store.onDurable(ticket, (failure) => {
          time.hasPromises = true
          if (this.incarnation === incarnation) callback(failure)
        }),
      now: () => time.now
    })
  }

  /** Schedules the plan's faults. */
  start(): void {
    for (const fault of this.plan.faults) this.time.after(fault.at, () => this.strike(fault))
    this.time.after(this.plan.horizon, () => {
      this.table.script.clear()
      this.table.script.releaseUnsafe()
    })
  }

  /** Accepts a connection of the client. */
  accept(link: Link, headers: Readonly<Record<string, string>>): MemoryTransport.MemoryCall {
    const { incarnation, network, random, store, time } = this
    if (!this.up) return this.refuse(link)
    const token = headers["authorization"] ?? ""
    if (this.revoked.has(token) || this.expired(token)) {
      network.finish(link, { code: 16, message: "The token is not valid." })
      return { receive: () => {}, halfClosed: () => {}, cancelled: () => {} }
    }
    const alive = () => this.incarnation === incarnation
    const peer: Peer = {
      write: (response) => network.write(link, response),
      finish: (status) => {
        link.server = undefined
        network.finish(link, status)
      },
      cut: () => {
        link.server = undefined
        time.after(random.between(0, 20), () => network.cutClient(link))
      },
      pause: link.peer.pause,
      resume: link.peer.resume
    }
    const host: StreamHost = {
      limits: {
        streamLife: time.now < this.plan.horizon ? this.plan.streamLife : Infinity,
        closeGrace: this.plan.closeGrace,
        ackInterval: this.plan.ackInterval,
        maxRecordBytes: 10_485_760,
        maxUndurableBytes: this.plan.maxUndurableBytes,
        maxRecordsPerSecond: Infinity,
        maxBytesPerSecond: Infinity
      },
      timers: {
        now: () => time.now,
        after: (millis, callback) =>
          time.after(millis, () => {
            if (alive()) callback()
          })
      },
      observe: () => unobserved,
      table: () => this.table,
      enroll: (shutdown) => {
        this.running.add(shutdown)
        return () => void this.running.delete(shutdown)
      },
      newStreamId: () => `stream-${this.streams++}`,
      openWriter: (_, __, done) => {
        time.after(random.between(0, 3), () => {
          if (alive()) done(store.writer(link.conn))
        })
      },
      openStream: (_, { _tag: kind }, { isNew, onReplaced, streamId }, done) => {
        time.after(random.between(0, 3), () => {
          if (!alive()) return
          time.hasPromises = true
          void this.persistent.open(streamId, isNew, kind, onReplaced).then((result) => {
            if (!alive()) return
            if ("_tag" in result) return done(result)
            done({ writer: store.writer(link.conn, result.stream), committed: result.committed })
          })
        })
      },
      retire: (_, __, done) => done(notRetired)
    }
    const server = link.arrow
      ? startArrowStream(
          host,
          this.plan.profile === "calm" ? peer : partially(peer, random, time),
          table
        )
      : startStream(host, peer, table, link.persistent)
    link.server = server
    return this.inbox(link, server)
  }

  /**
   * The process that received the messages reads them with a delay, in order, even after the client
   * has gone.
   */
  private inbox(link: Link, server: NonNullable<Link["server"]>): MemoryTransport.MemoryCall {
    const { incarnation } = this
    const { readDelay } = this.plan
    const deliver = (message: () => void) => {
      if (link.server === server && this.incarnation === incarnation) message()
    }
    const later = (message: () => void) => {
      if (readDelay === 0) deliver(message)
      else this.time.after(readDelay, () => deliver(message))
    }
    return {
      receive: (request) => later(() => server.receive(request)),
      halfClosed: () => later(server.halfClosed),
      cancelled: () =>
        later(() => {
          link.server = undefined
          server.cancelled()
        })
    }
  }

  private refuse(link: Link): MemoryTransport.MemoryCall {
    if (this.refusal === "unavailable")
      this.network.finish(link, { code: 14, message: "The server is restarting." })
    else if (this.refusal === "refused") this.time.after(1, () => this.network.cutClient(link))
    else this.network.blackHole(link, true, true, 600_000)
    return { receive: () => {}, halfClosed: () => {}, cancelled: () => {} }
  }

  /** The process dies and returns later. */
  private kill(downFor: number, how: "refused" | "unavailable" | "silent"): void {
    this.history.add({ e: "fault", what: `kill, down for ${downFor} ms` })
    this.incarnation++
    this.up = false
    this.refusal = how
    this.store.crash()
    this.persistent = this.openStreams()
    this.running.clear()
    this.table = { script: makeFaultScript(), audit: makeStreamAudit(0) }
    for (const link of this.network.live) {
      if (link.server === undefined) continue
      link.server = undefined
      if (how === "silent")
        this.network.blackHole(link, true, true, this.random.pick([1_000, 30_000]))
      else this.time.after(this.random.between(0, 5), () => this.network.cutClient(link))
    }
    const { incarnation } = this
    this.time.after(downFor, () => {
      if (this.incarnation === incarnation) this.up = true
    })
  }

  /** An orderly restart: streams receive a close signal, and new ones are refused for a while. */
  private shutDown(downFor: number): void {
    this.history.add({ e: "fault", what: `shutdown, down for ${downFor} ms` })
    this.up = false
    this.refusal = "unavailable"
    for (const shutdown of this.running) shutdown()
    const { incarnation } = this
    this.time.after(downFor, () => {
      if (this.incarnation === incarnation) this.up = true
    })
  }

  private cut(
    link: Link,
    { otherAfter, sees }: Extract<TimedFault, { readonly kind: "cut" }>
  ): void {
    const { network, time } = this
    if (sees === "server") {
      network.cutServer(link)
      network.blackHole(link, true, true, otherAfter)
    } else {
      network.cutClient(link)
      if (sees === "both") network.cutServer(link)
      else time.after(otherAfter, () => network.cutServer(link))
    }
  }

  /** Causes a fault now. Faults that need a connection do nothing if there is none. */
  strike(fault: TimedFault): void {
    const { history, network, random, time } = this
    const live = network.live
    const link = live.length === 0 ? undefined : random.pick(live)
    const note = (what: string) =>
      history.add({ e: "fault", what, ...(link === undefined ? {} : { conn: link.conn }) })
    // A fault of a shared connection affects all its calls.
    const struck = link === undefined ? [] : this.plan.shared === true ? live : [link]
    switch (fault.kind) {
      case "cut":
        if (link === undefined) return
        note(`cut seen by ${fault.sees}`)
        for (const one of struck) this.cut(one, fault)
        return
      case "blackHole":
        if (link === undefined) return
        note("black hole")
        for (const one of struck) network.blackHole(one, fault.up, fault.down, fault.foundAfter)
        return
      case "stall":
        if (link === undefined) return
        note(`stall ${fault.direction} for ${fault.millis} ms`)
        for (const { stalled } of struck) {
          stalled[fault.direction] = Math.max(stalled[fault.direction], time.now + fault.millis)
        }
        return
      case "kill":
        // Half of the kills occur after a group is durable and before any client is told.
        if (random.chance(0.5)) return this.kill(fault.downFor, fault.how)
        this.store.crashAfterSync = () => {
          this.store.crashAfterSync = undefined
          this.kill(fault.downFor, fault.how)
          return true
        }
        return
      case "shutdown":
        return this.shutDown(fault.downFor)
      case "revoke":
        for (const { token } of live) {
          note("revoke")
          this.revoked.add(token)
        }
        if (fault.live && link !== undefined && link.server !== undefined) {
          network.cutServer(link)
          network.finish(link, {
            code: random.pick([16, 16, 7]),
            message: "The token was revoked."
          })
        }
        return
      case "storage":
        note("storage failure")
        this.store.failing = fault.groups
        return
      case "pressure":
        note("pressure")
        return this.store.press(fault.millis)
      case "clockJump":
        note(`the wall clock jumps by ${fault.millis} ms`)
        time.wallSkew += fault.millis
        return
      case "lie":
        if (link === undefined) return
        note(`lie: ${fault.what}`)
        return network.lie(link, fault.what)
      case "script":
        note(`script ${fault.fault.at} ${fault.fault.action._tag}`)
        return this.table.script.inject(fault.fault)
      case "release":
        this.table.script.releaseUnsafe()
    }
  }
}
