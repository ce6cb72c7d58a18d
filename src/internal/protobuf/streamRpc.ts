/**
 * The RPCs of a stream's sessions: how each is opened, how its messages travel and what
 * acknowledgements count. The engine treats them all alike, except for what a session's response
 * states about earlier sessions.
 *
 * |                     | ephemeral              | persistent                                 |
 * | ------------------- | ---------------------- | ------------------------------------------ |
 * | first request       | create                 | create; resume once the stream has an id   |
 * | a message           | one request            | one request                                |
 * | wire offsets        | from 0 in each session | the offsets of the stream                  |
 * | the response states | the id of the session  | up to which offset everything is committed |
 *
 * A record codec may provide another RPC (`RecordCodec.protocol`), such as Arrow Flight's. Its
 * messages are several requests each, and its acknowledgements count rows.
 */
import {
  decodePersistentResponse,
  decodeResponse,
  encodeCreate,
  encodeCreatePersistent,
  encodeResume,
  FREE_ROOM,
  type MessageType,
  type ServerMessage,
  type StreamTable,
  TAG_SHIFT
} from "./envelope.ts"

/** The longest id of a persistent stream, in characters. Ids of servers are far shorter. */
export const LONGEST_STREAM_ID = 256

/** The content of the response to the first request. */
export interface Opened {
  readonly streamId: string | undefined
  /**
   * Everything up to this offset is committed; -1 for nothing; undefined when offsets start again
   * from 0.
   */
  readonly committed: number | undefined
}

/** The parts of a landing zone message that travel. */
export interface WireMessage {
  /** Its records with tags and lengths are in `buffer` from `start` to `end`. */
  readonly chunk: { readonly buffer: Buffer }
  readonly start: number
  readonly end: number
  /** The whole message as one request of the Zerobus service. */
  readonly request: (wireOffset: number, recordType: MessageType, tagShift: number) => Uint8Array
}

/**
 * How the messages of one session travel, and what its acknowledgements count: *units*, which are
 * messages or rows. Units are numbered over the session's messages in order. Everything is
 * synchronous.
 */
export interface Wire {
  /** The units handed to the transport, as the number after the last one. */
  readonly handed: number
  /** The acknowledged units, as the number after the last one. */
  readonly settled: number
  /** Acknowledged units of the oldest message that is not acknowledged completely. */
  readonly partial: number
  /** Begins a message, after the previous one was handed over completely. */
  readonly begin: (message: WireMessage) => void
  /** The next request of the current message; undefined when there is no more. */
  readonly next: () => Uint8Array | undefined
  /**
   * The number up to which units have left, once this many requests have. The first request of the
   * session is not counted.
   */
  readonly left: (requests: number) => number
  /**
   * Acknowledges units up to a number. Returns how many more messages are acknowledged completely.
   */
  readonly settle: (upTo: number) => number
  /** The text for an acknowledgement of units that were not handed over. */
  readonly beyond: (upTo: number) => string
}

/** The RPC of a stream's sessions. */
export interface StreamRpc {
  readonly name: "EphemeralStream" | "PersistentStream" | "DoPut"
  /** Free bytes before each request, which the transport may overwrite. */
  readonly freeRoom: number
  /**
   * Whether credentials that are refused after the stream was open count as a transient failure,
   * with its retries.
   */
  readonly retriesCredentials: boolean
  /** Whether a first response that breaks the protocol counts as a transient failure. */
  readonly retriesAnswer: boolean
  /** How the messages of a new session travel; its first unit has this number. */
  readonly wire: (first: number) => Wire
  /** The id that a session resumes; undefined when it creates a stream. */
  readonly resumes: string | undefined
  /** Makes later sessions resume the persistent stream of this id. */
  readonly resume: (streamId: string) => void
  /** Encodes the first request of a session. */
  readonly firstRequest: () => Uint8Array
  /** Decodes a response; `undefined` for bytes that are not a protobuf message. */
  readonly decode: (response: Uint8Array) => ServerMessage | undefined
  /** Reads the response to the first request. A text states how it breaks the protocol. */
  readonly opened: (answer: ServerMessage) => Opened | string
}

const noAnswer = (request: string): string =>
  `The server's first response does not answer the ${request} request.`

/** Messages of the Zerobus service: each is one request and one unit. */
export class MessageWire implements Wire {
  handed: number
  settled: number
  readonly partial = 0
  private readonly first: number
  private readonly recordType: MessageType
  private readonly tagShift: number
  private message: WireMessage | undefined

  constructor(first: number, recordType: StreamTable["recordType"], tagShift: number) {
    this.first = this.handed = this.settled = first
    // Arrow uses another protocol.
    this.recordType = recordType === "arrow" ? "json" : recordType
    this.tagShift = tagShift
  }

  begin(message: WireMessage): void {
    this.message = message
  }

  next(): Uint8Array | undefined {
    const { message } = this
    if (message === undefined) return undefined
    this.message = undefined
    return message.request(this.handed++, this.recordType, this.tagShift)
  }

  left(requests: number): number {
    return this.first + requests
  }

  settle(upTo: number): number {
    const count = upTo - this.settled
    this.settled = upTo
    return count
  }

  beyond(upTo: number): string {
    const { first, handed } = this
    return (
      `The server acknowledged offset ${upTo}, but only ${handed - first} messages were sent on ` +
      `this connection` +
      `${first > 0 ? `, from offset ${first} on` : ""}.`
    )
  }
}

const ephemeral = new WeakMap<StreamTable, StreamRpc>()

/** The RPC of a stream with independent sessions. Shared by all streams to a table. */
export const ephemeralRpc = (table: StreamTable): StreamRpc => {
  const rpc = ephemeral.get(table) ?? makeEphemeralRpc(table)
  ephemeral.set(table, rpc)
  return rpc
}

const makeEphemeralRpc = (table: StreamTable): StreamRpc => ({
  name: "EphemeralStream",
  freeRoom: FREE_ROOM,
  retriesCredentials: false,
  retriesAnswer: false,
  wire: (first) => new MessageWire(first, table.recordType, 0),
  resumes: undefined,
  resume: () => {},
  firstRequest: () => encodeCreate(table),
  decode: decodeResponse,
  opened: ({ created }) =>
    created === undefined
      ? noAnswer("create")
      : { streamId: created.streamId, committed: undefined }
})

/** The RPC of a persistent stream: a new one, or the one with this id. */
export const persistentRpc = (table: StreamTable, streamId: string | undefined): StreamRpc => {
  let id = streamId
  return {
    name: "PersistentStream",
    freeRoom: FREE_ROOM,
    retriesCredentials: false,
    retriesAnswer: false,
    wire: (first) => new MessageWire(first, table.recordType, TAG_SHIFT),
    get resumes() {
      return id
    },
    resume: (known) => void (id = known),
    firstRequest: () =>
      id === undefined ? encodeCreatePersistent(table) : encodeResume(table, id),
    decode: decodePersistentResponse,
    opened: ({ created, resumed }) => {
      if (id !== undefined) {
        if (resumed === undefined || created !== undefined) return noAnswer("resume")
        const { committed = -1 } = resumed
        // An absent offset means that nothing is committed; a negative offset is not allowed to
        // mean that.
        if (committed < 0 && resumed.committed !== undefined) {
          return "The server resumed the stream at a negative offset."
        }
        return { streamId: id, committed }
      }
      if (created === undefined || resumed !== undefined) return noAnswer("create")
      if (created.streamId === undefined || created.streamId === "") {
        return (
          "The server created a persistent stream without an id, so that it could not be " +
          "resumed."
        )
      }
      if (created.streamId.length > LONGEST_STREAM_ID) {
        return (
          `The server created a persistent stream with an id of more than ` +
          `${LONGEST_STREAM_ID} characters.`
        )
      }
      id = created.streamId
      return { streamId: id, committed: -1 }
    }
  }
}
