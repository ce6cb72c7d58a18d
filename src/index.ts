/**
 * The Zerobus client for Effect: streams of records into Databricks Delta tables.
 *
 * @module effect-zerobus
 * @since 0.1.0
 */
export * as Column from "./Column.ts"
export * as Credentials from "./Credentials.ts"
export * as DeadLetters from "./DeadLetters.ts"
export * as GrpcTransport from "./GrpcTransport.ts"
export {
  type HeaderRecord,
  HeadersProvider,
  type HeadersProviderOptions,
  type HeadersProviderShape
} from "./HeadersProvider.ts"
export { Offset } from "./Offset.ts"
export type { AckError, RecordAck } from "./RecordAck.ts"
export {
  type BatchingOptions,
  type KeepaliveOptions,
  type OptionsByEffect,
  type StreamConfigurationOptions
} from "./StreamConfigurationOptions.ts"
export * as Spool from "./Spool.ts"
export * as StreamPool from "./StreamPool.ts"
export type { Refused, Unacked } from "./ReturnedRecords.ts"
export type { StreamState } from "./StreamState.ts"
export * as Table from "./Table.ts"
export * as TableProperties from "./TableProperties.ts"
export { Transport, type TransportCall, TransportFailure } from "./Transport.ts"
export {
  type CatalogStream,
  type CatalogTable,
  type TableSummary,
  UnityCatalog,
  unityCatalogConfig,
  UnityCatalogLayer,
  type UnityCatalogOptions,
  type UnityCatalogShape
} from "./UnityCatalog.ts"
export { Zerobus, ZerobusLayer, type ZerobusShape } from "./Zerobus.ts"
export {
  FlushTimeout,
  InvalidArgument,
  InvalidEndpoint,
  InvalidState,
  InvalidTable,
  InvalidToken,
  PayloadTooLarge,
  PermissionDenied,
  ProtocolViolation,
  Retryable,
  RetryableReason,
  SchemaMismatch,
  type SchemaMismatchCause,
  StreamClosed,
  type StreamFailure,
  TlsFailure,
  Unsupported,
  type ZerobusError
} from "./ZerobusError.ts"
export * as ZerobusMetrics from "./ZerobusMetrics.ts"
export {
  type FederatedCredentials,
  type SettingsByEffect,
  type TlsOptions,
  zerobusConfig,
  type ZerobusOptions
} from "./ZerobusOptions.ts"
export type { IngestError, PersistentStream, SinkSummary, ZerobusStream } from "./ZerobusStream.ts"
