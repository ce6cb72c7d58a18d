/**
 * One connection of a stream on the server, as a state machine without gRPC and sockets: a `Peer`
 * sends its responses, and the owner delivers its requests. Only opening the table's writer is
 * asynchronous, so that a simulation can run a stream on a virtual clock.
 *
 *     New -create-> Creating -writer-> Answering -response-> Open -half-close-> Ending -> Ended
 *
 *     client -> InboundLane -> log -> PendingGroups -> StreamAcks -> AckSender -> client
 *            arrived      received    durable   ready         decided     acknowledged
 *                                 `-> StreamFlow -> pause or resume reading
 *
 * A refusal and the end of the lifetime also turn `Open` into `Ending`. `Ending` lasts until
 * everything received is acknowledged, so that the client resends as little as possible. Every
 * phase becomes `Ended` when the client disconnects or a fault ends the call; the first three also
 * when a request is refused. A persistent stream may be resumed by its id instead of created: its
 * wire offsets continue, and an older connection that has it ends immediately.
 *
 * The terms of all files about acknowledgements, in the order in which a message passes them:
 *
 * - arrived: it has the next offset. The half-close counts as one more message.
 * - received: it joined a group of the log, or a fault discarded it and reports it as received.
 * - durable: its group is on disk.
 * - ready: it is durable, and no fault or plan of the table's script defers it.
 * - decided: an acknowledgement that covers it was decided. An acknowledgement is due when it has
 *   to be decided now, and owed when a plan requires it before the next arrival.
 * - acknowledged (`acked`): that acknowledgement was sent; a rule may delay it after the decision.
 */
import type { ServerStatus } from "./serverStatus.ts"
import {
  aborted,
  deadlineExceeded,
  invalidArgument,
  streamNotFound,
  unavailable
} from "./serverStatus.ts"
import type { Inbound } from "./inboundLane.ts"
import { createProblem, formatOf, openProblem, resumeProblem } from "./streamChecks.ts"
import type { OpenFailure, Peer, StreamContext, StreamHost } from "./streamContract.ts"
import { faultPasser, type StruckStream } from "./streamFaults.ts"
import { type IntakeStream, StreamIntake } from "./streamIntake.ts"
import type { CreateRequest, IngestRequest, RecordKind, ResumeRequest } from "./streamMessages.ts"
import { ephemeralWire, persistentWire, type StreamWire } from "./streamWire.ts"
import { arrowWire } from "./arrowWire.ts"
import type { Replaced } from "../persistent/persistentStreams.ts"
import type { OpenedStream, TableWriter } from "../store/tableStore.ts"
import { makeScopedTimers } from "../timers.ts"

/** A stream, driven by its owner. */
export interface ServerStream {
  readonly receive: (request: Uint8Array) => void
  readonly halfClosed: () => void
  /** The client cancelled the call or the connection broke. */
  readonly cancelled: () => void
}

/** How a call ends; undefined for OK. */
type Status = ServerStatus | undefined

type Phase =
  /** Before the create or resume request. */
  | { readonly _tag: "New" }
  /** The store is opening the table's writer. */
  | { readonly _tag: "Creating" }
  /** The writer is open, and the first request is not answered yet. */
  | { readonly _tag: "Answering"; readonly writer: TableWriter }
  | { readonly _tag: "Open"; readonly writer: TableWriter; readonly kind: RecordKind }
  /** Accepts nothing; ends with the status once everything received is acknowledged. */
  | { readonly _tag: "Ending"; readonly writer: TableWriter; readonly status: Status }
  | { readonly _tag: "Ended" }

/** How long a call may wait before its create request, in milliseconds. */
const createTimeoutMillis = 30_000

/** Starts a stream for an authorised call with `tableName` in its header. */
export const startStream = (
  host: StreamHost,
  peer: Peer,
  tableName: string,
  persistent = false
): ServerStream => start(host, peer, tableName, persistent ? persistentWire : ephemeralWire)

/** Starts a stream of Arrow batches. */
export const startArrowStream = (host: StreamHost, peer: Peer, tableName: string): ServerStream =>
  start(host, peer, tableName, arrowWire(tableName))

const start = (host: StreamHost, peer: Peer, tableName: string, wire: StreamWire): ServerStream => {
  const stream = new Machine(host, peer, tableName, wire)
  return {
    receive: (request) => stream.arrive(request),
    halfClosed: () => stream.arrive("halfClose"),
    cancelled: () => stream.cancel()
  }
}

/** The phases of a stream. `StreamIntake` handles its messages. */
class Machine implements IntakeStream, StruckStream {
  readonly intake: StreamIntake
  private readonly host: StreamHost
  private readonly tableName: string
  private streamId: string
  private readonly context: StreamContext
  private readonly leaveHost: () => void
  private phase: Phase = { _tag: "New" }

  constructor(host: StreamHost, peer: Peer, tableName: string, wire: StreamWire) {
    const { limits } = host
    const { audit, script } = host.table(tableName)
    this.host = host
    this.tableName = tableName
    this.streamId = host.newStreamId()
    const recorder = audit.connect(this.streamId, peer.address)
    const timers = makeScopedTimers(host.timers)
    const observer = host.observe({ id: this.streamId, tableName, address: peer.address })
    const context = { limits, observer, peer, recorder, script, timers, wire }
    this.context = { ...context, pass: faultPasser(context, this) }
    this.intake = new StreamIntake(this.context, this)
    this.leaveHost = host.enroll(() => this.shutDown())
    timers.after(createTimeoutMillis, () => this.createTimedOut())
    this.context.pass({ point: "connect", lane: this.intake.inbound }, () => {})
  }

  get isOpen(): boolean {
    return this.phase._tag === "Open" || this.phase._tag === "Ending"
  }

  get isEnding(): boolean {
    return this.phase._tag === "Ending"
  }

  arrive(item: Inbound): void {
    if (this.phase._tag === "Ending" || this.phase._tag === "Ended" || this.intake.isClosing) return
    if (this.intake.inbound.defer(item)) return
    if (item === "halfClose") return this.halfClose()
    const request = this.context.wire.read(item)
    switch (request._tag) {
      case "Create":
        return this.create(request)
      case "Resume":
        return this.resume(request)
      case "Ingest":
        return this.ingest(request)
      case "Malformed":
        return this.intake.endInOrder(invalidArgument(request.problem, 4006, 6))
    }
  }

  private create(request: CreateRequest): void {
    if (this.phase._tag !== "New") {
      return this.intake.endInOrder(invalidArgument("The stream was created already", 4006))
    }
    const problem = createProblem(request, this.tableName, this.context.wire === persistentWire)
    if (problem !== undefined) return this.endWith(problem)
    this.openWriter(request, true)
  }

  private resume(request: ResumeRequest): void {
    if (this.phase._tag !== "New") {
      return this.intake.endInOrder(invalidArgument("The stream is open already", 4006, 9))
    }
    const problem = resumeProblem(request)
    if (problem !== undefined) return this.endWith(problem)
    this.streamId = request.streamId!
    this.openWriter(request, false)
  }

  /** Opens the table's writer for the format of the first request. */
  private openWriter(request: CreateRequest | ResumeRequest, isNew: boolean): void {
    const { context, host, streamId, tableName } = this
    this.phase = { _tag: "Creating" }
    if (context.wire.mayHurry) this.intake.inbound.stop()
    const format = formatOf(request)
    const kind = format._tag
    context.recorder.created(kind, request.descriptor)
    const onReplaced = (why: Replaced) => this.replaced(why)
    if (context.wire !== persistentWire) {
      return host.openWriter(tableName, format, (result) =>
        this.opened(kind, isNew, "_tag" in result ? result : { writer: result, committed: -1 })
      )
    }
    host.openStream(tableName, format, { streamId, isNew, onReplaced }, (result) =>
      this.opened(kind, isNew, result)
    )
  }

  /** The store opened the writer, or refused it. */
  private opened(kind: RecordKind, isNew: boolean, result: OpenedStream | OpenFailure): void {
    const isOpened = !("_tag" in result)
    if (this.phase._tag === "Ended") {
      if (isOpened) result.writer.close()
      return
    }
    if (!isOpened) return this.endWith(openProblem(result, this.tableName))
    const { committed, writer } = result
    this.phase = { _tag: "Answering", writer }
    this.intake.begin(committed)
    this.intake.flow.watch(writer)
    const lane = this.intake.inbound
    const { wire } = this.context
    if (isNew) {
      const answer = wire.created(this.streamId)
      const pass = () =>
        this.context.pass({ point: "create", lane }, () =>
          this.answer(kind, writer, answer, "created")
        )
      return wire.mayHurry ? lane.go(pass) : pass()
    }
    this.context.recorder.resumed(this.streamId, committed + 1)
    let answered = committed
    const shift = (by: number) => {
      answered = Math.max(-1, committed + by)
    }
    this.context.pass({ point: "resume", lane, shift }, () =>
      this.answer(kind, writer, wire.resumed(answered), "resumed")
    )
  }

  private answer(
    kind: RecordKind,
    writer: TableWriter,
    answer: Uint8Array,
    event: "created" | "resumed"
  ): void {
    const { limits, observer, peer, recorder, script, timers } = this.context
    this.phase = { _tag: "Open", writer, kind }
    observer.opened(kind)
    peer.write(answer)
    script.note(event, recorder.number)
    if (limits.streamLife === Infinity) return
    timers.after(limits.streamLife, () => this.announceEnd(limits.closeGrace, false))
  }

  /** Another connection resumed the stream, or it was retired. */
  private replaced(why: Replaced): void {
    this.finish(
      why === "Resumed"
        ? aborted("The stream was resumed on another connection, which has it now")
        : streamNotFound("The stream was retired")
    )
  }

  private ingest(request: IngestRequest): void {
    const { phase } = this
    if (phase._tag === "Open") return this.intake.ingest(request, phase.kind, phase.writer)
    const problem = "A record arrived before the stream was created"
    const advice = "wait for the response to the create request"
    this.endWith(invalidArgument(`${problem}; ${advice}`, 4006, 5))
  }

  private halfClose(): void {
    if (this.phase._tag === "Open") return this.intake.halfClose()
    this.endWith(invalidArgument("The stream ended before it was created", 4006, 7))
  }

  announceEnd(graceMillis: number, withNextAck: boolean): void {
    const { observer, peer, recorder, script, timers, wire } = this.context
    if (withNextAck) this.intake.acks.sender.announce(graceMillis)
    else peer.write(wire.closeSignal(graceMillis))
    script.note("closeSignal", recorder.number)
    observer.noted({ _tag: "StreamRotated", graceMillis })
    const over = "The stream's lifetime is over, open a new one"
    timers.after(graceMillis, () => this.endWith(unavailable(over, 6002)))
  }

  /** Ends the stream once everything received is acknowledged; the first reason wins. */
  endWith(status: Status): void {
    const { phase } = this
    if (phase._tag === "Ending") return
    if (phase._tag !== "Open") return this.finish(status)
    this.phase = { _tag: "Ending", writer: phase.writer, status }
    this.settle()
  }

  settle(): void {
    const { acks, isDrained } = this.intake
    if (!isDrained) return
    acks.flush()
    if (this.phase._tag === "Ending" && acks.isSettled) this.finish(this.phase.status)
  }

  finish(status: Status): void {
    if (this.phase._tag === "Ended") return
    this.end(status === undefined ? "OK" : `status ${status.code}`, status)
    this.context.peer.finish(status)
  }

  cut(how: "reset" | "fin"): void {
    this.end("cut")
    this.context.peer.cut(how)
  }

  cancel(): void {
    if (this.phase._tag === "Ended") return
    this.context.script.note("cancelled")
    this.end("cancelled")
  }

  private shutDown(): void {
    if (this.isOpen) this.context.peer.write(this.context.wire.closeSignal(0))
    this.endWith(unavailable("The server shuts down, open a new stream", 6003))
  }

  private createTimedOut(): void {
    const seconds = createTimeoutMillis / 1000
    if (this.phase._tag !== "New") return
    this.endWith(deadlineExceeded(`No create request arrived within ${seconds} seconds`))
  }

  private end(how: string, status?: ServerStatus): void {
    const { observer, recorder, script, timers } = this.context
    const { phase } = this
    const said = status === undefined ? how : undefined
    if (this.isOpen) observer.closed(said, status)
    else observer.refused(said, status)
    this.phase = { _tag: "Ended" }
    timers.end()
    this.intake.inbound.drop()
    this.intake.queue.drop()
    if ("writer" in phase) phase.writer.close()
    recorder.ended(how)
    this.leaveHost()
    script.note("end")
  }
}
