/**
 * Makes sockets to an endpoint: direct or through a proxy, plain or TLS, with the same rules for
 * gRPC and for the workspace's HTTP. A refused handshake is distinguished from a lost connection
 * here, where Node's error codes are available.
 */
import * as Data from "effect/Data"
import * as Redacted from "effect/Redacted"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { authorityOf, type Endpoint } from "./endpoint.ts"
import { type Proxy, proxyName } from "./proxy.ts"

/** Why there is no usable connection. `message` contains no credentials. */
export class ConnectFailure extends Data.TaggedError("ConnectFailure")<{
  readonly message: string
  /** Node's or OpenSSL's code. */
  readonly code: string
  /** True for a refused certificate or handshake, which a retry does not fix. */
  readonly tls: boolean
}> {}

/** The TLS settings of connections. */
export interface Security {
  readonly context: Tls.SecureContext
  /**
   * The name sent to the server (SNI) and checked against the certificate; default: the endpoint's
   * host.
   */
  readonly serverName: string | undefined
}

/** How to reach one endpoint. */
export interface Route {
  readonly endpoint: Endpoint
  readonly proxy: Proxy | undefined
  /** Present when the endpoint or the proxy uses TLS. A function makes it for each connection. */
  readonly security: Security | ((signal: AbortSignal | undefined) => Promise<Security>) | undefined
  /** The protocol to negotiate by ALPN. */
  readonly protocol: "h2" | "http/1.1"
}

const tlsCode =
  /^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH|EPROTO)/

/**
 * The flag that Node recommends for an unknown authority. It does not help: the client trusts the
 * authorities of the operating system already.
 */
const nodeAdvice = /; if the root CA is installed locally, try running Node\.js with \S+$/

/** OpenSSL error codes that mean the peer does not speak TLS. */
export const NOT_TLS: ReadonlyArray<string> = [
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_SSL_HTTP_REQUEST"
]

/** What to do about a refused TLS handshake with this code, as a sentence. */
export const tlsAdvice = (code: string): string =>
  NOT_TLS.includes(code)
    ? "The other side does not speak TLS: check the port, or begin the URL with http:// for a " +
      "server without TLS."
    : "Check the URL's host name and the certificate, or give the issuing authority with the " +
      "setting tls.ca or the variable NODE_EXTRA_CA_CERTS."

/** Converts Node's error of a socket to a failure to connect. */
export const toFailure = (error: unknown): ConnectFailure => {
  if (error instanceof ConnectFailure) return error
  const {
    code = "ERROR",
    message = "",
    reason
  } = error as NodeJS.ErrnoException & { readonly reason?: string }
  const tls = tlsCode.test(code)
  // OpenSSL appends its own source lines to the reason in the message.
  const text =
    code === "EPROTO" || code.startsWith("ERR_SSL")
      ? (reason ?? /:([^:]+):[^:]*\.c:\d+:?$/.exec(message.trim())?.[1] ?? message)
      : message.replace(nodeAdvice, "")
  return new ConnectFailure({ message: text === "" ? code : text, code, tls })
}

/**
 * Why the first hop could not be reached. With a proxy the text names it: the environment may set
 * one without the user's knowledge.
 */
export const unreachedHop = (proxy: Proxy | undefined, message: string): string =>
  proxy === undefined ? message : `${proxyName(proxy)} could not be reached: ${message}`

/** The target of the TCP connection: the proxy, or the endpoint itself. */
export const firstHop = ({
  endpoint,
  proxy
}: Route): { readonly host: string; readonly port: number } => proxy ?? endpoint

/**
 * Extends a TCP connection to the first hop to one to the endpoint: CONNECT through the proxy, then
 * TLS. Calls `onStep` with what each step waits for, as the end of a sentence.
 */
export const complete = async (
  route: Route,
  socket: Net.Socket,
  signal?: AbortSignal,
  onStep: (waitingFor: string) => void = () => {}
): Promise<Net.Socket> => {
  const { endpoint, proxy } = route
  const sockets: Array<Net.Socket> = [socket]
  const abort = () => {
    for (const each of sockets) each.destroy()
  }
  signal?.addEventListener("abort", abort, { once: true })
  try {
    let current = socket
    if (typeof route.security === "function") onStep("the effect of the option tls")
    const security =
      typeof route.security === "function" ? await route.security(signal) : route.security
    if (proxy !== undefined) {
      if (proxy.secure) {
        onStep(`the TLS handshake with ${proxyName(proxy)}`)
        sockets.push((current = await secure(current, proxy.host, security, undefined)))
      }
      onStep(`${proxyName(proxy)} to open a tunnel (CONNECT)`)
      await tunnel(current, endpoint, proxy)
    }
    if (endpoint.secure) {
      onStep(`the TLS handshake with ${authorityOf(endpoint)}`)
      const host = security?.serverName ?? endpoint.host
      sockets.push((current = await secure(current, host, security, route.protocol)))
    }
    return current
  } catch (error) {
    abort()
    throw toFailure(error)
  } finally {
    signal?.removeEventListener("abort", abort)
  }
}

/** Connects to the endpoint. */
export const connect = (route: Route, signal?: AbortSignal): Promise<Net.Socket> =>
  new Promise<Net.Socket>((resolve, reject) => {
    const socket = Net.connect(firstHop(route))
    const abort = () => {
      socket.destroy()
    }
    signal?.addEventListener("abort", abort, { once: true })
    const failed = (error: Error) => {
      const { code, message, tls } = toFailure(error)
      reject(new ConnectFailure({ message: unreachedHop(route.proxy, message), code, tls }))
    }
    socket.once("error", failed)
    socket.once("close", () => failed(new Error("the connection was closed")))
    socket.once("connect", () => {
      socket.removeListener("error", failed)
      signal?.removeEventListener("abort", abort)
      complete(route, socket, signal).then(resolve, reject)
    })
  })

/**
 * The latest TLS session with the endpoint under these settings. The next connection resumes it,
 * which saves both sides most of a handshake.
 */
const tlsSessions = new WeakMap<Security, Buffer>()

/**
 * Starts TLS on a socket. With the endpoint, which has a protocol, it resumes the latest TLS
 * session.
 */
const secure = (
  socket: Net.Socket,
  host: string,
  security: Security | undefined,
  protocol: Route["protocol"] | undefined
): Promise<Tls.TLSSocket> =>
  new Promise((resolve, reject) => {
    const resumed = protocol === undefined ? undefined : security
    const session = resumed && tlsSessions.get(resumed)
    const tlsSocket = Tls.connect({
      socket,
      host,
      // Set explicitly, since an environment variable of Node could otherwise disable the check.
      rejectUnauthorized: true,
      // An IP address is not a valid server name, but the certificate is still checked against it.
      ...(Net.isIP(host) === 0 ? { servername: host } : {}),
      ...(security === undefined ? {} : { secureContext: security.context }),
      ...(protocol === undefined ? {} : { ALPNProtocols: [protocol] }),
      ...(session === undefined ? {} : { session })
    })
    if (resumed !== undefined) {
      // Tickets arrive after the handshake, and later ones replace earlier ones.
      tlsSocket.on("session", (ticket) => void tlsSessions.set(resumed, ticket))
      // The session may be what the server refuses, so it is not used again.
      tlsSocket.once("error", () => tlsSessions.delete(resumed))
    }
    tlsSocket.once("error", reject)
    tlsSocket.once("close", () =>
      reject(
        new ConnectFailure({
          message: "the connection ended during the TLS handshake",
          code: "ECONNRESET",
          tls: false
        })
      )
    )
    tlsSocket.once("secureConnect", () => {
      if (protocol === "h2" && tlsSocket.alpnProtocol !== "h2") {
        return reject(
          new ConnectFailure({
            message: "the server does not speak HTTP/2 (ALPN h2)",
            code: "ERR_TLS_ALPN",
            tls: true
          })
        )
      }
      tlsSocket.removeListener("error", reject)
      resolve(tlsSocket)
    })
  })

/** The longest response to CONNECT that is read, in bytes. */
const LONGEST_ANSWER = 16 * 1024

/** Requests a tunnel from the proxy and reads its response, without consuming a byte after it. */
const tunnel = (socket: Net.Socket, endpoint: Endpoint, proxy: Proxy): Promise<void> =>
  new Promise((resolve, reject) => {
    const authority = authorityOf(endpoint)
    const where = proxyName(proxy)
    let answer = Buffer.alloc(0)
    const refuse = (message: string, code: string) =>
      done(() => reject(new ConnectFailure({ message, code, tls: false })))
    const done = (then: () => void) => {
      socket.removeListener("readable", read)
      socket.removeListener("error", failed)
      socket.removeListener("close", closed)
      then()
    }
    const failed = (error: Error) => done(() => reject(error))
    const closed = () => refuse(`${where} closed the connection before it answered`, "ECONNRESET")
    const read = () => {
      for (let part: Buffer | null = socket.read(); part !== null; part = socket.read()) {
        answer = Buffer.concat([answer, part])
        const end = answer.indexOf("\r\n\r\n")
        if (end < 0) {
          if (answer.length > LONGEST_ANSWER)
            return refuse(`${where} sent an answer that is not HTTP`, "PROXY_ANSWER")
          continue
        }
        const status = /^HTTP\/1\.[01] (\d{3})/.exec(answer.toString("latin1"))?.[1]
        if (status === undefined)
          return refuse(`${where} sent an answer that is not HTTP`, "PROXY_ANSWER")
        if (status === "407")
          return refuse(`${where} requires credentials (407); add them to its URL`, "PROXY_407")
        if (status[0] !== "2")
          return refuse(`${where} refused the tunnel with ${status}`, `PROXY_${status}`)
        const rest = answer.subarray(end + 4)
        return done(() => {
          if (rest.length > 0) socket.unshift(rest)
          resolve()
        })
      }
      return undefined
    }
    socket.on("readable", read)
    socket.once("error", failed)
    socket.once("close", closed)
    const credentials =
      proxy.authorization === undefined
        ? ""
        : `proxy-authorization: ${Redacted.value(proxy.authorization)}\r\n`
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${credentials}\r\n`)
  })
