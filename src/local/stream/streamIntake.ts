/**
 * Handles one stream's messages from their arrival until they are ready to be acknowledged. Each
 * message passes the table's script and joins a group of the log; the groups become ready in order.
 * Terms as in `serverStream.ts`.
 */
import { type Inbound, InboundLane, type InboundTarget } from "./inboundLane.ts"
import { type PendingGroup, PendingGroups } from "./pendingGroups.ts"
import { invalidArgument, type ServerStatus, unavailable } from "./serverStatus.ts"
import { type AckedStream, StreamAcks } from "./streamAcks.ts"
import { ingestProblem } from "./streamChecks.ts"
import type { StreamContext } from "./streamContract.ts"
import { StreamFlow } from "./streamFlow.ts"
import type { IngestRequest, RecordKind } from "./streamMessages.ts"
import { MessageQueue, type MessageTarget, type QueuedMessage } from "./messageQueue.ts"
import type { RecordRejected, StorageFailure } from "../log/storageErrors.ts"
import type { Appended } from "../store/appended.ts"
import type { TableWriter, Ticket } from "../store/tableStore.ts"

/** The stream that the intake belongs to. */
export interface IntakeStream {
  /** Whether the create request was answered and the stream has not ended yet. */
  readonly isOpen: boolean
  /** Whether the stream ends once everything received is acknowledged. */
  readonly isEnding: boolean
  /** Handles a request or the half-close. */
  readonly arrive: (item: Inbound) => void
  /** Ends the stream once everything received is acknowledged. */
  readonly endWith: (status: ServerStatus | undefined) => void
  /** Ends the stream now, if it is ending and everything received is acknowledged. */
  readonly settle: () => void
}

/** The intake of one stream. */
export class StreamIntake implements AckedStream, InboundTarget, MessageTarget {
  readonly groups = new PendingGroups()
  readonly inbound = new InboundLane(this)
  readonly acks: StreamAcks
  readonly flow: StreamFlow
  /** Messages that another thread decodes, and the steps after them. */
  readonly queue = new MessageQueue(this)
  /** The wire offset of the next message. */
  nextOffset = 0
  private writer: TableWriter | undefined
  private readonly context: StreamContext
  private readonly stream: IntakeStream
  private hasHalfClosed = false
  private closing = false

  constructor(context: StreamContext, stream: IntakeStream) {
    this.context = context
    this.stream = stream
    this.acks = new StreamAcks(context, this)
    this.flow = new StreamFlow(context, this, this.inbound)
  }

  /** Continues after the messages that earlier connections of a persistent stream made durable. */
  begin(committed: number): void {
    this.nextOffset = committed + 1
    this.groups.takenUpTo = committed
    this.acks.begin(committed)
  }

  get arrived(): number {
    return this.nextOffset + (this.hasHalfClosed ? 1 : 0)
  }

  get isOpen(): boolean {
    return this.stream.isOpen
  }

  get isDrained(): boolean {
    return this.stream.isEnding && this.groups.isEmpty && this.queue.isEmpty
  }

  /** The bytes of records that are not durable yet. */
  get undurableBytes(): number {
    return this.groups.bytes + this.queue.bytes
  }

  /** Whether the stream ends after the queue, so that nothing more is accepted. */
  get isClosing(): boolean {
    return this.closing
  }

  deliver(item: Inbound): void {
    this.stream.arrive(item)
  }

  laneChanged(): void {
    this.flow.update()
  }

  acksMoved(): void {
    this.stream.settle()
    this.followPlan()
  }

  /** Handles a message of a stream with this kind of records. */
  ingest(request: IngestRequest, kind: RecordKind, writer: TableWriter): void {
    const { inbound } = this
    const { limits, pass } = this.context
    const problem = ingestProblem(request, kind, this.nextOffset, limits.maxRecordBytes)
    if (problem !== undefined) return this.endInOrder(problem)
    if (this.acks.isOwed()) return inbound.postpone(() => this.ingest(request, kind, writer))
    const offset = this.nextOffset++
    const records = request.count
    const skip = () => {
      this.nextOffset = offset
    }
    const lose = () => this.queue.inOrder(() => this.lose(request))
    const store = () => this.store(request, writer, offset)
    pass({ point: "message", records, offset, lane: inbound, skip, lose }, store)
    this.followPlan()
  }

  /** Handles the half-close, which ends the stream. */
  halfClose(): void {
    const { inbound, stream } = this
    if (this.acks.isOwed()) return inbound.postpone(() => stream.arrive("halfClose"))
    this.hasHalfClosed = true
    this.followPlan()
    this.context.pass({ point: "halfClose", lane: inbound }, () => this.endInOrder(undefined))
  }

  /** Ends the stream after everything that arrived before. */
  endInOrder(status: ServerStatus | undefined): void {
    this.closing = true
    this.queue.inOrder(() => this.stream.endWith(status))
  }

  private store(
    { count, recordBytes, records }: IngestRequest,
    writer: TableWriter,
    offset: number
  ): void {
    const message = { records, count, recordBytes, offset, since: this.context.timers.now() }
    if (
      !this.queue.isEmpty ||
      writer.isForElsewhere?.(recordBytes, this.undurableBytes + recordBytes) === true
    ) {
      this.writer = writer
      this.queue.add(message, writer)
      return this.flow.update()
    }
    const ticket = writer.appendUnsafe(records, offset)
    if (typeof ticket === "number") this.stored(message, ticket, writer)
    else this.refuse(offset, ticket)
  }

  /** Handles messages that another thread decoded. */
  appended(messages: ReadonlyArray<QueuedMessage>, { problem, tickets }: Appended): void {
    if (this.context.timers.isEnded()) return
    tickets.forEach((ticket, index) => this.stored(messages[index]!, ticket, this.writer!))
    if (problem !== undefined) this.refuse(messages[tickets.length]!.offset, problem)
  }

  /** Called when the queue became shorter. */
  moved(): void {
    this.flow.update()
    this.stream.settle()
  }

  private refuse(offset: number, problem: RecordRejected | StorageFailure): void {
    this.closing = true
    if (problem._tag === "RecordRejected") {
      this.context.observer.noted({ _tag: "RecordRefused", offset, problem })
      return this.stream.endWith(invalidArgument(`At offset ${offset}: ${problem.message}`, 4009))
    }
    this.stream.endWith(
      unavailable(`The server could not decode a record (${problem.reason}), try again`, 5001)
    )
  }

  private stored(message: QueuedMessage, ticket: Ticket, writer: TableWriter): void {
    const { groups } = this
    const { count, recordBytes, since } = message
    // The writer has copied the bytes, so their memory can be reused.
    if (!this.received(message)) this.context.peer.release?.(message.records[0]!)
    if (!groups.join(ticket, count, recordBytes)) {
      const group = groups.start(ticket, since, count, recordBytes)
      writer.onDurable(ticket, (failure) => this.synced(group, failure))
    }
    this.flow.received(count, recordBytes)
  }

  /** Counts a message as received and durable without storing it. */
  private lose(request: IngestRequest): void {
    this.received(request)
    this.context.recorder.lost()
    this.groups.start(undefined, this.context.timers.now(), request.count, 0)
    this.takeReady()
    this.acks.schedule()
  }

  /** Counts a message as received; returns whether the audit keeps its bytes. */
  private received({
    count,
    recordBytes,
    records
  }: Pick<IngestRequest, "count" | "recordBytes" | "records">): boolean {
    const { observer, recorder, wire } = this.context
    const isKept = recorder.received(records, count, recordBytes)
    observer.received(count, recordBytes)
    wire.received(count)
    return isKept
  }

  private synced(group: PendingGroup, failure: StorageFailure | undefined): void {
    const { observer, recorder, timers } = this.context
    if (failure === undefined) {
      recorder.durable(group.messages, group.records)
      observer.durable(group.records)
    }
    if (timers.isEnded()) return
    if (failure !== undefined) {
      // The log fails a group together with all later ones, so no pending group will be durable.
      this.groups.drop()
      this.queue.drop()
      const text =
        failure.reason === "TableRefused"
          ? failure.message
          : `The server could not store the records. ${failure.message}`
      return this.stream.endWith(unavailable(text, 5001))
    }
    group.durable = true
    this.takeReady()
    this.acks.schedule()
    this.followPlan()
    this.flow.update()
    this.stream.settle()
  }

  /** Marks the oldest durable groups as ready, up to the offset where a plan defers the rest. */
  private takeReady(): void {
    const { acks, groups } = this
    const { pass, timers } = this.context
    while (!timers.isEnded() && groups.oldest?.durable === true) {
      const limit = acks.readyLimit(groups.takenUpTo + groups.oldest.messages)
      if (limit !== undefined) {
        acks.ready(limit)
        return acks.schedule()
      }
      const { records, since, ticket } = groups.take()
      const offset = groups.takenUpTo
      acks.sender.cover(since)
      const ready = () => acks.ready(offset)
      if (ticket === undefined) ready()
      else pass({ point: "durable", records, offset, lane: acks }, ready)
    }
  }

  /** Continues with everything that the plan of a script no longer defers. */
  private followPlan(): void {
    const { acks, inbound } = this
    if (!this.isOpen || !acks.isPlanned) return
    this.takeReady()
    acks.schedule()
    if (inbound.isPostponed && !acks.isOwed()) inbound.resume()
  }
}
