/**
 * Copies messages of a Kafka topic into a Delta table with a consumer group. Offsets are committed
 * once their messages are durable in the table.
 *
 * Delivery is at least once. Every message reaches the table, and first copies are in the order of
 * their partition. After a kill or a rebalance, the messages after the committed offset are sent
 * again, about one second of them. `kafka_partition` and `kafka_offset` identify a message, so that
 * readers can drop duplicates. Start at most one process per partition.
 *
 * ```sh
 * npx effect-zerobus local --table 'main.default.events(kafka_partition INT, kafka_offset BIGINT,
 *   event_key STRING, event STRING, published_at TIMESTAMP, ingested_at TIMESTAMP)'
 * KAFKA_BROKERS=localhost:9092 KAFKA_TOPIC=events KAFKA_GROUP=to-delta \
 *   node examples/bridges/kafka.ts
 * ```
 */
import { NodeRuntime } from "@effect/platform-node"
import {
  Consumer,
  type Message,
  type MessageConsumerMetadata,
  stringDeserializers
} from "@platformatic/kafka"
import { Config, Data, DateTime, Effect, Schedule, Stream } from "effect"
import { Column, Table, Zerobus, ZerobusLayer } from "effect-zerobus"

const Events = Table.make("main.default.events", {
  kafka_partition: Column.Int,
  kafka_offset: Column.BigInt,
  event_key: Column.nullable(Column.String),
  event: Column.nullable(Column.String),
  published_at: Column.Timestamp,
  ingested_at: Column.Timestamp
})

type Event = Message<string, string, string, string>

const toRecord = ({ key, offset, partition, timestamp, value }: Event): typeof Events.Type => ({
  kafka_partition: partition,
  kafka_offset: offset,
  event_key: key ?? null,
  event: value ?? null,
  published_at: DateTime.makeUnsafe(Number(timestamp)),
  ingested_at: DateTime.nowUnsafe()
})

class KafkaError extends Data.TaggedError("KafkaError")<{ readonly cause: unknown }> {}

const kafka = <A>(run: () => Promise<A>) =>
  Effect.tryPromise({ try: run, catch: (cause) => new KafkaError({ cause }) })

/** A member of the group. It leaves the group when the scope closes. */
const joinGroup = Effect.gen(function* () {
  const brokers = yield* Config.String("KAFKA_BROKERS")
  const groupId = yield* Config.String("KAFKA_GROUP")
  const timing = { sessionTimeout: 10_000, rebalanceTimeout: 20_000, heartbeatInterval: 1_000 }
  return yield* Effect.acquireRelease(
    Effect.sync(() => {
      const options = {
        clientId: "zerobus-bridge",
        bootstrapBrokers: brokers.split(","),
        groupId,
        ...timing
      }
      return new Consumer({ ...options, deserializers: stringDeserializers })
    }),
    (consumer) => Effect.ignore(kafka(() => consumer.close(true)))
  )
})

/** The group generation in which a message was read. */
const generationOf = ({ metadata }: Event): number =>
  (metadata["consumer"] as MessageConsumerMetadata).generationId

const program = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  const topic = yield* Config.String("KAFKA_TOPIC")
  const consumer = yield* joinGroup
  // Waits out an outage of the server: Kafka keeps the messages.
  const patient = {
    recoverySchedule: Schedule.spaced("2 seconds"),
    flushTimeout: "1 hour"
  } as const
  const stream = yield* zerobus.createStream(Events, patient)
  /** The last message of each partition that is in the stream and not committed. */
  const taken = new Map<number, Event>()

  // Messages ingested before the flush are durable after it, so everything up to these messages may
  // be committed.
  const commit = Effect.gen(function* () {
    const last = [...taken.values()]
    if (last.length === 0) return
    yield* stream.flush
    // The partition of an earlier generation's message may belong to another member now, which
    // commits for itself. The consumer reads again from the committed offsets after each rebalance,
    // so messages omitted here are read again.
    const offsets = last
      .filter((message) => generationOf(message) === consumer.generationId)
      .map(({ leaderEpoch, offset, partition }) => ({
        topic,
        partition,
        offset: offset + 1n,
        leaderEpoch
      }))
    if (offsets.length > 0) yield* kafka(() => consumer.commit({ offsets }))
    for (const message of last)
      if (taken.get(message.partition) === message) taken.delete(message.partition)
  })
  // Runs before the stream closes and the member leaves its group.
  yield* Effect.addFinalizer(() => Effect.ignore(commit))

  const messages = yield* kafka(() =>
    consumer.consume({
      topics: [topic],
      mode: "committed",
      fallbackMode: "earliest",
      autocommit: false
    })
  )
  const ingesting = Stream.fromAsyncIterable(messages, (cause) => new KafkaError({ cause })).pipe(
    Stream.runForEach((message) =>
      Effect.map(stream.ingestRecord(toRecord(message)), () =>
        taken.set(message.partition, message)
      )
    )
  )
  const committing = commit.pipe(
    Effect.catchTag("KafkaError", (error) =>
      Effect.logWarning("offsets were not committed; trying again", error)
    ),
    Effect.repeat(Schedule.spaced("1 second"))
  )
  yield* Effect.raceFirst(ingesting, committing)
})

program.pipe(Effect.scoped, Effect.provide(ZerobusLayer), NodeRuntime.runMain)
