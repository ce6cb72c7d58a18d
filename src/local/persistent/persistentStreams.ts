/**
 * The persistent streams of one table: their connections, and the offsets up to which they are
 * durable.
 *
 *   create, resume -> HeldStream -- noteUnsafe: a message joined a group of the log --> marks
 *                          |                          group on disk --> durable up to its offset
 *                          |                          group failed  --> its marks are dropped
 *                          +-- replaced by a later resume, or retired: `onReplaced`
 *
 * A resume completes once every log group with messages of earlier connections is on disk or has
 * failed. Its offset is therefore exact: the client has to send everything after it again, and
 * nothing else. `streamRegister.ts`, the log, and the commits of the table's rows keep the state
 * over restarts.
 */
import * as Data from "effect/Data"
import type { LogFormat } from "../log/logFrames.ts"
import type { StreamRegister } from "./streamRegister.ts"

/** How the records of a stream are encoded. */
export type StreamKind = LogFormat["_tag"]

/**
 * The state of a persistent stream. Times in milliseconds since the epoch.
 *
 * @since 0.2.0
 * @category models
 */
export interface PersistentStreamRecord {
  /** The id that resumes the stream. */
  readonly streamId: string
  /** The format of its records. */
  readonly kind: StreamKind
  /** When it was created. */
  readonly createdAt: number
  /** When it was retired; undefined while it can be resumed. */
  readonly retiredAt: number | undefined
  /** Everything up to this offset is durable; -1 for nothing. */
  readonly committed: number
}

/** Why a connection lost its stream. */
export type Replaced = "Resumed" | "Retired"

/** Why a persistent stream cannot be opened. */
export class StreamRefused extends Data.TaggedError("StreamRefused")<{
  readonly reason: "Unknown" | "Retired" | "OtherKind"
  readonly message: string
}> {}

/** Calls back once a log group is on disk, or with a failure. */
type OnDurable = (group: number, callback: (failure: unknown) => void) => void

/** The last offset of the messages in a log group that is not settled yet. */
interface Mark {
  readonly group: number
  offset: number
}

interface StreamState extends Omit<PersistentStreamRecord, "committed" | "retiredAt"> {
  retiredAt: number | undefined
  durable: number
  marks: Array<Mark>
  holder: HeldStream | undefined
  readonly whenSettled: Array<() => void>
}

/** A stream that is open on a connection. */
export class HeldStream {
  readonly streamId: string
  /** False once the connection ended or lost the stream. */
  isHeld = true
  readonly onReplaced: (why: Replaced) => void
  private readonly state: StreamState
  private readonly onDurable: OnDurable

  constructor(state: StreamState, onDurable: OnDurable, onReplaced: (why: Replaced) => void) {
    this.streamId = state.streamId
    this.state = state
    this.onDurable = onDurable
    this.onReplaced = onReplaced
  }

  /** Records that a message with this offset joined a log group. */
  noteUnsafe(group: number, offset: number): void {
    // A closed log has not accepted the message.
    if (group <= 0) return
    const { marks } = this.state
    const newest = marks[marks.length - 1]
    if (newest?.group === group) {
      newest.offset = offset
      return
    }
    const mark = { group, offset }
    marks.push(mark)
    this.onDurable(group, (failure) => settle(this.state, mark, failure === undefined))
  }

  /** Called when the connection has ended. */
  release(): void {
    this.isHeld = false
    if (this.state.holder === this) this.state.holder = undefined
  }
}

/** Records that a group is on disk or has failed. If it failed, all later groups fail too. */
const settle = (state: StreamState, mark: Mark, isDurable: boolean): void => {
  const index = state.marks.indexOf(mark)
  if (index < 0) return
  if (isDurable) {
    state.durable = mark.offset
    state.marks = state.marks.slice(index + 1)
  } else state.marks = state.marks.slice(0, index)
  if (state.marks.length === 0) for (const resume of state.whenSettled.splice(0)) resume()
}

/** An opened stream. Messages up to the offset `committed` are durable; -1 for none. */
export interface OpenStream {
  readonly stream: HeldStream
  readonly committed: number
}

/** The persistent streams of a table. */
export class PersistentStreams {
  private readonly streams = new Map<string, StreamState>()
  private readonly register: StreamRegister
  private readonly onDurable: OnDurable
  private readonly now: () => number

  /**
   * `known` are the streams from the register and the table; `now` in milliseconds since the epoch.
   */
  constructor(options: {
    readonly register: StreamRegister
    readonly known: ReadonlyArray<PersistentStreamRecord>
    readonly onDurable: OnDurable
    readonly now: () => number
  }) {
    this.register = options.register
    this.onDurable = options.onDurable
    this.now = options.now
    for (const { committed, ...known } of options.known) this.add({ ...known, durable: committed })
  }

  /** All streams, oldest first. */
  get all(): ReadonlyArray<PersistentStreamRecord> {
    return [...this.streams.values()].map(({ createdAt, durable, kind, retiredAt, streamId }) => ({
      streamId,
      kind,
      createdAt,
      retiredAt,
      committed: durable
    }))
  }

  /**
   * Opens a stream. A new stream is on disk afterwards. A stream that was created before is taken
   * from the connection that has it open.
   */
  async open(
    streamId: string,
    isNew: boolean,
    kind: StreamKind,
    onReplaced: (why: Replaced) => void
  ): Promise<OpenStream | StreamRefused> {
    if (!isNew) return this.resume(streamId, kind, onReplaced)
    const createdAt = this.now()
    await this.register.created({ streamId, kind, createdAt })
    const state = this.add({ streamId, kind, createdAt, retiredAt: undefined, durable: -1 })
    return {
      stream: (state.holder = new HeldStream(state, this.onDurable, onReplaced)),
      committed: -1
    }
  }

  /** Resolves once no messages of the stream are pending. */
  private async resume(
    streamId: string,
    kind: StreamKind,
    onReplaced: (why: Replaced) => void
  ): Promise<OpenStream | StreamRefused> {
    const state = this.streams.get(streamId)
    if (state === undefined) return unknown()
    if (state.retiredAt !== undefined) {
      return new StreamRefused({
        reason: "Retired",
        message: "The stream was retired and cannot be resumed"
      })
    }
    if (state.kind !== kind) {
      return new StreamRefused({
        reason: "OtherKind",
        message:
          `The stream was created for ${state.kind} records and cannot be resumed for ` +
          `${kind} records`
      })
    }
    replaceHolder(state, "Resumed")
    const stream = (state.holder = new HeldStream(state, this.onDurable, onReplaced))
    await new Promise<void>((resume) => {
      if (state.marks.length === 0) resume()
      else state.whenSettled.push(resume)
    })
    return { stream, committed: state.durable }
  }

  /** Ends a stream permanently, on disk. Returns why it cannot. */
  async retire(streamId: string): Promise<StreamRefused | undefined> {
    const state = this.streams.get(streamId)
    if (state === undefined) return unknown()
    if (state.retiredAt !== undefined) return undefined
    const retiredAt = this.now()
    await this.register.retired({ streamId, retiredAt })
    state.retiredAt ??= retiredAt
    replaceHolder(state, "Retired")
    return undefined
  }

  private add(state: Omit<StreamState, "marks" | "holder" | "whenSettled">): StreamState {
    const added = { ...state, marks: [], holder: undefined, whenSettled: [] }
    this.streams.set(state.streamId, added)
    return added
  }
}

const unknown = (): StreamRefused =>
  new StreamRefused({ reason: "Unknown", message: "The table has no persistent stream of this id" })

const replaceHolder = (state: StreamState, why: Replaced): void => {
  const { holder } = state
  if (holder === undefined) return
  holder.release()
  holder.onReplaced(why)
}
