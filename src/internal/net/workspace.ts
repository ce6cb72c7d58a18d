/**
 * The HTTP client of the workspace, for tokens and the catalog, used by programs and the command
 * line.
 *
 * A request uses the client's TLS and proxy settings and follows no redirect. It ends within 30
 * seconds, reads a bounded response, and fails with a sentence that contains no credential. The
 * caller chooses the client's error for a failure.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { type InvalidArgument, type InvalidEndpoint, TlsFailure } from "../../ZerobusError.ts"
import type { ZerobusOptions } from "../../ZerobusOptions.ts"
import { type ConnectFailure, type Route, tlsAdvice } from "./connector.ts"
import { parseEndpoint } from "./endpoint.ts"
import { httpRequest, type HttpRequest } from "./httpRequest.ts"
import { routeTo } from "./route.ts"
import { holdsSecret, scrub } from "../scrub.ts"

/** A service of the workspace. */
export interface WorkspaceService {
  /** The name in messages, such as `The catalog`. */
  readonly name: string
  readonly route: Route
}

/** One request, with what its failures may and must not contain. */
export interface WorkspaceRequest extends Omit<HttpRequest, "route"> {
  /** What the request was for, such as `main.default.readings`; named when it is refused. */
  readonly about?: string | undefined
  /** Credentials of the request, removed from messages. JSON that contains one is not used. */
  readonly secrets: ReadonlyArray<string>
}

/** A request that did not succeed. `message` is one or more sentences without credentials. */
export class WorkspaceFailure extends Data.TaggedError("WorkspaceFailure")<{
  readonly message: string
  /**
   * - `Unavailable`: no connection, no response in time, or status 408, 429 or 5xx. A retry can
   *   help.
   * - `TooLarge`: the response exceeded the limit of the request.
   * - `Misdirected`: a redirect, or a response that no workspace sends. The URL is probably wrong.
   * - `Refused`: any other status than 200.
   */
  readonly kind: "Unavailable" | "TooLarge" | "Misdirected" | "Refused"
  /** The status of the response; 0 when there was none. */
  readonly status: number
  /** The `error_code` of the response, or empty. */
  readonly errorCode: string
  /** The pause that the service requests, if the response states one. */
  readonly retryAfterMillis: number | undefined
}> {}

/** How long one request may take. */
const limitMillis = 30_000

/** The route to the workspace. Fails for an invalid URL, proxy or TLS setting. */
export const workspaceRoute = <R = never>(
  workspaceUrl: string,
  options: Pick<ZerobusOptions<R>, "proxy" | "tls">
): Effect.Effect<Route, InvalidEndpoint | InvalidArgument, R> =>
  Effect.flatMap(Effect.fromResult(parseEndpoint(workspaceUrl, "The workspace URL")), (endpoint) =>
    routeTo(endpoint, options, "http/1.1")
  )

/** Sends one request and returns the text of a response with status 200. */
export const workspaceRequest = (
  { name, route }: WorkspaceService,
  { about, secrets, ...request }: WorkspaceRequest
): Effect.Effect<string, WorkspaceFailure | TlsFailure> => {
  const { origin } = route.endpoint
  const where = `${name} at ${origin}`
  const fail = (
    kind: WorkspaceFailure["kind"],
    message: string,
    rest: Partial<Pick<WorkspaceFailure, "status" | "errorCode" | "retryAfterMillis">> = {}
  ) =>
    Effect.fail(
      new WorkspaceFailure({
        kind,
        message,
        status: 0,
        errorCode: "",
        retryAfterMillis: undefined,
        ...rest
      })
    )

  const notAnswered = ({
    code,
    message,
    tls
  }: ConnectFailure): Effect.Effect<never, WorkspaceFailure | TlsFailure> => {
    if (tls) {
      return Effect.fail(
        new TlsFailure({
          message: `The TLS handshake with ${origin} was refused: ${message}. ${tlsAdvice(code)}`,
          code
        })
      )
    }
    return code === "ANSWER_TOO_LARGE"
      ? fail("TooLarge", `${where} sent an answer that is larger than ${request.limit} bytes.`)
      : fail("Unavailable", `${where} could not be reached: ${message}.`)
  }

  return httpRequest({ route, ...request }).pipe(
    Effect.catch(notAnswered),
    Effect.timeoutOrElse({
      duration: limitMillis,
      orElse: () => fail("Unavailable", `${where} did not answer within ${limitMillis} ms.`)
    }),
    Effect.flatMap(({ body, retryAfterMillis, status }) => {
      if (status === 200) return Effect.succeed(body)
      if (status >= 300 && status < 400) {
        return fail(
          "Misdirected",
          `${where} answered with a redirect (${status}), which is not followed.`,
          { status }
        )
      }
      const { errorCode, text } = reasonIn(body)
      // A response with an unexpected success status may hold a token of any form, so its text is
      // dropped.
      const reason = status < 300 ? "" : scrub(text, secrets).replace(/\.$/, "")
      const message =
        `${where} answered ${status}${about === undefined ? "" : ` for ${about}`}` +
        `${reason === "" ? "" : `: ${reason}`}.`
      const again = status >= 500 || status === 429 || status === 408
      return fail(again ? "Unavailable" : "Refused", message, {
        status,
        errorCode,
        retryAfterMillis
      })
    })
  )
}

/** Parses a response as JSON. Fails when it is not JSON, or contains a secret of the request. */
export const workspaceJson = (
  service: WorkspaceService,
  request: WorkspaceRequest
): Effect.Effect<unknown, WorkspaceFailure | TlsFailure> =>
  Effect.flatMap(workspaceRequest(service, request), (body) => {
    const json = parsed(body)
    const problem =
      json === undefined
        ? "is not JSON"
        : // Written anew, so that no escape hides it.
          holdsSecret(JSON.stringify(json), request.secrets)
          ? "contains the credentials of the request, so it is not used"
          : undefined
    return problem === undefined
      ? Effect.succeed(json)
      : Effect.fail(
          new WorkspaceFailure({
            kind: "Misdirected",
            message: `The answer of ${service.route.endpoint.origin} ${problem}.`,
            status: 200,
            errorCode: "",
            retryAfterMillis: undefined
          })
        )
  })

const parsed = (body: string): unknown => {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

/**
 * The reason in a refusal: the catalog has it in `message`. Other JSON is serialized again, so that
 * no escape hides a secret.
 */
const reasonIn = (body: string): { readonly errorCode: string; readonly text: string } => {
  const json = parsed(body)
  if (typeof json !== "object" || json === null) return { errorCode: "", text: body }
  const { error_code: code, message } = json as {
    readonly error_code?: unknown
    readonly message?: unknown
  }
  return {
    errorCode: typeof code === "string" ? code : "",
    text: typeof message === "string" ? message : JSON.stringify(json)
  }
}
