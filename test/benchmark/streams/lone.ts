/**
 * What the clients of `bench:streams` have in common: many streams, each with a record now and
 * then.
 */
import type { byteRecords } from "../clients/client.ts"

/** Names are those of the modules in this folder. */
export type LoneName = "ours" | "native" | "bare"

/** A token service, and the client id and secret that it takes. */
export interface TokenPlace {
  readonly workspaceUrl: string
  readonly clientId: string
  readonly clientSecret: string
}

/** One client. */
export interface LoneSpec {
  readonly client: LoneName
  readonly streams: number
  /** Whether they share connections; else each has one of its own. Of this package alone. */
  readonly shared?: boolean | undefined
  /** The port of the sink. */
  readonly port: number
  /** Where streams get tokens; without it they present a fixed one. */
  readonly tokens?: TokenPlace | undefined
  /** The entry module of the package, as a URL; by default that of this checkout. */
  readonly entry?: string | undefined
}

/** Open streams. */
export interface LoneStreams {
  /**
   * Sends one record on each of these streams. `acknowledged` is called for each record that has
   * `observed` set, with the time that the client took from the call to its acknowledgement, in
   * milliseconds.
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

/** Loads the package of one client, which is no part of what its streams cost. */
export type LoadLone = (spec: LoneSpec) => Promise<OpenLone>
