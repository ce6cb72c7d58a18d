/**
 * The location of the official native SDK, and the types that the benchmark uses of it.
 * `scripts/nativeSdk.mjs` fetches it into `.cache/`; it is not a dependency of the package.
 */
import { spawnSync } from "node:child_process"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"

export type NativeSdk = { readonly folder: string } | { readonly problem: string }

/** Fetches the SDK unless it is there. Returns its folder, or why it is not available. */
export const fetchNative = (): NativeSdk => {
  const script = fileURLToPath(new URL("../../scripts/nativeSdk.mjs", import.meta.url))
  const { status, stderr, stdout } = spawnSync(process.execPath, [script], {
    encoding: "utf8",
    timeout: 180_000
  })
  if (status !== 0) return { problem: stderr.trim().split("\n")[0] ?? "unknown" }
  const folder = stdout.trim()
  try {
    createRequire(import.meta.url)(folder)
    return { folder }
  } catch (error) {
    return {
      problem: `it does not load here: ${error instanceof Error ? error.message : String(error)}`
    }
  }
}

/** A stream of the native SDK. */
export interface NativeStream {
  /** Resolves at the acknowledgement; deprecated in favour of the next method. */
  readonly ingestRecord: (record: unknown) => Promise<bigint>
  readonly ingestRecordOffset: (record: unknown) => Promise<bigint>
  readonly ingestRecordsOffset: (records: ReadonlyArray<unknown>) => Promise<bigint | null>
  readonly waitForOffset: (offset: bigint) => Promise<void>
  readonly flush: () => Promise<void>
  readonly close: () => Promise<void>
}

interface NativeModule {
  readonly ZerobusSdk: new (
    zerobusUrl: string,
    unityCatalogUrl: string
  ) => {
    readonly createStream: (
      table: { readonly tableName: string; readonly descriptorProto?: string },
      clientId: string,
      clientSecret: string,
      options: { readonly recordType: number; readonly maxInflightRequests?: number },
      headers?: { readonly getHeadersCallback: () => ReadonlyArray<readonly [string, string]> }
    ) => Promise<NativeStream>
  }
  readonly RecordType: { readonly Json: number; readonly Proto: number }
}

/** Loads the SDK from its folder. */
export const loadNative = (folder: string): NativeModule =>
  createRequire(import.meta.url)(folder) as NativeModule
