/**
 * The events of a server as values, for its request log and its console.
 */
import type { HttpPart } from "../faults/httpScript.ts"
import type { ServerStatus } from "../stream/serverStatus.ts"
import type { ObservedStream, StreamNote } from "../stream/streamContract.ts"
import type { RecordKind } from "../stream/streamMessages.ts"

/** How a stream or call ended: as one word, or as a status. */
export interface Ending {
  readonly how: string | undefined
  readonly status: ServerStatus | undefined
}

/** An event of the server. Texts from clients have no control characters. */
export type ServerEvent =
  | { readonly _tag: "StreamOpened"; readonly stream: ObservedStream; readonly kind: RecordKind }
  | {
      readonly _tag: "StreamEnded"
      readonly stream: ObservedStream
      readonly ending: Ending
      readonly records: number
      readonly bytes: number
      readonly millis: number
    }
  | { readonly _tag: "StreamRefused"; readonly stream: ObservedStream; readonly ending: Ending }
  | {
      readonly _tag: "MessageReceived"
      readonly stream: ObservedStream
      readonly records: number
      readonly bytes: number
    }
  | {
      readonly _tag: "TokenMinted"
      readonly clientId: string
      readonly tableName: string | undefined
    }
  | {
      readonly _tag: "TokenRefused"
      readonly clientId: string | undefined
      readonly reason: string
    }
  | {
      readonly _tag: "TableCreated" | "TableAltered" | "TableRegistered" | "TableDropped"
      readonly tableName: string
    }
  | {
      readonly _tag: "TableCommitted"
      readonly tableName: string
      readonly version: number
      readonly rows: number
    }
  | (StreamNote & { readonly stream: ObservedStream })
  | { readonly _tag: "HttpFaultStruck"; readonly part: HttpPart; readonly action: string }
  | { readonly _tag: "ConnectionFaultsStruck"; readonly actions: ReadonlyArray<string> }

/** Handles an event. It must not throw. */
export type Tell = (event: ServerEvent) => void
