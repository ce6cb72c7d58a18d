/**
 * The two RPCs that a stream's sessions can be: how each is opened, and how its messages are
 * tagged. What the engine does is the same for both, but for what a session's answer says of
 * earlier ones.
 *
 * |                    | ephemeral              | persistent                                   |
 * | ------------------ | ---------------------- | -------------------------------------------- |
 * | first request      | create                 | create, and resume once the stream has an id |
 * | wire offsets       | from 0 in each session | the offsets of the stream                    |
 * | the answer says    | the id of the session  | up to which offset everything is committed   |
 */
import {
  decodePersistentResponse,
  decodeResponse,
  encodeCreate,
  encodeCreatePersistent,
  encodeResume,
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

/** The RPC of a stream's sessions. */
export interface StreamRpc {
  readonly name: "EphemeralStream" | "PersistentStream"
  /** Added to the tags of ingest messages. */
  readonly tagShift: number
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

const noAnswer = (request: string): string => `The server's first response does not answer the ${request} request.`

/** The RPC of a stream whose sessions know nothing of one another. */
export const ephemeralRpc = (table: StreamTable): StreamRpc => ({
  name: "EphemeralStream",
  tagShift: 0,
  resumes: undefined,
  resume: () => {},
  firstRequest: () => encodeCreate(table),
  decode: decodeResponse,
  opened: ({ created }) =>
    created === undefined ? noAnswer("create") : { streamId: created.streamId, committed: undefined }
})

/** The RPC of a persistent stream: a new one, or the one with this id. */
export const persistentRpc = (table: StreamTable, streamId: string | undefined): StreamRpc => {
  let id = streamId
  return {
    name: "PersistentStream",
    tagShift: TAG_SHIFT,
    get resumes() {
      return id
    },
    resume: (known) => void (id = known),
    firstRequest: () => (id === undefined ? encodeCreatePersistent(table) : encodeResume(table, id)),
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
        return "The server created a persistent stream without an id, so that it could not be resumed."
      }
      if (created.streamId.length > LONGEST_STREAM_ID) {
        return `The server created a persistent stream with an id of more than ${LONGEST_STREAM_ID} characters.`
      }
      id = created.streamId
      return { streamId: id, committed: -1 }
    }
  }
}
