/**
 * Accepts only uncompressed responses up to a size limit.
 *
 * Zerobus responses are a few bytes long, so compression gains nothing. Decompressing a server's
 * data could exhaust a client's memory and time. grpc-js offers gzip and deflate to the server,
 * decompresses both, and has no option against it. Its filters could refuse it, but are not public.
 * So a filter is added to them only where they have the known form. Elsewhere grpc-js decompresses,
 * within the limit.
 */
import * as Grpc from "@grpc/grpc-js"

/** The largest response that is read, in bytes. */
export const LARGEST_RESPONSE = 1024 * 1024

const COMPRESSED = "the server sent a compressed response, which it was not offered"

class PlainReplies extends Grpc.experimental.BaseFilter {
  override async sendMetadata(metadata: Promise<Grpc.Metadata>): Promise<Grpc.Metadata> {
    const headers = await metadata
    headers.set("grpc-accept-encoding", "identity")
    return headers
  }

  /** Gets the frame before it is decompressed. Its first byte shows whether it is compressed. */
  override async receiveMessage(message: Promise<Buffer>): Promise<Buffer> {
    const frame = await message
    // Filters end a call with a status by throwing it.
    if (frame[0] !== 0) throw { code: Grpc.status.INTERNAL, details: COMPRESSED }
    return frame
  }
}

/** The internals of a channel that are used here. Every part may be missing. */
interface Inside {
  readonly internalChannel?: {
    readonly filterStackFactory?: {
      readonly factories?: Array<{ readonly createFilter: () => unknown }>
    }
  }
}

/** Makes a channel that offers no compression and refuses compressed responses. */
export const plainChannel = (
  target: string,
  credentials: Grpc.ChannelCredentials,
  options: Grpc.ChannelOptions
): Grpc.Channel => {
  const channel = new Grpc.Channel(target, credentials, options)
  const factories = (channel as unknown as Inside).internalChannel?.filterStackFactory?.factories
  // The last filter gets outgoing headers last and incoming messages first.
  if (Array.isArray(factories)) factories.push({ createFilter: () => new PlainReplies() })
  return channel
}

/**
 * What grpc-js reports for a response above the limit, compressed or not. Both texts end with the
 * limit, which distinguishes them from a server's own text.
 */
export const TOO_LARGE: ReadonlyArray<RegExp> = [
  new RegExp(`^Received message larger than max \\(\\d+ vs ${LARGEST_RESPONSE}\\)$`),
  new RegExp(`^Received message that decompresses to a size larger than ${LARGEST_RESPONSE}$`)
]

/** Why a response was not read, if that ended the call. Then no status came from the server. */
export const unreadable = (code: number, details: string): string | undefined => {
  if (code === Grpc.status.INTERNAL && details === COMPRESSED) return COMPRESSED
  return code === Grpc.status.RESOURCE_EXHAUSTED && TOO_LARGE.some((text) => text.test(details))
    ? `the server sent a response of more than ${LARGEST_RESPONSE} bytes`
    : undefined
}
