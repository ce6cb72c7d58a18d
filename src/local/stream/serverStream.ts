/**
 * One ephemeral stream on the server: create first, offsets 0, 1, 2, ..., records checked and stored, cumulative acknowledgements
 * once they are durable, a close signal at the end of the stream's life.
 *
 * It knows neither gRPC nor sockets: a `Peer` carries what it says, and its owner calls it with what arrives. Everything is synchronous
 * but the opening of the table's writer, so a simulation can run it on a virtual clock. A refusal waits until everything that was
 * stored before it is durable and acknowledged, so that the client sends as little as possible again.
 */
import { deadlineExceeded, invalidArgument, type ServerStatus, unavailable } from "./serverStatus.ts"
import { createProblem, ingestProblem, openProblem } from "./streamChecks.ts"
import { makeStreamAcks } from "./streamAcks.ts"
import { badAck, faultPasser, type Lane } from "./streamFaults.ts"
import { makePace } from "./streamPace.ts"
import type { ConnectionRecorder } from "./streamAudit.ts"
import {
  closeSignalResponse,
  createdResponse,
  readRequest,
  type RecordKind,
  type StreamRequest
} from "./streamMessages.ts"
import type { StorageFailure } from "../log/storageErrors.ts"
import type { Peer, StreamHost } from "./streamContract.ts"
import type { TableWriter } from "../store/tableStore.ts"

/** A stream, driven by its owner. */
export interface ServerStream {
  readonly receive: (request: Uint8Array) => void
  readonly halfClosed: () => void
  /** The client went away or the connection broke. */
  readonly cancelled: () => void
}

/** Records of consecutive messages that became part of the same log group. */
interface Pending {
  /** What the store calls the group; undefined for a message that a fault made the server lose. */
  readonly ticket: number | undefined
  readonly since: number
  messages: number
  records: number
  bytes: number
  durable: boolean
}

/** How long a call may stay without a create request. */
const createTimeoutMillis = 30_000

/** Starts a stream of an authorised call that named `tableName` in its header. */
export const startStream = (host: StreamHost, peer: Peer, tableName: string): ServerStream => {
  const { limits, observer, timers } = host
  const { audit, script } = host.table(tableName)
  const streamId = host.newStreamId()
  const recorder: ConnectionRecorder = audit.connect(streamId, peer.address)
  let state: "new" | "creating" | "open" | "ended" = "new"
  let writer: TableWriter | undefined
  let kind: RecordKind = "Proto"
  let nextOffset = 0
  let completedUpTo = -1
  let pending: Array<Pending> = []
  let pendingBytes = 0
  /** What arrived while a fault stops the inbound lane; undefined while it runs. */
  let backlog: Array<Uint8Array | "halfClose"> | undefined
  let hasHalfClosed = false
  /** A message or half-close that waits for an acknowledgement which a script wants before it. */
  let postponed: (() => void) | undefined
  let reading = true
  let waitingForRoom = false
  /** How the stream is to end once everything stored is acknowledged. */
  let ending: { readonly status: ServerStatus | undefined } | undefined
  const timeouts = new Set<() => void>()

  const after = (millis: number, callback: () => void) => {
    const cancel = timers.after(millis, () => {
      timeouts.delete(cancel)
      if (state !== "ended") callback()
    })
    timeouts.add(cancel)
  }

  const end = (how: string) => {
    if (state === "open") observer.closed()
    state = "ended"
    for (const cancel of timeouts) cancel()
    timeouts.clear()
    backlog = undefined
    postponed = undefined
    writer?.close()
    recorder.ended(how)
    forget()
    script.note("end")
  }

  const forget = host.enroll(() => {
    if (state === "open") peer.write(closeSignalResponse(0))
    endWith(unavailable("The server shuts down, open a new stream", 6003))
  })

  const finish = (status: ServerStatus | undefined) => {
    if (state === "ended") return
    end(status === undefined ? "OK" : `status ${status.code}`)
    peer.finish(status)
  }

  /** Ends the stream as soon as what is stored is acknowledged; the first reason wins. */
  const endWith = (status: ServerStatus | undefined) => {
    if (state === "ended" || ending !== undefined) return
    ending = { status }
    settle()
  }

  const settle = () => {
    if (ending === undefined || pending.length > 0) return
    acks.flush()
    if (acks.isSettled()) finish(ending.status)
  }

  const updateFlow = () => {
    if (state === "ended") return
    const room = pendingBytes <= (reading ? limits.maxUndurableBytes : limits.maxUndurableBytes / 2)
    const pressed = writer?.pressure() === true
    if (pressed && !waitingForRoom) {
      waitingForRoom = true
      writer!.onRoom(() => {
        waitingForRoom = false
        updateFlow()
      })
    }
    const mayRead = backlog === undefined && room && !pressed && !pace.isAhead()
    if (mayRead === reading) return
    reading = mayRead
    if (mayRead) peer.resume()
    else peer.pause()
  }

  const pace = makePace(limits, timers.now, after, updateFlow)

  const inbound: Lane = {
    stop: () => {
      backlog = []
      updateFlow()
    },
    go: (proceed) => {
      const waiting = backlog ?? []
      backlog = undefined
      proceed()
      for (const item of waiting) {
        if (item === "halfClose") halfClosed()
        else receive(item)
      }
      updateFlow()
    }
  }

  const closeSoon = (graceMillis: number, say: (signal: Uint8Array) => void = peer.write) => {
    say(closeSignalResponse(graceMillis))
    script.note("closeSignal", recorder.number)
    after(graceMillis, () => endWith(unavailable("The stream's lifetime is over, open a new one", 6002)))
  }

  const pass = faultPasser({
    script,
    peer,
    connection: recorder.number,
    after,
    finish,
    closeSoon,
    closeWithAck: (graceMillis) => closeSoon(graceMillis, acks.attach),
    isEnded: () => state === "ended",
    cut: (how) => {
      end("cut")
      peer.cut(how)
    },
    badAck: (wrong) => {
      if (wrong === "future") recorder.lied(nextOffset + 999)
      return badAck(wrong, nextOffset, acks.ackedUpTo())
    }
  })

  const acks = makeStreamAcks({
    script,
    recorder,
    observer,
    pass,
    write: peer.write,
    now: timers.now,
    after,
    interval: limits.ackInterval,
    isOpen: () => state === "open",
    isEnding: () => ending !== undefined && pending.length === 0,
    received: () => nextOffset + (hasHalfClosed ? 1 : 0),
    wentOn: () => {
      settle()
      followPlan()
    }
  })

  /** Does what the plan of a replay lets go on. */
  const followPlan = () => {
    if (state !== "open" || !script.acks.isPlanned(recorder.number)) return
    complete()
    acks.schedule()
    if (postponed === undefined || acks.owes()) return
    const goOn = postponed
    postponed = undefined
    inbound.go(goOn)
  }

  const whenDurable = (entry: Pending, failure: StorageFailure | undefined) => {
    if (failure === undefined) recorder.durable(entry.messages, entry.records)
    if (state === "ended") return
    if (failure !== undefined) {
      // The log fails a group together with everything behind it, so nothing of what is pending will be durable.
      pending = []
      pendingBytes = 0
      return endWith(unavailable(`The server could not write its log (${failure.reason}), try again`, 5001))
    }
    entry.durable = true
    complete()
    acks.schedule()
    followPlan()
    updateFlow()
    settle()
  }

  const complete = () => {
    while (state !== "ended" && pending[0]?.durable === true) {
      const until = acks.durableUntil(completedUpTo + pending[0].messages)
      if (until !== undefined) {
        acks.durable(until)
        return acks.schedule()
      }
      const done = pending.shift()!
      pendingBytes -= done.bytes
      acks.since(done.since)
      completedUpTo += done.messages
      const upTo = completedUpTo
      if (done.ticket === undefined) acks.durable(upTo)
      else {
        pass({ point: "durable", records: done.records, offset: upTo, lane: acks.lane }, () => acks.durable(upTo))
      }
    }
  }

  const create = (request: Extract<StreamRequest, { readonly _tag: "Create" }>) => {
    if (state !== "new") return endWith(invalidArgument("The stream was created already", 4006))
    const problem = createProblem(request, tableName)
    if (problem !== undefined) return endWith(problem)
    state = "creating"
    kind = request.recordType === 1 ? "Proto" : "Json"
    recorder.created(kind, request.descriptor)
    const format =
      kind === "Proto" ? ({ _tag: "Proto", descriptor: request.descriptor! } as const) : ({ _tag: "Json" } as const)
    host.openWriter(tableName, format, (result) => {
      if (state === "ended") {
        if (!("_tag" in result)) result.close()
        return
      }
      if ("_tag" in result) return endWith(openProblem(result, tableName))
      writer = result
      pass({ point: "create", lane: inbound }, () => {
        state = "open"
        observer.opened()
        peer.write(createdResponse(streamId))
        script.note("created", recorder.number)
        if (limits.streamLife < Infinity) after(limits.streamLife, () => closeSoon(limits.closeGrace))
      })
    })
  }

  const ingest = (request: Extract<StreamRequest, { readonly _tag: "Ingest" }>) => {
    if (state !== "open" || writer === undefined) {
      return endWith(
        invalidArgument(
          "A record came before the stream was created; wait for the answer to the create request",
          4006,
          5
        )
      )
    }
    const problem = ingestProblem(request, kind, nextOffset, limits.maxRecordBytes)
    if (problem !== undefined) return endWith(problem)
    if (acks.owes()) return postpone(() => ingest(request))
    const offset = nextOffset++
    pass(
      {
        point: "message",
        records: request.records.length,
        offset,
        lane: inbound,
        skip: () => {
          nextOffset = offset
        },
        lose: () => lose(request)
      },
      () => store(writer!, request)
    )
    followPlan()
  }

  const postpone = (proceed: () => void) => {
    inbound.stop()
    postponed = proceed
  }

  /** Counts a message as if it was stored, which it is not. */
  const lose = ({ recordBytes, records }: Extract<StreamRequest, { readonly _tag: "Ingest" }>) => {
    recorder.received(records, recordBytes)
    recorder.lost()
    observer.received(records.length, recordBytes)
    pending.push({
      ticket: undefined,
      since: timers.now(),
      messages: 1,
      records: records.length,
      bytes: 0,
      durable: true
    })
    complete()
    acks.schedule()
  }

  const store = (into: TableWriter, { recordBytes, records }: Extract<StreamRequest, { readonly _tag: "Ingest" }>) => {
    const ticket = into.appendUnsafe(records)
    if (typeof ticket !== "number") return endWith(invalidArgument(ticket.message, 4009))
    recorder.received(records, recordBytes)
    observer.received(records.length, recordBytes)
    pendingBytes += recordBytes
    const last = pending[pending.length - 1]
    if (last !== undefined && last.ticket === ticket) {
      last.messages++
      last.records += records.length
      last.bytes += recordBytes
    } else {
      const entry: Pending = {
        ticket,
        since: timers.now(),
        messages: 1,
        records: records.length,
        bytes: recordBytes,
        durable: false
      }
      pending.push(entry)
      into.onDurable(ticket, (failure) => whenDurable(entry, failure))
    }
    pace.count(records.length, recordBytes)
    updateFlow()
  }

  const receive = (bytes: Uint8Array) => {
    if (state === "ended" || ending !== undefined) return
    if (backlog !== undefined) {
      backlog.push(bytes)
      return
    }
    const request = readRequest(bytes)
    switch (request._tag) {
      case "Create":
        return create(request)
      case "Ingest":
        return ingest(request)
      case "Malformed":
        return endWith(invalidArgument(request.problem, 4006, 6))
    }
  }

  const halfClosed = () => {
    if (state === "ended" || ending !== undefined) return
    if (backlog !== undefined) {
      backlog.push("halfClose")
      return
    }
    if (state !== "open") return endWith(invalidArgument("The stream ended before it was created", 4006, 7))
    if (acks.owes()) return postpone(halfClosed)
    hasHalfClosed = true
    followPlan()
    pass({ point: "halfClose", lane: inbound }, () => endWith(undefined))
  }

  const cancelled = () => {
    if (state === "ended") return
    script.note("cancelled")
    end("cancelled")
  }

  after(createTimeoutMillis, () => {
    if (state === "new")
      endWith(deadlineExceeded(`No create request came within ${createTimeoutMillis / 1000} seconds`))
  })
  pass({ point: "connect", lane: inbound }, () => {})
  return { receive, halfClosed, cancelled }
}
