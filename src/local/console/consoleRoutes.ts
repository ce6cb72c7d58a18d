/**
 * The HTTP routes of the console: the page, which is public and holds no data, and routes below
 * `/console` that need a session: the event stream, a table, the secret, and faults to script.
 */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { TableStoreShape } from "../store/tableStore.ts"
import { type ConsoleAccess, consolePath } from "./consoleAccess.ts"
import type { ConsoleFeed } from "./consoleFeed.ts"
import type { FaultName } from "./consoleMessages.ts"
import { tableView } from "./tableView.ts"

/** The files of the page by their names below `/console/`; `index.html` is served at `/`. */
export type PageFiles = Readonly<
  Record<"index.html" | "console.js" | "console.css" | "icon.svg", string>
>

/** Options of the routes. */
export interface ConsoleOptions {
  readonly access: ConsoleAccess
  readonly feed: ConsoleFeed
  readonly store: TableStoreShape
  readonly page: PageFiles
  readonly secret: Redacted.Redacted<string>
  /** Scripts a fault of a table; false when there is no such table. */
  readonly inject: (tableName: string, fault: FaultName) => Effect.Effect<boolean>
}

/** The response to a request; undefined for a path outside the console. */
export type ConsoleRoutes = (
  request: HttpServerRequest.HttpServerRequest,
  url: URL
) => Effect.Effect<HttpServerResponse.HttpServerResponse> | undefined

/** Scripts and styles are loaded from this server only, and no other page may frame this one. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'"
].join("; ")

const headers = {
  "cache-control": "no-store",
  "content-security-policy": policy,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY"
}

const types: Readonly<Record<keyof PageFiles, string>> = {
  "index.html": "text/html; charset=utf-8",
  "console.js": "text/javascript; charset=utf-8",
  "console.css": "text/css; charset=utf-8",
  "icon.svg": "image/svg+xml"
}

const faultNames: ReadonlySet<unknown> = new Set<FaultName>([
  "disconnect",
  "stall",
  "refuse",
  "expireToken",
  "clear"
])

const json = (status: number, body: unknown) =>
  HttpServerResponse.jsonUnsafe(body, { status, headers })
const failure = (status: number, message: string) => Effect.succeed(json(status, { message }))
const done = HttpServerResponse.empty({ status: 204, headers })

/** Creates the routes. */
export const consoleRoutes = (options: ConsoleOptions): ConsoleRoutes => {
  const { access, feed, inject, page, secret, store } = options

  const file = (name: keyof PageFiles) =>
    Effect.succeed(HttpServerResponse.text(page[name], { contentType: types[name], headers }))

  const login = (request: HttpServerRequest.HttpServerRequest) =>
    withJson(request, ({ token }) => {
      const cookie = typeof token === "string" ? access.login(token, request.headers) : undefined
      if (cookie === undefined)
        return failure(
          401,
          "The token belongs to another server, or to an earlier run of this one."
        )
      return Effect.succeed(HttpServerResponse.setHeader(done, "set-cookie", cookie))
    })

  /** Watches from the start of the response until the page disconnects. */
  const frames = Effect.acquireRelease(Effect.sync(feed.watch), (watching) =>
    Effect.sync(() => watching?.stop())
  ).pipe(
    Effect.map((watching) =>
      watching === undefined ? Stream.empty : Stream.fromEffectRepeat(watching.next)
    ),
    Stream.unwrap,
    Stream.map((frame) => Buffer.from(frame))
  )

  const events = () =>
    feed.isFull()
      ? failure(503, "Too many pages watch this server. Close some.")
      : Effect.succeed(
          HttpServerResponse.stream(frames, { contentType: "text/event-stream", headers })
        )

  const table = (url: URL) =>
    Effect.map(tableView(store, url.searchParams.get("name") ?? ""), (view) =>
      view === undefined
        ? json(404, { message: "There is no table of this name." })
        : json(200, view)
    )

  const fault = (request: HttpServerRequest.HttpServerRequest) =>
    withJson(request, ({ fault, table }) => {
      if (typeof table !== "string" || !faultNames.has(fault)) {
        return failure(
          400,
          `The body must hold a table and a fault: ${[...faultNames].join(", ")}.`
        )
      }
      return Effect.flatMap(inject(table, fault as FaultName), (found) => {
        if (!found) return failure(404, "There is no table of this name.")
        feed.scripted(table)
        return Effect.succeed(done)
      })
    })

  /** For each path below `/console`: the method, whether a session is needed, and the handler. */
  const routes: Readonly<
    Record<
      string,
      readonly [
        method: "GET" | "POST",
        needsSession: boolean,
        answer: (
          request: HttpServerRequest.HttpServerRequest,
          url: URL
        ) => Effect.Effect<HttpServerResponse.HttpServerResponse>
      ]
    >
  > = {
    "/session": ["POST", false, login],
    "/events": ["GET", true, events],
    "/table": ["GET", true, (_, url) => table(url)],
    "/secret": ["POST", true, () => Effect.succeed(json(200, { secret: Redacted.value(secret) }))],
    "/faults": ["POST", true, fault]
  }

  return (request, url) => {
    const { headers, method } = request
    const { pathname } = url
    if (pathname !== "/" && pathname !== consolePath && !pathname.startsWith(`${consolePath}/`))
      return undefined
    const name = pathname === "/" ? "index.html" : pathname.slice(consolePath.length + 1)
    if (Object.hasOwn(page, name) && (name === "index.html") === (pathname === "/")) {
      return method === "GET" || method === "HEAD"
        ? file(name as keyof PageFiles)
        : failure(405, "Use GET here.")
    }
    const path = `/${name}`
    if (!Object.hasOwn(routes, path)) return failure(404, "This server has no such path.")
    const [allowed, needsSession, answer] = routes[path]!
    if (method !== allowed) return failure(405, `Use ${allowed} here.`)
    if (!access.isOwnPage(headers, method === "POST"))
      return failure(403, "Only the page of this server may send this request.")
    if (needsSession && !access.hasSession(headers)) {
      return failure(401, "Open the link that the server printed when it started.")
    }
    return answer(request, url)
  }
}

/**
 * Runs `next` with the JSON object of the body. A page of another origin cannot send this content
 * type without a CORS preflight.
 */
const withJson = (
  request: HttpServerRequest.HttpServerRequest,
  next: (
    body: Readonly<Record<string, unknown>>
  ) => Effect.Effect<HttpServerResponse.HttpServerResponse>
): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
  if (!/^application\/json\b/.test(request.headers["content-type"] ?? "")) {
    return failure(415, "The content type must be application/json.")
  }
  return request.text.pipe(
    Effect.matchEffect({
      onFailure: () => failure(413, "The body cannot be read, or is too large."),
      onSuccess: (text) => {
        let body: unknown
        try {
          body = JSON.parse(text)
        } catch {
          return failure(400, "The body is not JSON.")
        }
        return typeof body === "object" && body !== null
          ? next(body as Readonly<Record<string, unknown>>)
          : failure(400, "The body must be a JSON object.")
      }
    })
  )
}
