/**
 * The local Zerobus server for tests and development, with scripted faults. `ZerobusVirtual` needs
 * no sockets.
 *
 * @module effect-zerobus/testing
 * @since 0.1.0
 */
export * as ConnectProxy from "./ConnectProxy.ts"
export * as Faults from "./Faults.ts"
export * as Latency from "./Latency.ts"
export {
  type StreamOptions,
  UnsafeServer,
  type ZerobusLocalDiskOptions,
  type ZerobusLocalOptions,
  type ZerobusVirtualOptions,
  type Grant,
  type LocalPrincipal,
  type Principal,
  type TrustedIssuer,
  type Privilege
} from "./localOptions.ts"
export { PortUnavailable } from "../local/endpoints/listener.ts"
export {
  InvalidDefinition,
  StorageFailure,
  type StorageReason,
  TableExists,
  TableNotFound,
  UnsupportedColumn
} from "../local/log/storageErrors.ts"
export type { ServerCounters } from "../local/endpoints/serverCounters.ts"
export type { TableRecord, TableSize } from "../local/store/tableStore.ts"
export {
  type Audit,
  type ConnectionAudit,
  InvalidTrace,
  type NewTable,
  type PersistentStreamRecord,
  type TableName,
  type ZerobusScript
} from "./serverScript.ts"
export { type StartFailure, ZerobusLocal, type ZerobusLocalShape } from "./ZerobusLocal.ts"
export { ZerobusVirtual } from "./ZerobusVirtual.ts"
