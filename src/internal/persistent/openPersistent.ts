/**
 * Opens persistent streams, and refuses options that they do not support.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { HeadersProviderShape } from "../../HeadersProvider.ts"
import type { StreamConfigurationOptions } from "../../StreamConfigurationOptions.ts"
import type { TableProperties } from "../../TableProperties.ts"
import type { Transport } from "../../Transport.ts"
import { InvalidArgument, type StreamFailure } from "../../ZerobusError.ts"
import type { PersistentStream } from "../../ZerobusStream.ts"
import { type Client, openPersistentStream } from "../engine/stream.ts"
import { LONGEST_STREAM_ID } from "../protobuf/streamRpc.ts"

/** Fails with `InvalidArgument` for a value that cannot be the id of a stream. */
export const checkStreamId = (streamId: unknown): Effect.Effect<void, InvalidArgument> => {
  if (typeof streamId === "string" && streamId.length > 0 && streamId.length <= LONGEST_STREAM_ID)
    return Effect.void
  const message =
    `The id of a stream must be a text of 1 to ${LONGEST_STREAM_ID} characters: ` + `its streamId.`
  return Effect.fail(new InvalidArgument({ message, path: ["streamId"] }))
}

/** Opens a persistent stream in the current scope: a new one, or the one with this id. */
export const openPersistent = <A>(
  table: TableProperties<A>,
  options: StreamConfigurationOptions<A>,
  client: Client,
  streamId: string | undefined
): Effect.Effect<PersistentStream<A>, StreamFailure, Transport | Scope.Scope> => {
  const refused = unfit(options) ?? foreignIdentity(options.headersProvider ?? client.provider)
  return refused === undefined
    ? openPersistentStream(table, options, client, { streamId })
    : Effect.fail(refused)
}

/** Why a persistent stream does not support these options. */
const unfit = ({
  laneKey,
  lanes = 1,
  onRefused,
  onSchemaChange
}: StreamConfigurationOptions): InvalidArgument | undefined => {
  const [option, why] =
    onRefused !== undefined
      ? ["onRefused", "cannot go on without a refused record, whose offset cannot be left out"]
      : lanes !== 1
        ? ["lanes", "has one session, whose offsets are its own"]
        : laneKey !== undefined
          ? ["laneKey", "has one session, which keeps all records in order"]
          : ["onSchemaChange", "keeps the descriptor that it was opened with"]
  if (
    onRefused === undefined &&
    lanes === 1 &&
    laneKey === undefined &&
    onSchemaChange !== "reopen"
  )
    return undefined
  const message = `A persistent stream ${why}. Leave the option ${option} out, or use createStream.`
  return new InvalidArgument({ message, path: [option] })
}

/** Why a persistent stream does not support this headers provider. */
const foreignIdentity = ({ federated }: HeadersProviderShape): InvalidArgument | undefined => {
  if (federated !== true) return undefined
  const message =
    "The service has no persistent streams for federated credentials. Give the stream a " +
    "headersProvider with the " +
    "secret of a service principal, or use createStream."
  return new InvalidArgument({ message, path: ["headersProvider"] })
}
