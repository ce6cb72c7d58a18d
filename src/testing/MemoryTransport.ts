/**
 * A transport without sockets: the client's calls reach a server in the same process, over a
 * scripted network.
 *
 * `ZerobusVirtual` and the client's own tests use it. It is not public: a server behind it
 * exchanges encoded messages, whose encoders are internal.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { type Latency, makeSampler } from "../local/faults/latency.ts"
import { timersOfProgram } from "../local/timers.ts"
import { type Rpc, Transport, type TransportCall, TransportFailure } from "../Transport.ts"

/** A gRPC status other than OK. */
export interface MemoryStatus {
  readonly code: number
  readonly message: string
  readonly details?: Uint8Array | undefined
}

/** The client's end of a call, as used by the server. */
export interface MemoryPeer {
  readonly write: (response: Uint8Array) => void
  /** Ends the call: with OK, or with a status. */
  readonly finish: (status: MemoryStatus | undefined) => void
  /** Breaks the connection: nothing more arrives in either direction. */
  readonly cut: (message?: string) => void
  /** Stops and resumes the delivery of requests. While stopped, the client's transport fills up. */
  readonly pause: () => void
  readonly resume: () => void
}

/** The server's end of a call. */
export interface MemoryCall {
  readonly receive: (request: Uint8Array) => void
  readonly halfClosed: () => void
  /** The client cancelled the call. */
  readonly cancelled: () => void
}

/** Accepts calls. The returned object handles the client's messages. */
export type MemoryServer = (
  headers: Readonly<Record<string, string>>,
  peer: MemoryPeer,
  rpc?: Rpc
) => MemoryCall

/**
 * Delivers messages. Deliveries in one direction of a call arrive in order, whatever the network
 * does.
 */
export interface MemoryNetwork {
  /** Runs `arrive` later, or never (a black hole). `call` numbers the calls from 0. */
  readonly carry: (direction: "up" | "down", call: number, arrive: () => void) => void
  /** Requests in flight before the transport is full. Default 16. */
  readonly window?: number | undefined
}

/** A network that delivers in the next turn of the event loop. */
export const immediate: MemoryNetwork = {
  carry: (_, __, arrive) => {
    setImmediate(arrive)
  }
}

/**
 * A network that delays deliveries by a latency distribution, on the clock of the creating program.
 * The same seed (default 1) gives the n-th delivery of a call the same latency in every run.
 */
export const seeded = (options: {
  readonly latency: Latency
  readonly seed?: number | undefined
  readonly window?: number | undefined
}): Effect.Effect<MemoryNetwork> =>
  Effect.map(timersOfProgram, ({ after }) => {
    const samplers = new Map<number, () => number>()
    return {
      window: options.window,
      carry: (direction, call, arrive) => {
        const lane = call * 2 + (direction === "up" ? 0 : 1)
        const sample = samplers.get(lane) ?? makeSampler(options.latency, options.seed ?? 1, lane)
        samplers.set(lane, sample)
        const wait = sample()
        if (wait > 0) after(wait, arrive)
        else queueMicrotask(arrive)
      }
    }
  })

/** A transport to the server over the network. */
export const layer = (
  server: MemoryServer,
  network: MemoryNetwork = immediate
): Layer.Layer<Transport> =>
  Layer.sync(Transport, () => {
    let calls = 0
    return {
      open: (headers, rpc = "EphemeralStream") => openCall(server, network, calls++, headers, rpc)
    }
  })

/** One direction of a call. Deliveries stay in order, even when the network reorders them. */
const makePipe = (network: MemoryNetwork, direction: "up" | "down", call: number) => {
  const waiting: Array<() => void> = []
  let arrived = 0
  let stopped = false
  const drain = () => {
    while (!stopped && arrived > 0 && waiting.length > 0) {
      arrived--
      waiting.shift()!()
    }
  }
  return {
    push: (deliver: () => void) => {
      waiting.push(deliver)
      network.carry(direction, call, () => {
        arrived++
        drain()
      })
    },
    stop: () => {
      stopped = true
    },
    go: () => {
      stopped = false
      drain()
    },
    clear: () => {
      waiting.length = 0
      arrived = 0
    }
  }
}

const openCall = Effect.fnUntraced(function* (
  server: MemoryServer,
  network: MemoryNetwork,
  call: number,
  headers: Readonly<Record<string, string>>,
  rpc: Rpc
) {
  const window = network.window ?? 16
  const responses = yield* Queue.unbounded<Uint8Array, TransportFailure | Cause.Done>()
  const writable = Latch.makeUnsafe(true)
  const up = makePipe(network, "up", call)
  const down = makePipe(network, "down", call)
  let underWay = 0
  let sent = 0
  let onSent: (() => void) | undefined
  let onResponse: ((response: Uint8Array) => void) | undefined
  let onEnd: ((failure: TransportFailure | undefined) => void) | undefined
  let ended: { readonly failure: TransportFailure | undefined } | undefined
  let over = false
  const finish = (failure: TransportFailure | undefined) => {
    if (over) return
    over = true
    ended = { failure }
    up.clear()
    if (failure === undefined) Queue.endUnsafe(responses)
    else Queue.failCauseUnsafe(responses, Cause.fail(failure))
    // Called first, so that callers that wait to send see the end of the call.
    onEnd?.(failure)
    writable.openUnsafe()
  }
  const peer: MemoryPeer = {
    write: (response) => {
      const copy = new Uint8Array(response)
      down.push(() => {
        if (over) return
        if (onResponse === undefined) Queue.offerUnsafe(responses, copy)
        else onResponse(copy)
      })
    },
    finish: (status) => {
      down.push(() => finish(status === undefined ? undefined : TransportFailure.Status(status)))
    },
    cut: (message = "connection reset") => {
      down.clear()
      finish(TransportFailure.Disconnected({ message }))
    },
    pause: up.stop,
    resume: up.go
  }
  const remote = server(headers, peer, rpc)
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      onSent = onResponse = onEnd = undefined
      const wasOver = over
      over = true
      up.clear()
      Queue.shutdownUnsafe(responses)
      if (!wasOver) remote.cancelled()
    })
  )
  const opened: TransportCall = {
    sendUnsafe: (request) => {
      if (over) return true
      // Copied now, as gRPC does: the client may rewrite the same bytes for its next session.
      // `Buffer.slice` would not copy.
      const copy = new Uint8Array(request)
      underWay++
      up.push(() => {
        underWay--
        sent++
        onSent?.()
        if (underWay < window) writable.openUnsafe()
        if (!over) remote.receive(copy)
      })
      if (underWay < window) return true
      writable.closeUnsafe()
      return false
    },
    writable: writable.await,
    sentUnsafe: () => sent,
    onSentUnsafe: (listener) => {
      onSent = listener
    },
    halfClose: Effect.sync(() => {
      up.push(() => {
        if (!over) remote.halfClosed()
      })
    }),
    onResponseUnsafe: (listener) => {
      for (
        let next = Queue.takeUnsafe(responses);
        next?._tag === "Success";
        next = Queue.takeUnsafe(responses)
      ) {
        listener(next.value)
      }
      onResponse = listener
    },
    onEndUnsafe: (listener) => {
      onEnd = listener
      if (ended !== undefined) listener(ended.failure)
    },
    responses: Queue.asDequeue(responses)
  }
  return opened
})
