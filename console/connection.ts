/**
 * The page's connection to the server: exchanges the link's token for a cookie, and reads the event
 * stream while the page is visible.
 */
import type { ConsoleMessage, FaultName, TableView } from "../src/local/console/consoleMessages.ts"

/** State of the connection to the server. */
export type Status =
  | { readonly _tag: "Connecting" }
  | { readonly _tag: "Live" }
  /** The connection was lost and is retried. */
  | { readonly _tag: "Lost" }
  /** The server has no session for this browser. */
  | { readonly _tag: "Locked"; readonly wasOpen: boolean }
  /** The server accepts no more pages. */
  | { readonly _tag: "Full" }

/** Callbacks of a connection. */
export interface Listener {
  readonly status: (status: Status) => void
  readonly message: (message: ConsoleMessage) => void
}

/** First and longest pause before a reconnect, in milliseconds. */
const pauses = { first: 500, longest: 5000 }
/** A page hidden for this long closes its connection. */
const hiddenMillis = 60_000

const post = (path: string, body: unknown): Promise<Response> =>
  fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body)
  })

/** Exchanges the link's token for a cookie and removes the token from the address. */
const logIn = async (): Promise<void> => {
  const token = new URLSearchParams(location.hash.slice(1)).get("token")
  if (token === null) return
  history.replaceState(null, "", location.pathname)
  await post("/console/session", { token })
}

/**
 * The server sends something at least every 15 seconds. After this long without data, the
 * connection counts as dead.
 */
const silentMillis = 40_000

/** Reads server-sent events and passes on their data. Ends when the stream ends or stays silent. */
const readEvents = async (
  body: ReadableStream<Uint8Array>,
  onData: (data: string) => void
): Promise<void> => {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let rest = ""
  for (;;) {
    const silence = setTimeout(() => void reader.cancel(), silentMillis)
    const { done, value } = await reader.read().finally(() => clearTimeout(silence))
    if (done) return
    const frames = (rest + decoder.decode(value, { stream: true })).split("\n\n")
    rest = frames.pop()!
    for (const frame of frames) if (frame.startsWith("data: ")) onData(frame.slice(6))
  }
}

/** Connects, and reconnects when needed, for the life of the page. */
export const connect = (listener: Listener): void => {
  let current: AbortController | undefined
  let wasOpen = false
  let pause = pauses.first

  const run = async (): Promise<void> => {
    current?.abort()
    const own = (current = new AbortController())
    const { signal } = own
    try {
      await logIn()
      const response = await fetch("/console/events", {
        signal,
        headers: { accept: "text/event-stream" }
      })
      if (response.status === 401) return listener.status({ _tag: "Locked", wasOpen })
      if (response.status === 503) listener.status({ _tag: "Full" })
      if (!response.ok || response.body === null) throw new Error(`status ${response.status}`)
      await readEvents(response.body, (data) => {
        listener.status({ _tag: "Live" })
        wasOpen = true
        pause = pauses.first
        listener.message(JSON.parse(data) as ConsoleMessage)
      })
      throw new Error("the stream ended")
    } catch {
      if (signal.aborted) return
      if (wasOpen) listener.status({ _tag: "Lost" })
      setTimeout(() => {
        if (current === own) void run()
      }, pause)
      pause = Math.min(pauses.longest, pause * 2)
    }
  }

  let hiding: ReturnType<typeof setTimeout> | undefined
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding)
    if (document.hidden) {
      hiding = setTimeout(() => {
        current?.abort()
        current = undefined
      }, hiddenMillis)
    } else if (current === undefined) void run()
  })
  // Pasting a new link into this tab changes only the hash.
  addEventListener("hashchange", () => void run())
  void run()
}

const answerOf = async <A>(response: Response): Promise<A> => {
  if (response.ok) return (response.status === 204 ? undefined : await response.json()) as A
  const message = await response.json().then(
    (body: { readonly message?: string }) => body.message,
    () => undefined
  )
  throw new Error(message ?? `The server answered with status ${response.status}.`)
}

/** Fetches a table with its last rows. */
export const fetchTable = async (name: string): Promise<TableView> =>
  answerOf(await fetch(`/console/table?name=${encodeURIComponent(name)}`))

/** Fetches the client's secret. Called only on request of the user. */
export const fetchSecret = async (): Promise<string> => {
  const { secret } = await answerOf<{ readonly secret: string }>(await post("/console/secret", {}))
  return secret
}

/** Scripts a fault of a table, or clears its faults. */
export const scriptFault = async (table: string, fault: FaultName): Promise<void> =>
  answerOf(await post("/console/faults", { table, fault }))
