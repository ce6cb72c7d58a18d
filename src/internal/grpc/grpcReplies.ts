/**
 * What is read of a server's responses: plain ones up to a limit.
 *
 * Zerobus responses are a few bytes long, so compressing them gains nothing, and unpacking what a
 * server sends is a way to use up a client's memory and time. grpc-js offers the server gzip and
 * deflate and unpacks both, and has no option against it; its filters, which could, are no public
 * part. So ours is put behind them only where they are found as they are known; elsewhere grpc-js
 * unpacks, within the limit.
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

  /** Sees the frame before it is unpacked: its first byte says whether it is compressed. */
  override async receiveMessage(message: Promise<Buffer>): Promise<Buffer> {
    const frame = await message
    // The filters' way to end a call with a status.
    if (frame[0] !== 0) throw { code: Grpc.status.INTERNAL, details: COMPRESSED }
    return frame
  }
}

/** The inside of a channel, as far as it is used. Everything may be missing. */
interface Inside {
  readonly internalChannel?: {
    readonly filterStackFactory?: {
      readonly factories?: Array<{ readonly createFilter: () => unknown }>
    }
  }
}

/** Makes a channel that announces no compression and refuses compressed responses. */
export const plainChannel = (
  target: string,
  credentials: Grpc.ChannelCredentials,
  options: Grpc.ChannelOptions
): Grpc.Channel => {
  const channel = new Grpc.Channel(target, credentials, options)
  const factories = (channel as unknown as Inside).internalChannel?.filterStackFactory?.factories
  // The last one sees outgoing headers last and incoming messages first.
  if (Array.isArray(factories)) factories.push({ createFilter: () => new PlainReplies() })
  return channel
}

/**
 * What grpc-js reports for a response above the limit, compressed or not. Both end with the limit,
 * which tells them from a server's own text.
 */
export const TOO_LARGE: ReadonlyArray<RegExp> = [
  new RegExp(`^Received message larger than max \\(\\d+ vs ${LARGEST_RESPONSE}\\)$`),
  new RegExp(`^Received message that decompresses to a size larger than ${LARGEST_RESPONSE}$`)
]

/** Why a response was not read, when a call ended for that; then no status came from the server. */
export const unreadable = (code: number, details: string): string | undefined => {
  if (code === Grpc.status.INTERNAL && details === COMPRESSED) return COMPRESSED
  return code === Grpc.status.RESOURCE_EXHAUSTED && TOO_LARGE.some((text) => text.test(details))
    ? `the server sent a response of more than ${LARGEST_RESPONSE} bytes`
    : undefined
}
