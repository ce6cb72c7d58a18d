/**
 * Requests with `node:http`, which allows setting every header, and event streams read message by
 * message.
 */
import { Effect, Queue, type Scope } from "effect"
import * as Http from "node:http"

/** A finished answer. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly text: string
  /** The body, if it is JSON. */
  readonly body: any
}

/** The content of a request. */
export interface HttpCall {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Sends one request. */
export const httpCall = (url: string, { body, headers = {}, method = "GET" }: HttpCall = {}) =>
  Effect.callback<HttpAnswer, Error>((resume) => {
    const call = Http.request(url, { method, headers, agent: false }, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (chunk) => (text += chunk))
      response.on("end", () => {
        const isJson = response.headers["content-type"]?.includes("json") === true
        const body: unknown = isJson ? JSON.parse(text) : undefined
        resume(
          Effect.succeed({ status: response.statusCode!, headers: response.headers, text, body })
        )
      })
    })
    call.on("error", (error) => resume(Effect.fail(error)))
    call.end(body)
    return Effect.sync(() => call.destroy())
  })

/** Reads an event stream until the scope ends. The effect returns the data of the next event. */
export const eventStream = Effect.fnUntraced(function* (
  url: string,
  headers: Readonly<Record<string, string>>
): Effect.fn.Return<Effect.Effect<string>, never, Scope.Scope> {
  const events = yield* Queue.unbounded<string>()
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      Http.get(url, { headers, agent: false }, (response) => {
        let rest = ""
        response.setEncoding("utf8")
        response.on("data", (chunk: string) => {
          const frames = (rest + chunk).split("\n\n")
          rest = frames.pop()!
          for (const frame of frames)
            if (frame.startsWith("data: ")) Queue.offerUnsafe(events, frame.slice(6))
        })
        response.on("error", () => {})
      }).on("error", () => {})
    ),
    (call) => Effect.sync(() => call.destroy())
  )
  return Queue.take(events)
})
