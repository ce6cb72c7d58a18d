/**
 * HTTP/2 settings that a script changes behind the server's back, and what makes the rest of the
 * connection agree with them: the client's acknowledgement is kept from the server, its window is
 * kept within both the old and the new size, and its frames are divided again.
 */

/**
 * Settings by name; what is left out stays.
 *
 * @since 0.1.0
 * @category models
 */
export interface Http2Settings {
  /** Bytes of a call that the client may have under way. */
  readonly initialWindowSize?: number | undefined
  /** Bytes of one frame of the client's. */
  readonly maxFrameSize?: number | undefined
  /** Calls that the client may have open on the connection. */
  readonly maxConcurrentStreams?: number | undefined
  /** Bytes of the headers that the server takes. */
  readonly maxHeaderListSize?: number | undefined
  /** Bytes of the table that the client's headers are compressed with. */
  readonly headerTableSize?: number | undefined
}

const identifiers: Readonly<Record<keyof Http2Settings, number>> = {
  headerTableSize: 1,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6
}

/** Settings as HTTP/2 numbers them. */
export type SettingValues = ReadonlyArray<readonly [identifier: number, value: number]>

/** The numbers of settings. */
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

/** The window that a server starts with and believes in. */
const serverWindow = 65_535

/** The frames of a connection's windows: what the server grants, and what the client is told. */
export interface WindowKeeper {
  /**
   * The initial window is to have a new size. Returns the size to tell the client, and what each
   * call is granted besides. When it grows, the client is told less by what the server has not
   * taken yet, and granted the rest when it has.
   */
  readonly resize: (size: number) => {
    readonly told: number
    readonly grants: ReadonlyArray<readonly [streamId: number, bytes: number]>
  }
  /** The client sent so many bytes of a call; returns what it is granted, 0 for nothing. */
  readonly sent: (streamId: number, bytes: number) => number
  /**
   * The server grants so many bytes; undefined when it may say so itself, else what the client is
   * granted instead.
   */
  readonly granted: (streamId: number, bytes: number) => number | undefined
}

/** Keeps the windows of one connection. */
export const makeWindowKeeper = (): WindowKeeper => {
  let size: number | undefined
  let told = serverWindow
  /** Per call: what the server would still take, and what the client believes. */
  const windows = new Map<number, { server: number; client: number }>()
  const windowOf = (streamId: number) => {
    let window = windows.get(streamId)
    if (window === undefined) {
      window = { server: serverWindow, client: told }
      windows.set(streamId, window)
    }
    return window
  }
  /** What the client can be granted within the scripted window and the server's. */
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
