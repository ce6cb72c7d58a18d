/**
 * Pings on a virtual clock: when they are sent, how soon a dead connection is detected, and the
 * effect of a server that refuses them.
 */
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { constants, type ClientHttp2Session } from "node:http2"
import { vi } from "vitest"
import { ConnectionPings, PingPolicy } from "../../../src/internal/grpc/grpcPings.ts"

const SECOND = 1000
const MINUTE = 60 * SECOND
const times = { interval: 20 * SECOND, timeout: 10 * SECOND, idleInterval: 5 * MINUTE }

/**
 * A session whose server answers pings until `dead`. `pings` are the times at which they arrived.
 */
const fakeSession = () => {
  const session = {
    dead: false,
    destroyed: false,
    destroyedAt: Number.NaN,
    pings: [] as Array<number>,
    socket: { bytesRead: 1 },
    goaway: undefined as ((code: number) => void) | undefined,
    once: (_: string, listener: (code: number) => void) => (session.goaway = listener),
    destroy: () => {
      session.destroyed = true
      session.destroyedAt = Date.now()
    },
    ping: (answered: () => void) => {
      session.pings.push(Date.now())
      if (!session.dead) {
        session.socket.bytesRead += 17
        answered()
      }
      return true
    }
  }
  return session
}

type FakeSession = ReturnType<typeof fakeSession>

const addCall = (pings: ConnectionPings, session: FakeSession, isInFlight: () => boolean) =>
  pings.add({
    // As with Node's streams, a call that ended with its session has no session any more.
    session: () => (session.destroyed ? undefined : (session as unknown as ClientHttp2Session)),
    isInFlight
  })

const watch = (
  session: FakeSession,
  isInFlight: () => boolean,
  policy = new PingPolicy(times, () => {})
) => {
  const { end, failure } = addCall(new ConnectionPings(policy), session, isInFlight)
  return { failure, stop: end }
}

beforeEach(() => void vi.useFakeTimers({ now: 0, toFake: ["setTimeout", "clearTimeout", "Date"] }))
afterEach(() => void vi.useRealTimers())

describe("pings of an idle stream", () => {
  it("keep the rule of default servers: never two within five minutes without data", () => {
    const session = fakeSession()
    watch(session, () => false)
    vi.advanceTimersByTime(15 * MINUTE)
    assert.isAtLeast(session.pings.length, 2)
    session.pings.slice(1).forEach((at, n) => assert.isAbove(at - session.pings[n]!, 5 * MINUTE))
  })

  it("find a dead connection within the idle interval, a tick and the timeout", () => {
    const session = fakeSession()
    const { failure } = watch(session, () => false)
    session.dead = true
    vi.advanceTimersByTime(6 * MINUTE)
    assert.isTrue(session.destroyed)
    assert.isAtMost(session.destroyedAt, times.idleInterval + times.interval + times.timeout)
    assert.match(failure()!.message, /did not answer a ping within 10 s/)
  })

  it("end with the last call of the connection", () => {
    const session = fakeSession()
    const { stop } = watch(session, () => true)
    stop()
    vi.advanceTimersByTime(60 * MINUTE)
    assert.deepStrictEqual(session.pings, [])
    assert.strictEqual(vi.getTimerCount(), 0)
  })
})

describe("pings of a stream with records in flight", () => {
  it("find a dead connection within interval + timeout, whenever the last byte came", () => {
    for (let last = 0; last < 60 * SECOND; last += 500) {
      vi.setSystemTime(0)
      const session = fakeSession()
      const { stop } = watch(session, () => true)
      vi.advanceTimersByTime(last)
      session.socket.bytesRead++
      session.dead = true
      vi.advanceTimersByTime(times.interval + times.timeout)
      assert.isTrue(session.destroyed, `last byte after ${last} ms`)
      stop()
    }
  })

  it("start as soon as an idle stream sends", () => {
    const session = fakeSession()
    let inFlight = false
    watch(session, () => inFlight)
    vi.advanceTimersByTime(100 * SECOND + 1)
    assert.deepStrictEqual(session.pings, [])
    inFlight = true
    session.dead = true
    vi.advanceTimersByTime(times.interval + times.timeout)
    assert.isTrue(session.destroyed)
  })

  it("are not sent while the server sends anything else", () => {
    const session = fakeSession()
    watch(session, () => true)
    for (let second = 0; second < 600; second += 5) {
      session.socket.bytesRead += 10
      vi.advanceTimersByTime(5 * SECOND)
    }
    assert.deepStrictEqual(session.pings, [])
  })

  it("come no faster than the interval from a silent server that answers them", () => {
    const session = fakeSession()
    watch(session, () => true)
    vi.advanceTimersByTime(10 * MINUTE)
    assert.isAtLeast(session.pings.length, 20)
    session.pings
      .slice(1)
      .forEach((at, n) => assert.isAtLeast(at - session.pings[n]!, times.interval))
  })
})

describe("pings of calls that share a connection with two sessions", () => {
  const shared = () => {
    const pings = new ConnectionPings(new PingPolicy(times, () => {}))
    const [draining, current] = [fakeSession(), fakeSession()]
    const add = (session: FakeSession) => addCall(pings, session, () => true)
    return { draining, current, add, ended: add(draining), open: add(current) }
  }

  it("reach both sessions, each at the interval", () => {
    const { current, draining } = shared()
    vi.advanceTimersByTime(10 * MINUTE)
    for (const { pings } of [draining, current]) {
      assert.isAtLeast(pings.length, 20)
      pings.slice(1).forEach((at, n) => assert.isAtLeast(at - pings[n]!, times.interval))
    }
  })

  it("go on for the current session when the draining one is destroyed", () => {
    const { current, draining, open } = shared()
    vi.advanceTimersByTime(MINUTE)
    draining.destroy()
    current.dead = true
    vi.advanceTimersByTime(times.interval + times.timeout)
    assert.isTrue(current.destroyed)
    assert.match(open.failure()!.message, /did not answer a ping/)
  })

  it("end the dead session alone, and fail its calls alone, those of this tick included", () => {
    const { add, current, draining, ended, open } = shared()
    vi.advanceTimersByTime(MINUTE)
    draining.dead = true
    let late: ReturnType<typeof add> | undefined
    while (!draining.destroyed && Date.now() < 2 * MINUTE) {
      late?.end()
      late = add(draining)
      vi.advanceTimersByTime(1)
    }
    assert.match(ended.failure()!.message, /did not answer a ping/)
    assert.strictEqual(late!.failure(), ended.failure())
    assert.isFalse(current.destroyed)
    assert.isUndefined(open.failure())
    assert.isUndefined(add(current).failure())
  })

  it("are refused for the calls of one session, not of the other", () => {
    const { current, ended, open } = shared()
    vi.advanceTimersByTime(MINUTE)
    current.goaway!(constants.NGHTTP2_ENHANCE_YOUR_CALM)
    assert.match(open.failure()!.message, /refused pings/)
    assert.isUndefined(ended.failure())
  })
})

describe("intervals beyond the longest delay of a timer", () => {
  const pingsOf = (policy: PingPolicy) => {
    const session = fakeSession()
    const { stop } = watch(session, () => true, policy)
    vi.advanceTimersByTime(1000)
    stop()
    return session.pings
  }

  it("send no burst of pings", () => {
    for (const interval of [2 ** 32, Infinity]) {
      assert.deepStrictEqual(
        pingsOf(new PingPolicy({ ...times, interval, idleInterval: interval }, () => {})),
        []
      )
    }
  })

  it("do not make a ping count as unanswered at once", () => {
    const session = fakeSession()
    session.dead = true
    watch(session, () => true, new PingPolicy({ ...times, timeout: 2 ** 32 }, () => {}))
    vi.advanceTimersByTime(10 * MINUTE)
    assert.lengthOf(session.pings, 1)
    assert.isFalse(session.destroyed)
  })

  it("double their interval with each refusal up to one hour, and never shorten it", () => {
    for (const [interval, slowest] of [
      [20 * SECOND, 60 * MINUTE],
      [90 * MINUTE, 90 * MINUTE]
    ] as const) {
      const policy = new PingPolicy({ ...times, interval }, () => {})
      for (let refusals = 0; refusals < 40; refusals++) policy.slowDown()
      assert.strictEqual(policy.interval, slowest)
      assert.deepStrictEqual(pingsOf(policy), [])
    }
  })
})

describe("a server that refuses pings", () => {
  it("doubles the interval for later connections too, and is reported once", () => {
    const reported: Array<number> = []
    const policy = new PingPolicy(times, (interval) => void reported.push(interval))
    for (const expected of [40, 80, 160]) {
      const session = fakeSession()
      const { failure, stop } = watch(session, () => true, policy)
      vi.advanceTimersByTime(policy.interval * 2)
      session.goaway!(constants.NGHTTP2_ENHANCE_YOUR_CALM)
      assert.strictEqual(policy.interval, expected * SECOND)
      assert.match(failure()!.message, /refused pings/)
      stop()
    }
    assert.deepStrictEqual(reported, [40 * SECOND])
  })

  it("is distinguished from one that goes away for another reason", () => {
    const session = fakeSession()
    const policy = new PingPolicy(times, () => assert.fail("no ping was refused"))
    const { failure } = watch(session, () => true, policy)
    vi.advanceTimersByTime(MINUTE)
    session.goaway!(constants.NGHTTP2_NO_ERROR)
    assert.strictEqual(policy.interval, times.interval)
    assert.isUndefined(failure())
  })
})
