/**
 * Retires a persistent stream: a single call, for which no stream needs to be open.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { HeadersProviderShape } from "../../HeadersProvider.ts"
import { Transport } from "../../Transport.ts"
import { Retryable, RetryableReason, type StreamFailure } from "../../ZerobusError.ts"
import { checkTableName } from "../columns/tableName.ts"
import { fromTransport } from "../engine/sessionFailure.ts"
import { sessionHeaders } from "../engine/sessionHeaders.ts"
import { encodeRetire } from "../protobuf/envelope.ts"
import { checkStreamId } from "./openPersistent.ts"

/**
 * Ends a persistent stream permanently. When the credentials are refused, it tries once more with
 * new ones. `limit` bounds each attempt, in milliseconds.
 */
export const retire = Effect.fnUntraced(function* (
  provider: HeadersProviderShape,
  tableName: string,
  streamId: string,
  limit: number
): Effect.fn.Return<void, StreamFailure, Transport> {
  yield* checkTableName(tableName)
  yield* checkStreamId(streamId)
  const attempt = Effect.scoped(call(provider, tableName, streamId)).pipe(
    Effect.timeoutOrElse({
      duration: limit,
      orElse: () => {
        const message = `Retiring the stream took longer than ${limit} ms (recoveryTimeout).`
        return Effect.fail(
          new Retryable({ reason: RetryableReason.ConnectTimeout({ message }), attempts: 1 })
        )
      }
    })
  )
  const rejected = yield* attempt
  if (rejected === undefined) return
  if (provider.invalidate === undefined) return yield* rejected.failure
  yield* provider.invalidate(tableName, Redacted.value(rejected.headers))
  const again = yield* attempt
  if (again !== undefined) return yield* again.failure
})

/** One call. Returns the credentials that were refused and the failure, or undefined on success. */
const call = Effect.fnUntraced(function* (
  provider: HeadersProviderShape,
  tableName: string,
  streamId: string
) {
  const transport = yield* Transport
  const headers = yield* Effect.fromResult(
    sessionHeaders(yield* provider.getHeaders(tableName), tableName)
  )
  const opened = yield* transport.open(headers, "RetireStream")
  opened.sendUnsafe(encodeRetire(tableName, streamId))
  yield* opened.halfClose
  for (;;) {
    const response = yield* Effect.result(Queue.take(opened.responses))
    // The response is empty: the status after it is the result of the call.
    if (Result.isSuccess(response)) continue
    if (response.failure._tag === "Done") return undefined
    const sent = Redacted.make(headers)
    const retired = {
      table: { tableName },
      rpc: { name: "RetireStream", resumes: streamId },
      headers: sent
    } as const
    const { failure, rejected } = fromTransport(retired, response.failure)
    if (!rejected) return yield* failure
    return { failure, headers: sent }
  }
})
