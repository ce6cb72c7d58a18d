/**
 * The errors that each operation can fail with, at compile time. Compiled by `tsc -p test`, never
 * run.
 */
import type { Effect, Sink, Stream } from "effect"
import type {
  RecordAck,
  TableProperties,
  ZerobusError,
  ZerobusShape,
  ZerobusStream
} from "effect-zerobus"

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const exact = <A, B>(equal: Equal<A, B>): boolean => equal

/** The tags of an effect's failures. */
type Tags<T> =
  T extends Effect.Effect<any, infer E, any>
    ? E extends { readonly _tag: infer Tag }
      ? Tag
      : never
    : never

/** The errors that can end a stream, or prevent it from opening. */
type Ends =
  | "Retryable"
  | "InvalidToken"
  | "PermissionDenied"
  | "InvalidTable"
  | "InvalidEndpoint"
  | "TlsFailure"
  | "InvalidArgument"
  | "SchemaMismatch"
  | "Unsupported"
  | "InvalidState"
  | "ProtocolViolation"
type Waits = Ends | "StreamClosed" | "FlushTimeout"
type Ingests = "FlushTimeout" | "InvalidArgument" | "PayloadTooLarge" | "Retryable" | "StreamClosed"

type Records = ZerobusStream<TableProperties.JsonRecord>
exact<Tags<ReturnType<ZerobusShape["createStream"]>>, Ends>(true)
exact<Tags<ReturnType<ZerobusShape["recreateStream"]>>, Ends>(true)
exact<Tags<ReturnType<Records["ingestRecord"]>>, Ingests>(true)
exact<Tags<ReturnType<Records["ingestRecords"]>>, Ingests>(true)
exact<Tags<Records["flush"]>, Waits>(true)
exact<Tags<Records["close"]>, Waits>(true)
exact<Tags<ReturnType<Records["waitForOffset"]>>, Waits>(true)
exact<Tags<RecordAck["await"]>, Waits>(true)
exact<Tags<Records["getUnackedRecords"]>, "InvalidState">(true)
exact<Tags<Records["getUnackedBatches"]>, "InvalidState">(true)
exact<Tags<Records["getUnackedPayloads"]>, "InvalidState">(true)

type SinkTags<T> =
  T extends Sink.Sink<any, any, any, infer E, any> ? (E & { readonly _tag: string })["_tag"] : never
exact<SinkTags<ReturnType<ZerobusShape["sink"]>>, Waits | Ingests>(true)
exact<SinkTags<Records["toSink"]>, Waits | Ingests>(true)

type StreamTags<T> =
  T extends Stream.Stream<any, infer E, any> ? (E & { readonly _tag: string })["_tag"] : never
exact<StreamTags<Records["durableOffsets"]>, Waits>(true)
exact<StreamTags<Records["stateChanges"]>, never>(true)

// Together, these are all the failures that a program can handle.
exact<ZerobusError["_tag"], Waits | Ingests>(true)
