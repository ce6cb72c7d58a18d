/**
 * The processes of the benchmark, as the parent uses them: the sink, and one process per client and
 * case. Each answers every message with one message.
 */
import { type ChildProcess, fork } from "node:child_process"
import type { ClientSpec } from "./clients/client.ts"
import type { ClientOrder, Opened } from "./runner.ts"
import type { SinkOrder, SinkReport } from "./sink.ts"

/** The maximum duration of any single step, in milliseconds. */
const STEP_LIMIT = 300_000

/** Forks a module of the sources; it answers with messages. */
export const start = (
  file: URL,
  args: ReadonlyArray<string>,
  flags: ReadonlyArray<string> = []
): ChildProcess =>
  fork(file, args, {
    execArgv: ["--conditions=effect-zerobus-source", "--expose-gc", "--no-warnings", ...flags],
    serialization: "advanced"
  })

/** The next message of the process. Fails if it is an error, or if the process ends. */
export const nextMessage = <A>(child: ChildProcess, what: string): Promise<A> =>
  new Promise((resolve, reject) => {
    const settle = (then: () => void) => {
      clearTimeout(timer)
      child.off("exit", ended)
      child.off("message", received)
      then()
    }
    const ended = (code: number | null, signal: string | null) =>
      settle(() => reject(new Error(`${what} ended early (${signal ?? `exit code ${code}`}).`)))
    const received = (value: unknown) =>
      settle(() => {
        const failed = value as { readonly error?: string }
        if (failed?.error !== undefined) reject(new Error(`${what}: ${failed.error}`))
        else resolve(value as A)
      })
    const timer = setTimeout(
      () => settle(() => reject(new Error(`${what} did not answer within ${STEP_LIMIT} ms.`))),
      STEP_LIMIT
    )
    child.on("exit", ended)
    child.on("message", received)
  })

/** Ends the process, which exits when its parent disconnects. */
export const stop = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    const timer = setTimeout(() => child.kill("SIGKILL"), 3000)
    child.once("exit", () => {
      clearTimeout(timer)
      resolve()
    })
    if (child.connected) child.disconnect()
  })

/** The running sink. */
export interface Sink {
  readonly port: number
  readonly securePort: number | undefined
  readonly order: (order: SinkOrder) => Promise<SinkReport>
  readonly stop: () => Promise<void>
}

/**
 * Starts the sink; with a key and certificate (PEM) it also listens on a TLS port. A connection may
 * have up to `calls` calls; `port` is a free one by default.
 */
export const startSink = async (
  tls?: { readonly key: string; readonly cert: string },
  { calls = 10_000, port: wanted = 0 }: { readonly calls?: number; readonly port?: number } = {}
): Promise<Sink> => {
  const args = tls === undefined ? [] : [tls.key, tls.cert]
  const child = start(new URL("./sink.ts", import.meta.url), [
    String(calls),
    String(wanted),
    ...args
  ])
  const { port, securePort } = await nextMessage<SinkReport>(child, "The sink")
  return {
    port,
    securePort,
    order: (order) => {
      const answer = nextMessage<SinkReport>(child, "The sink")
      child.send(order)
      return answer
    },
    stop: () => stop(child)
  }
}

/** A running client. */
export interface ClientProcess {
  readonly opened: Opened
  readonly ask: <A>(order: ClientOrder) => Promise<A>
  readonly stop: () => Promise<void>
}

/** The module that a client's process runs, from this checkout. */
const runner = new URL("./runner.ts", import.meta.url)

/**
 * Starts one client in a separate process and waits until its streams are open. `flags` are passed
 * to Node; `module` is the `runner.ts` of another checkout.
 */
export const startClient = async (
  spec: ClientSpec,
  flags?: ReadonlyArray<string>,
  module: URL = runner
): Promise<ClientProcess> => {
  const child = start(module, [JSON.stringify(spec)], flags)
  const what = `The client ${spec.client} (${spec.api}, ${spec.size} B)`
  let opened: Opened
  try {
    opened = await nextMessage<Opened>(child, what)
  } catch (error) {
    await stop(child)
    throw error
  }
  return {
    opened,
    ask: <A>(order: ClientOrder) => {
      const answer = nextMessage<A>(child, what)
      child.send(order)
      return answer
    },
    stop: () => stop(child)
  }
}
