/**
 * Types shared by the clients of `bench:streams`: many streams, each with a record now and then.
 */
import type { byteRecords } from "../clients/client.ts"

/** The names of the modules in this folder. */
export type LoneName = "ours" | "native" | "bare"

/** A token service, and the client id and secret that it accepts. */
export interface TokenPlace {
  readonly workspaceUrl: string
  readonly clientId: string
  readonly clientSecret: string
}

/** One client. */
export interface LoneSpec {
  readonly client: LoneName
  readonly streams: number
  /** Whether they share connections; otherwise each has a separate one. Only for this package. */
  readonly shared?: boolean | undefined
  /** The port of the sink. */
  readonly port: number
  /** The source of the streams' tokens; without it they send a fixed one. */
  readonly tokens?: TokenPlace | undefined
  /** The entry module of the package, as a URL; by default that of this checkout. */
  readonly entry?: string | undefined
}

/** Open streams. */
export interface LoneStreams {
  /**
   * Sends one record on each of these streams. `acknowledged` is called for each record with
   * `observed` set, with the time from the call to its acknowledgement as the client measures it,
   * in milliseconds.
   */
  readonly send: (
    records: ReadonlyArray<{ readonly stream: number; readonly observed: boolean }>,
    acknowledged: (millis: number) => void
  ) => void
  /** Waits until everything is acknowledged. */
  readonly flush: () => Promise<void>
  /** Closes all streams. */
  readonly close: () => Promise<void>
}

/** Opens the streams of one client. */
export type OpenLone = (records: ReturnType<typeof byteRecords>) => Promise<LoneStreams>

/** Loads the package of one client; this is not part of the measured cost. */
export type LoadLone = (spec: LoneSpec) => Promise<OpenLone>
