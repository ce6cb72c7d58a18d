/**
 * The topic of a test: numbered messages, the consumer group that reads them, and its committed
 * offsets.
 */
import { Admin, Producer, stringSerializers } from "@platformatic/kafka"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

const [topic, group] = ["events", "to-delta"]

/** The variables that point a bridge to the topic. */
export const topicVariables = (broker: string) => ({
  KAFKA_BROKERS: broker,
  KAFKA_TOPIC: topic,
  KAFKA_GROUP: group
})

/** The number of partitions of the topic. */
export const partitions = 6

const client = (broker: string) => ({ clientId: "test", bootstrapBrokers: [broker] })

/** Creates a topic on a broker, with its producer and its group. */
export const makeTopic = Effect.fn(function* (broker: string) {
  const admin = yield* Effect.acquireRelease(
    Effect.sync(() => new Admin(client(broker))),
    (opened) => Effect.promise(() => opened.close())
  )
  const producer = yield* Effect.acquireRelease(
    Effect.sync(() => new Producer({ ...client(broker), serializers: stringSerializers })),
    (opened) => Effect.promise(() => opened.close())
  )
  yield* Effect.promise(() => admin.createTopics({ topics: [topic], partitions, replicas: 1 }))
  /** The next number of each partition. With a single producer, it is the offset of its message. */
  const next = Array.from({ length: partitions }, () => 0)

  /** Sends messages to partitions at random. */
  const send = (count: number, random: () => number) =>
    Effect.promise(() => {
      const messages = Array.from({ length: count }, () => {
        const partition = Math.floor(random() * partitions)
        return {
          topic,
          partition,
          key: `key-${partition}`,
          value: `${partition}:${next[partition]!++}`
        }
      })
      return producer.send({ messages })
    })

  /** The committed offset of each partition; 0 where nothing is committed. */
  const committed = Effect.promise(async () => {
    const [found] = await admin.listConsumerGroupOffsets({ groups: [group] })
    const offsets = Array.from({ length: partitions }, () => 0)
    for (const { committedOffset, partitionIndex } of found?.topics[0]?.partitions ?? [])
      offsets[partitionIndex] = Math.max(0, Number(committedOffset))
    return offsets
  })

  /** Waits until everything sent so far is committed. */
  const caughtUp = Effect.suspend(() => {
    const ends = [...next]
    return Effect.repeat(committed, {
      schedule: Schedule.spaced("200 millis"),
      until: (offsets) => offsets.every((offset, partition) => offset >= ends[partition]!)
    })
  })

  /** Waits until the group has `count` members and each has its partitions. */
  const members = (count: number) =>
    Effect.repeat(
      Effect.promise(() => admin.describeGroups({ groups: [group] })),
      {
        schedule: Schedule.spaced("200 millis"),
        until: (groups) =>
          groups.get(group)?.state.toUpperCase() === "STABLE" &&
          groups.get(group)?.members.size === count
      }
    )

  return { next, send, committed, caughtUp, members }
})
