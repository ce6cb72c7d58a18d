/**
 * HTTP/2 settings that a script changes without the server. To keep the connection consistent, the
 * client's acknowledgement is hidden from the server, its window is kept within both the old and
 * the new size, and its frames are divided again.
 */

/**
 * Settings by name; omitted ones stay unchanged.
 *
 * @since 0.1.0
 * @category models
 */
export interface Http2Settings {
  /** The bytes of a call that the client may have in flight. */
  readonly initialWindowSize?: number | undefined
  /** The largest frame of the client, in bytes. */
  readonly maxFrameSize?: number | undefined
  /** The calls that the client may have open on the connection. */
  readonly maxConcurrentStreams?: number | undefined
  /** The largest headers that the server accepts, in bytes. */
  readonly maxHeaderListSize?: number | undefined
  /** The size of the client's header compression table, in bytes. */
  readonly headerTableSize?: number | undefined
}

const identifiers: Readonly<Record<keyof Http2Settings, number>> = {
  headerTableSize: 1,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6
}

/** Settings by their HTTP/2 identifiers. */
export type SettingValues = ReadonlyArray<readonly [identifier: number, value: number]>

/** The HTTP/2 identifiers and values of settings. */
export const settingsOf = (settings: Http2Settings): SettingValues =>
  (Object.keys(identifiers) as Array<keyof Http2Settings>).flatMap((name) => {
    const value = settings[name]
    return value === undefined ? [] : [[identifiers[name], value] as const]
  })

/** The payload of a SETTINGS frame. */
export const settingsPayload = (values: SettingValues): Buffer => {
  const payload = Buffer.alloc(values.length * 6)
  for (const [index, [identifier, value]] of values.entries()) {
    payload.writeUInt16BE(identifier, index * 6)
    payload.writeUInt32BE(value, index * 6 + 2)
  }
  return payload
}

/** The initial window that the server assumes. */
const serverWindow = 65_535

/** Tracks the windows of a connection: what the server grants, and what the client is told. */
export interface WindowKeeper {
  /**
   * Changes the size of the initial window. Returns the size to tell the client, and additional
   * grants for each call. When the window grows, the client is told less by the bytes that the
   * server has not consumed yet, and is granted the rest once it has.
   */
  readonly resize: (size: number) => {
    readonly told: number
    readonly grants: ReadonlyArray<readonly [streamId: number, bytes: number]>
  }
  /** The client sent this many bytes of a call. Returns the bytes that it is granted, or 0. */
  readonly sent: (streamId: number, bytes: number) => number
  /**
   * The server grants this many bytes. Returns what the client is granted instead; undefined when
   * the server's grant may pass unchanged.
   */
  readonly granted: (streamId: number, bytes: number) => number | undefined
}

/** Creates the window tracking of one connection. */
export const makeWindowKeeper = (): WindowKeeper => {
  let size: number | undefined
  let told = serverWindow
  /** For each call: the window of the server, and the window that the client assumes. */
  const windows = new Map<number, { server: number; client: number }>()
  const windowOf = (streamId: number) => {
    let window = windows.get(streamId)
    if (window === undefined) {
      window = { server: serverWindow, client: told }
      windows.set(streamId, window)
    }
    return window
  }
  /** The bytes that the client can be granted within both the scripted window and the server's. */
  const grant = (window: { server: number; client: number }): number => {
    if (size === undefined) return 0
    const more = Math.max(0, Math.min(size, window.server) - window.client)
    window.client += more
    return more
  }
  return {
    resize: (next) => {
      const room = Math.min(serverWindow, ...[...windows.values()].map(({ server }) => server))
      const nextTold = Math.min(next, Math.max(told, room))
      for (const window of windows.values()) window.client += nextTold - told
      told = nextTold
      size = next
      const grants = [...windows].map(([streamId, window]) => [streamId, grant(window)] as const)
      return { told, grants: grants.filter(([, more]) => more > 0) }
    },
    sent: (streamId, bytes) => {
      const window = windowOf(streamId)
      window.server -= bytes
      window.client -= bytes
      return grant(window)
    },
    granted: (streamId, bytes) => {
      const window = windowOf(streamId)
      window.server += bytes
      if (size !== undefined) return grant(window)
      window.client += bytes
      return undefined
    }
  }
}
