/**
 * Requests to the tables API of the Unity Catalog, and the client's errors for their failures.
 */
import type * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import {
  InvalidArgument,
  InvalidEndpoint,
  InvalidToken,
  PermissionDenied,
  Retryable,
  RetryableReason,
  type StreamFailure,
  type TlsFailure
} from "../../ZerobusError.ts"
import type { Route } from "./connector.ts"
import { type WorkspaceFailure, workspaceJson } from "./workspace.ts"

/** One operation on tables. */
export interface CatalogRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE"
  /** The part of the URL after `/tables`. */
  readonly path: string
  /** The body, sent as JSON. */
  readonly body?: unknown
  /** The table or schema that messages name. */
  readonly about: string
  /** The privileges that the operation needs, for the advice when they are missing. */
  readonly privileges: string
  /**
   * The error for an object that does not exist (`isMissing`), and for a response that is too
   * large.
   */
  readonly invalid: (message: string, isMissing: boolean) => StreamFailure
  /** The most bytes of the response; default 8 MiB. */
  readonly limit?: number | undefined
}

const defaultLimit = 8 * 1024 * 1024

/** Sends a request and returns the JSON of the response. */
export const sendToCatalog = (
  route: Route,
  token: Redacted.Redacted<string>,
  { about, body, limit = defaultLimit, method, path }: CatalogRequest
): Effect.Effect<unknown, WorkspaceFailure | TlsFailure> => {
  const bearer = Redacted.value(token)
  return workspaceJson(
    { name: "The catalog", route },
    {
      method,
      path: `/api/2.1/unity-catalog/tables${path}`,
      headers: {
        authorization: `Bearer ${bearer}`,
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" })
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      limit,
      about,
      secrets: [bearer]
    }
  )
}

/** Whether the catalog refused to create a table because one of that name exists. */
export const alreadyExists = ({ errorCode, status }: WorkspaceFailure): boolean =>
  status === 409 || errorCode.endsWith("ALREADY_EXISTS")

/** The client's error for a failed request, with advice. */
export const catalogFailure =
  ({ invalid, privileges }: CatalogRequest) =>
  ({ kind, message, status }: WorkspaceFailure): StreamFailure => {
    switch (kind) {
      case "Unavailable":
        return new Retryable({
          reason: RetryableReason.CatalogUnavailable({ message }),
          attempts: 1
        })
      case "TooLarge":
        return invalid(message, false)
      case "Misdirected":
        return new InvalidEndpoint({ message: `${message} Check the workspace URL.` })
      case "Refused":
        if (status === 401)
          return new InvalidToken({ message: `${message} Check the client id and the secret.` })
        if (status === 403) {
          return new PermissionDenied({
            message: `${message} Grant ${privileges} to the service principal.`
          })
        }
        return status === 404
          ? invalid(`${message} Check the name.`, true)
          : new InvalidArgument({ message, path: [] })
    }
  }
