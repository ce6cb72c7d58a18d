/**
 * The wire format of a stream: the messages of its RPC in both directions. Their meaning is the
 * same for all RPCs and is handled by `serverStream.ts`.
 */
import {
  ackResponse,
  closeSignalResponse,
  createdResponse,
  readRequest,
  resumedResponse,
  type StreamRequest
} from "./streamMessages.ts"

/** The position of a stream, for false acknowledgements of a fault. */
export interface WirePlace {
  /** The wire offsets of the next message and of the highest decided acknowledgement. */
  readonly next: number
  readonly decided: number
}

/** An acknowledgement that breaks the protocol. */
export type FalseAck = "future" | "lower" | "repeated" | "negative" | "missing"

/** The messages of one stream. An implementation may count what it has read and acknowledged. */
export interface StreamWire {
  /** Whether a client may send before the response to its first message. */
  readonly mayHurry: boolean
  /** Reads a request. Never throws. */
  readonly read: (bytes: Uint8Array) => StreamRequest
  readonly created: (streamId: string) => Uint8Array
  readonly resumed: (committed: number) => Uint8Array
  /** A message with this many records was received. */
  readonly received: (records: number) => void
  /**
   * Acknowledges everything up to this wire offset. With a grace, announces that the stream ends
   * after it.
   */
  readonly ack: (upTo: number, graceMillis?: number) => Uint8Array
  /** Announces that the stream ends after this many milliseconds. */
  readonly closeSignal: (graceMillis: number) => Uint8Array
  readonly falseAck: (kind: FalseAck, place: WirePlace) => Uint8Array
}

/** An offset beyond everything that a client has sent. */
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
