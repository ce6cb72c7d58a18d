/**
 * The RPCs that a stream's sessions can be: how each is opened, how its messages travel and what
 * acknowledgements count. What the engine does is the same for all, but for what a session's answer
 * says of earlier ones.
 *
 * |                  | ephemeral              | persistent                                 |
 * | ---------------- | ---------------------- | ------------------------------------------ |
 * | first request    | create                 | create; resume once the stream has an id   |
 * | a message        | one request            | one request                                |
 * | wire offsets     | from 0 in each session | the offsets of the stream                  |
 * | the answer says  | the id of the session  | up to which offset everything is committed |
 *
 * A record codec may bring an RPC of its own (`RecordCodec.protocol`), such as Arrow Flight's,
 * whose messages are several requests each and whose acknowledgements count rows.
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

/** Most characters of a persistent stream's id; those of servers are far shorter. */
export const LONGEST_STREAM_ID = 256

/** What the answer to the first request says. */
export interface Opened {
  readonly streamId: string | undefined
  /**
   * Up to which offset everything is committed, -1 for nothing; undefined where offsets begin anew.
   */
  readonly committed: number | undefined
}

/** A message of the landing zone, as far as it travels. */
export interface WireMessage {
  /** Its records with tags and lengths lie in `buffer` from `start` to `end`. */
  readonly chunk: { readonly buffer: Buffer }
  readonly start: number
  readonly end: number
  /** The whole message as one request of the Zerobus service. */
  readonly request: (wireOffset: number, recordType: MessageType, tagShift: number) => Uint8Array
}

/**
 * How the messages of one session travel, and what its acknowledgements count: *units*, which are
 * messages, or rows. Units are numbered over the session's messages in order. All of it is
 * synchronous.
 */
export interface Wire {
  /** How many units were handed to the transport, and to which number they count. */
  readonly handed: number
  /** How many units are acknowledged. */
  readonly settled: number
  /** How many units of the oldest message that is not acknowledged as a whole are. */
  readonly partial: number
  /** Begins a message; the one before was handed over whole. */
  readonly begin: (message: WireMessage) => void
  /** The next request of the message that was begun; undefined when none is left. */
  readonly next: () => Uint8Array | undefined
  /** To which number units have left once so many requests have, the first request not counted. */
  readonly left: (requests: number) => number
  /** Acknowledges units up to a number; returns how many more messages are acknowledged whole. */
  readonly settle: (upTo: number) => number
  /** Says that units up to a number, which was not handed over, cannot be acknowledged. */
  readonly beyond: (upTo: number) => string
}

/** The RPC of a stream's sessions. */
export interface StreamRpc {
  readonly name: "EphemeralStream" | "PersistentStream" | "DoPut"
  /** Free bytes in front of each request, which the transport may overwrite. */
  readonly freeRoom: number
  /**
   * Whether credentials that are refused once the stream was open count as a transient failure,
   * with the retries of one.
   */
  readonly retriesCredentials: boolean
  /** Whether a first answer that breaks the protocol counts as a transient failure. */
  readonly retriesAnswer: boolean
  /** How the messages of a new session travel; its first unit has this number. */
  readonly wire: (first: number) => Wire
  /** The id that a session resumes; undefined where it creates a stream. */
  readonly resumes: string | undefined
  /** Lets the sessions to come resume the persistent stream of this id. */
  readonly resume: (streamId: string) => void
  /** Encodes the first request of a session. */
  readonly firstRequest: () => Uint8Array
  /** Decodes a response; `undefined` for bytes that are not a protobuf message. */
  readonly decode: (response: Uint8Array) => ServerMessage | undefined
  /** Reads the answer to the first request; text says how it breaks the protocol. */
  readonly opened: (answer: ServerMessage) => Opened | string
}

const noAnswer = (request: string): string =>
  `The server's first response does not answer the ${request} request.`

/** Messages that are one request and one unit each: those of the Zerobus service. */
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
    // Arrow has a protocol of its own.
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

/**
 * The RPC of a stream whose sessions know nothing of one another: the same for all streams to a
 * table.
 */
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
        // An absent offset is none; a negative one is not a way to say so.
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
