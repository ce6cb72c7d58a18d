/**
 * How a stream talks: the messages of its RPC, in both directions. What they mean is the same for
 * all, and the business of `serverStream.ts`.
 */
import {
  ackResponse,
  closeSignalResponse,
  createdResponse,
  readRequest,
  resumedResponse,
  type StreamRequest
} from "./streamMessages.ts"

/** Where a stream stands, for acknowledgements that a fault invents. */
export interface WirePlace {
  /** The wire offset of the next message, and that of the highest decided acknowledgement. */
  readonly next: number
  readonly decided: number
}

/** An acknowledgement that breaks the protocol. */
export type FalseAck = "future" | "lower" | "repeated" | "negative" | "missing"

/** The messages of one stream. It may keep count of what it has read and acknowledged. */
export interface StreamWire {
  /** Whether a client may send before its first message is answered. */
  readonly mayHurry: boolean
  /** Reads a request. Never throws. */
  readonly read: (bytes: Uint8Array) => StreamRequest
  readonly created: (streamId: string) => Uint8Array
  readonly resumed: (committed: number) => Uint8Array
  /** A message with so many records was received. */
  readonly received: (records: number) => void
  /** Everything up to this wire offset is acknowledged; with a grace the stream ends after it. */
  readonly ack: (upTo: number, graceMillis?: number) => Uint8Array
  /** The stream ends after so many milliseconds. */
  readonly closeSignal: (graceMillis: number) => Uint8Array
  readonly falseAck: (kind: FalseAck, place: WirePlace) => Uint8Array
}

/** An offset that no client has sent yet. */
export const farAhead = ({ next }: WirePlace): number => next + 999

/** The offset of an acknowledgement that breaks the protocol; undefined leaves it out. */
const falseOffset = (kind: FalseAck, place: WirePlace): number | undefined => {
  switch (kind) {
    case "future":
      return farAhead(place)
    case "lower":
      return Math.max(0, place.decided - 1)
    case "repeated":
      return Math.max(0, place.decided)
    case "negative":
      return -1
    case "missing":
      return undefined
  }
}

const grpcWire = (persistent: boolean): StreamWire => ({
  mayHurry: false,
  read: (bytes) => readRequest(bytes, persistent),
  created: createdResponse,
  resumed: resumedResponse,
  received: () => {},
  ack: (upTo, graceMillis) => {
    const ack = ackResponse(upTo, persistent)
    return graceMillis === undefined
      ? ack
      : Buffer.concat([ack, closeSignalResponse(graceMillis, persistent)])
  },
  closeSignal: (graceMillis) => closeSignalResponse(graceMillis, persistent),
  falseAck: (kind, place) => ackResponse(falseOffset(kind, place), persistent)
})

/** The messages of ephemeral and of persistent streams. */
export const ephemeralWire = grpcWire(false)
export const persistentWire = grpcWire(true)
