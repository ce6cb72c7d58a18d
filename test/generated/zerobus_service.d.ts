// Generated from proto/zerobus_service.proto by scripts/generate-proto.mjs. Do not edit.
import * as $protobuf from "protobufjs/minimal.js";

/** Namespace databricks. */
export namespace databricks {

    /** Namespace zerobus. */
    namespace zerobus {

        /** RecordType enum. */
        enum RecordType {

            /** RECORD_TYPE_UNSPECIFIED value */
            RECORD_TYPE_UNSPECIFIED = 0,

            /** PROTO value */
            PROTO = 1,

            /** JSON value */
            JSON = 2,

            /** AVRO value */
            AVRO = 4
        }

        /**
         * Properties of a CreateIngestStreamRequest.
         * @deprecated Use databricks.zerobus.CreateIngestStreamRequest.$Properties instead.
         */
        interface ICreateIngestStreamRequest extends databricks.zerobus.CreateIngestStreamRequest.$Properties {
        }

        /** Represents a CreateIngestStreamRequest. */
        class CreateIngestStreamRequest {

            /**
             * Constructs a new CreateIngestStreamRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.CreateIngestStreamRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** CreateIngestStreamRequest tableName. */
            tableName: string;

            /** CreateIngestStreamRequest descriptorProto. */
            descriptorProto: Uint8Array;

            /** CreateIngestStreamRequest recordType. */
            recordType: databricks.zerobus.RecordType;

            /** CreateIngestStreamRequest avroSchemaJson. */
            avroSchemaJson: string;

            /**
             * Creates a new CreateIngestStreamRequest instance using the specified properties.
             * @param [properties] Properties to set
             * @returns CreateIngestStreamRequest instance
             */
            static create(properties: databricks.zerobus.CreateIngestStreamRequest.$Shape): databricks.zerobus.CreateIngestStreamRequest & databricks.zerobus.CreateIngestStreamRequest.$Shape;
            static create(properties?: databricks.zerobus.CreateIngestStreamRequest.$Properties): databricks.zerobus.CreateIngestStreamRequest;

            /**
             * Encodes the specified CreateIngestStreamRequest message. Does not implicitly {@link databricks.zerobus.CreateIngestStreamRequest.verify|verify} messages.
             * @param message CreateIngestStreamRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.CreateIngestStreamRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a CreateIngestStreamRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.CreateIngestStreamRequest & databricks.zerobus.CreateIngestStreamRequest.$Shape} CreateIngestStreamRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.CreateIngestStreamRequest & databricks.zerobus.CreateIngestStreamRequest.$Shape;
        }

        namespace CreateIngestStreamRequest {

            /** Properties of a CreateIngestStreamRequest. */
            interface $Properties {

                /** CreateIngestStreamRequest tableName */
                tableName?: (string|null);

                /** CreateIngestStreamRequest descriptorProto */
                descriptorProto?: (Uint8Array|null);

                /** CreateIngestStreamRequest recordType */
                recordType?: (databricks.zerobus.RecordType|null);

                /** CreateIngestStreamRequest avroSchemaJson */
                avroSchemaJson?: (string|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a CreateIngestStreamRequest. */
            type $Shape = databricks.zerobus.CreateIngestStreamRequest.$Properties;
        }

        /**
         * Properties of a CreateIngestStreamResponse.
         * @deprecated Use databricks.zerobus.CreateIngestStreamResponse.$Properties instead.
         */
        interface ICreateIngestStreamResponse extends databricks.zerobus.CreateIngestStreamResponse.$Properties {
        }

        /** Represents a CreateIngestStreamResponse. */
        class CreateIngestStreamResponse {

            /**
             * Constructs a new CreateIngestStreamResponse.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.CreateIngestStreamResponse.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** CreateIngestStreamResponse streamId. */
            streamId: string;

            /**
             * Creates a new CreateIngestStreamResponse instance using the specified properties.
             * @param [properties] Properties to set
             * @returns CreateIngestStreamResponse instance
             */
            static create(properties: databricks.zerobus.CreateIngestStreamResponse.$Shape): databricks.zerobus.CreateIngestStreamResponse & databricks.zerobus.CreateIngestStreamResponse.$Shape;
            static create(properties?: databricks.zerobus.CreateIngestStreamResponse.$Properties): databricks.zerobus.CreateIngestStreamResponse;

            /**
             * Encodes the specified CreateIngestStreamResponse message. Does not implicitly {@link databricks.zerobus.CreateIngestStreamResponse.verify|verify} messages.
             * @param message CreateIngestStreamResponse message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.CreateIngestStreamResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a CreateIngestStreamResponse message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.CreateIngestStreamResponse & databricks.zerobus.CreateIngestStreamResponse.$Shape} CreateIngestStreamResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.CreateIngestStreamResponse & databricks.zerobus.CreateIngestStreamResponse.$Shape;
        }

        namespace CreateIngestStreamResponse {

            /** Properties of a CreateIngestStreamResponse. */
            interface $Properties {

                /** CreateIngestStreamResponse streamId */
                streamId?: (string|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a CreateIngestStreamResponse. */
            type $Shape = databricks.zerobus.CreateIngestStreamResponse.$Properties;
        }

        /**
         * Properties of an IngestRecordRequest.
         * @deprecated Use databricks.zerobus.IngestRecordRequest.$Properties instead.
         */
        interface IIngestRecordRequest extends databricks.zerobus.IngestRecordRequest.$Properties {
        }

        /** Represents an IngestRecordRequest. */
        class IngestRecordRequest {

            /**
             * Constructs a new IngestRecordRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.IngestRecordRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** IngestRecordRequest offsetId. */
            offsetId: number;

            /** IngestRecordRequest protoEncodedRecord. */
            protoEncodedRecord?: (Uint8Array|null);

            /** IngestRecordRequest jsonRecord. */
            jsonRecord?: (string|null);

            /** IngestRecordRequest avroEncodedRecord. */
            avroEncodedRecord?: (Uint8Array|null);

            /** IngestRecordRequest record. */
            record?: ("protoEncodedRecord"|"jsonRecord"|"avroEncodedRecord");

            /**
             * Creates a new IngestRecordRequest instance using the specified properties.
             * @param [properties] Properties to set
             * @returns IngestRecordRequest instance
             */
            static create(properties: databricks.zerobus.IngestRecordRequest.$Shape): databricks.zerobus.IngestRecordRequest & databricks.zerobus.IngestRecordRequest.$Shape;
            static create(properties?: databricks.zerobus.IngestRecordRequest.$Properties): databricks.zerobus.IngestRecordRequest;

            /**
             * Encodes the specified IngestRecordRequest message. Does not implicitly {@link databricks.zerobus.IngestRecordRequest.verify|verify} messages.
             * @param message IngestRecordRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.IngestRecordRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an IngestRecordRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.IngestRecordRequest & databricks.zerobus.IngestRecordRequest.$Shape} IngestRecordRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.IngestRecordRequest & databricks.zerobus.IngestRecordRequest.$Shape;
        }

        namespace IngestRecordRequest {

            /** Properties of an IngestRecordRequest. */
            interface $Properties {

                /** IngestRecordRequest offsetId */
                offsetId?: (number|null);

                /** IngestRecordRequest protoEncodedRecord */
                protoEncodedRecord?: (Uint8Array|null);

                /** IngestRecordRequest jsonRecord */
                jsonRecord?: (string|null);

                /** IngestRecordRequest avroEncodedRecord */
                avroEncodedRecord?: (Uint8Array|null);

                /** IngestRecordRequest record */
                record?: ("protoEncodedRecord"|"jsonRecord"|"avroEncodedRecord");

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Narrowed shape of an IngestRecordRequest. */
            type $Shape = {
              offsetId?: number|null;
              protoEncodedRecord?: Uint8Array|null;
              jsonRecord?: string|null;
              avroEncodedRecord?: Uint8Array|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ record?: undefined; protoEncodedRecord?: null; jsonRecord?: null; avroEncodedRecord?: null }|{ record?: "protoEncodedRecord"; protoEncodedRecord: Uint8Array; jsonRecord?: null; avroEncodedRecord?: null }|{ record?: "jsonRecord"; protoEncodedRecord?: null; jsonRecord: string; avroEncodedRecord?: null }|{ record?: "avroEncodedRecord"; protoEncodedRecord?: null; jsonRecord?: null; avroEncodedRecord: Uint8Array })
            );
        }

        /**
         * Properties of a ProtoEncodedRecordBatch.
         * @deprecated Use databricks.zerobus.ProtoEncodedRecordBatch.$Properties instead.
         */
        interface IProtoEncodedRecordBatch extends databricks.zerobus.ProtoEncodedRecordBatch.$Properties {
        }

        /** Represents a ProtoEncodedRecordBatch. */
        class ProtoEncodedRecordBatch {

            /**
             * Constructs a new ProtoEncodedRecordBatch.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.ProtoEncodedRecordBatch.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** ProtoEncodedRecordBatch records. */
            records: Uint8Array[];

            /**
             * Creates a new ProtoEncodedRecordBatch instance using the specified properties.
             * @param [properties] Properties to set
             * @returns ProtoEncodedRecordBatch instance
             */
            static create(properties: databricks.zerobus.ProtoEncodedRecordBatch.$Shape): databricks.zerobus.ProtoEncodedRecordBatch & databricks.zerobus.ProtoEncodedRecordBatch.$Shape;
            static create(properties?: databricks.zerobus.ProtoEncodedRecordBatch.$Properties): databricks.zerobus.ProtoEncodedRecordBatch;

            /**
             * Encodes the specified ProtoEncodedRecordBatch message. Does not implicitly {@link databricks.zerobus.ProtoEncodedRecordBatch.verify|verify} messages.
             * @param message ProtoEncodedRecordBatch message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.ProtoEncodedRecordBatch.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a ProtoEncodedRecordBatch message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.ProtoEncodedRecordBatch & databricks.zerobus.ProtoEncodedRecordBatch.$Shape} ProtoEncodedRecordBatch
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.ProtoEncodedRecordBatch & databricks.zerobus.ProtoEncodedRecordBatch.$Shape;
        }

        namespace ProtoEncodedRecordBatch {

            /** Properties of a ProtoEncodedRecordBatch. */
            interface $Properties {

                /** ProtoEncodedRecordBatch records */
                records?: (Uint8Array[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a ProtoEncodedRecordBatch. */
            type $Shape = databricks.zerobus.ProtoEncodedRecordBatch.$Properties;
        }

        /**
         * Properties of a JsonRecordBatch.
         * @deprecated Use databricks.zerobus.JsonRecordBatch.$Properties instead.
         */
        interface IJsonRecordBatch extends databricks.zerobus.JsonRecordBatch.$Properties {
        }

        /** Represents a JsonRecordBatch. */
        class JsonRecordBatch {

            /**
             * Constructs a new JsonRecordBatch.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.JsonRecordBatch.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** JsonRecordBatch records. */
            records: string[];

            /**
             * Creates a new JsonRecordBatch instance using the specified properties.
             * @param [properties] Properties to set
             * @returns JsonRecordBatch instance
             */
            static create(properties: databricks.zerobus.JsonRecordBatch.$Shape): databricks.zerobus.JsonRecordBatch & databricks.zerobus.JsonRecordBatch.$Shape;
            static create(properties?: databricks.zerobus.JsonRecordBatch.$Properties): databricks.zerobus.JsonRecordBatch;

            /**
             * Encodes the specified JsonRecordBatch message. Does not implicitly {@link databricks.zerobus.JsonRecordBatch.verify|verify} messages.
             * @param message JsonRecordBatch message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.JsonRecordBatch.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a JsonRecordBatch message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.JsonRecordBatch & databricks.zerobus.JsonRecordBatch.$Shape} JsonRecordBatch
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.JsonRecordBatch & databricks.zerobus.JsonRecordBatch.$Shape;
        }

        namespace JsonRecordBatch {

            /** Properties of a JsonRecordBatch. */
            interface $Properties {

                /** JsonRecordBatch records */
                records?: (string[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a JsonRecordBatch. */
            type $Shape = databricks.zerobus.JsonRecordBatch.$Properties;
        }

        /**
         * Properties of an AvroRecordBatch.
         * @deprecated Use databricks.zerobus.AvroRecordBatch.$Properties instead.
         */
        interface IAvroRecordBatch extends databricks.zerobus.AvroRecordBatch.$Properties {
        }

        /** Represents an AvroRecordBatch. */
        class AvroRecordBatch {

            /**
             * Constructs a new AvroRecordBatch.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.AvroRecordBatch.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** AvroRecordBatch records. */
            records: Uint8Array[];

            /**
             * Creates a new AvroRecordBatch instance using the specified properties.
             * @param [properties] Properties to set
             * @returns AvroRecordBatch instance
             */
            static create(properties: databricks.zerobus.AvroRecordBatch.$Shape): databricks.zerobus.AvroRecordBatch & databricks.zerobus.AvroRecordBatch.$Shape;
            static create(properties?: databricks.zerobus.AvroRecordBatch.$Properties): databricks.zerobus.AvroRecordBatch;

            /**
             * Encodes the specified AvroRecordBatch message. Does not implicitly {@link databricks.zerobus.AvroRecordBatch.verify|verify} messages.
             * @param message AvroRecordBatch message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.AvroRecordBatch.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an AvroRecordBatch message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.AvroRecordBatch & databricks.zerobus.AvroRecordBatch.$Shape} AvroRecordBatch
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.AvroRecordBatch & databricks.zerobus.AvroRecordBatch.$Shape;
        }

        namespace AvroRecordBatch {

            /** Properties of an AvroRecordBatch. */
            interface $Properties {

                /** AvroRecordBatch records */
                records?: (Uint8Array[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an AvroRecordBatch. */
            type $Shape = databricks.zerobus.AvroRecordBatch.$Properties;
        }

        /**
         * Properties of an IngestRecordBatchRequest.
         * @deprecated Use databricks.zerobus.IngestRecordBatchRequest.$Properties instead.
         */
        interface IIngestRecordBatchRequest extends databricks.zerobus.IngestRecordBatchRequest.$Properties {
        }

        /** Represents an IngestRecordBatchRequest. */
        class IngestRecordBatchRequest {

            /**
             * Constructs a new IngestRecordBatchRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.IngestRecordBatchRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** IngestRecordBatchRequest offsetId. */
            offsetId: number;

            /** IngestRecordBatchRequest protoEncodedBatch. */
            protoEncodedBatch?: (databricks.zerobus.ProtoEncodedRecordBatch.$Properties|null);

            /** IngestRecordBatchRequest jsonBatch. */
            jsonBatch?: (databricks.zerobus.JsonRecordBatch.$Properties|null);

            /** IngestRecordBatchRequest avroBatch. */
            avroBatch?: (databricks.zerobus.AvroRecordBatch.$Properties|null);

            /** IngestRecordBatchRequest batch. */
            batch?: ("protoEncodedBatch"|"jsonBatch"|"avroBatch");

            /**
             * Creates a new IngestRecordBatchRequest instance using the specified properties.
             * @param [properties] Properties to set
             * @returns IngestRecordBatchRequest instance
             */
            static create(properties: databricks.zerobus.IngestRecordBatchRequest.$Shape): databricks.zerobus.IngestRecordBatchRequest & databricks.zerobus.IngestRecordBatchRequest.$Shape;
            static create(properties?: databricks.zerobus.IngestRecordBatchRequest.$Properties): databricks.zerobus.IngestRecordBatchRequest;

            /**
             * Encodes the specified IngestRecordBatchRequest message. Does not implicitly {@link databricks.zerobus.IngestRecordBatchRequest.verify|verify} messages.
             * @param message IngestRecordBatchRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.IngestRecordBatchRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an IngestRecordBatchRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.IngestRecordBatchRequest & databricks.zerobus.IngestRecordBatchRequest.$Shape} IngestRecordBatchRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.IngestRecordBatchRequest & databricks.zerobus.IngestRecordBatchRequest.$Shape;
        }

        namespace IngestRecordBatchRequest {

            /** Properties of an IngestRecordBatchRequest. */
            interface $Properties {

                /** IngestRecordBatchRequest offsetId */
                offsetId?: (number|null);

                /** IngestRecordBatchRequest protoEncodedBatch */
                protoEncodedBatch?: (databricks.zerobus.ProtoEncodedRecordBatch.$Properties|null);

                /** IngestRecordBatchRequest jsonBatch */
                jsonBatch?: (databricks.zerobus.JsonRecordBatch.$Properties|null);

                /** IngestRecordBatchRequest avroBatch */
                avroBatch?: (databricks.zerobus.AvroRecordBatch.$Properties|null);

                /** IngestRecordBatchRequest batch */
                batch?: ("protoEncodedBatch"|"jsonBatch"|"avroBatch");

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Narrowed shape of an IngestRecordBatchRequest. */
            type $Shape = {
              offsetId?: number|null;
              protoEncodedBatch?: databricks.zerobus.ProtoEncodedRecordBatch.$Shape|null;
              jsonBatch?: databricks.zerobus.JsonRecordBatch.$Shape|null;
              avroBatch?: databricks.zerobus.AvroRecordBatch.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ batch?: undefined; protoEncodedBatch?: null; jsonBatch?: null; avroBatch?: null }|{ batch?: "protoEncodedBatch"; protoEncodedBatch: databricks.zerobus.ProtoEncodedRecordBatch.$Shape; jsonBatch?: null; avroBatch?: null }|{ batch?: "jsonBatch"; protoEncodedBatch?: null; jsonBatch: databricks.zerobus.JsonRecordBatch.$Shape; avroBatch?: null }|{ batch?: "avroBatch"; protoEncodedBatch?: null; jsonBatch?: null; avroBatch: databricks.zerobus.AvroRecordBatch.$Shape })
            );
        }

        /**
         * Properties of an EphemeralStreamRequest.
         * @deprecated Use databricks.zerobus.EphemeralStreamRequest.$Properties instead.
         */
        interface IEphemeralStreamRequest extends databricks.zerobus.EphemeralStreamRequest.$Properties {
        }

        /** Represents an EphemeralStreamRequest. */
        class EphemeralStreamRequest {

            /**
             * Constructs a new EphemeralStreamRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.EphemeralStreamRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** EphemeralStreamRequest createStream. */
            createStream?: (databricks.zerobus.CreateIngestStreamRequest.$Properties|null);

            /** EphemeralStreamRequest ingestRecord. */
            ingestRecord?: (databricks.zerobus.IngestRecordRequest.$Properties|null);

            /** EphemeralStreamRequest ingestRecordBatch. */
            ingestRecordBatch?: (databricks.zerobus.IngestRecordBatchRequest.$Properties|null);

            /** EphemeralStreamRequest payload. */
            payload?: ("createStream"|"ingestRecord"|"ingestRecordBatch");

            /**
             * Creates a new EphemeralStreamRequest instance using the specified properties.
             * @param [properties] Properties to set
             * @returns EphemeralStreamRequest instance
             */
            static create(properties: databricks.zerobus.EphemeralStreamRequest.$Shape): databricks.zerobus.EphemeralStreamRequest & databricks.zerobus.EphemeralStreamRequest.$Shape;
            static create(properties?: databricks.zerobus.EphemeralStreamRequest.$Properties): databricks.zerobus.EphemeralStreamRequest;

            /**
             * Encodes the specified EphemeralStreamRequest message. Does not implicitly {@link databricks.zerobus.EphemeralStreamRequest.verify|verify} messages.
             * @param message EphemeralStreamRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.EphemeralStreamRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an EphemeralStreamRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.EphemeralStreamRequest & databricks.zerobus.EphemeralStreamRequest.$Shape} EphemeralStreamRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.EphemeralStreamRequest & databricks.zerobus.EphemeralStreamRequest.$Shape;
        }

        namespace EphemeralStreamRequest {

            /** Properties of an EphemeralStreamRequest. */
            interface $Properties {

                /** EphemeralStreamRequest createStream */
                createStream?: (databricks.zerobus.CreateIngestStreamRequest.$Properties|null);

                /** EphemeralStreamRequest ingestRecord */
                ingestRecord?: (databricks.zerobus.IngestRecordRequest.$Properties|null);

                /** EphemeralStreamRequest ingestRecordBatch */
                ingestRecordBatch?: (databricks.zerobus.IngestRecordBatchRequest.$Properties|null);

                /** EphemeralStreamRequest payload */
                payload?: ("createStream"|"ingestRecord"|"ingestRecordBatch");

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Narrowed shape of an EphemeralStreamRequest. */
            type $Shape = {
              createStream?: databricks.zerobus.CreateIngestStreamRequest.$Shape|null;
              ingestRecord?: databricks.zerobus.IngestRecordRequest.$Shape|null;
              ingestRecordBatch?: databricks.zerobus.IngestRecordBatchRequest.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ payload?: undefined; createStream?: null; ingestRecord?: null; ingestRecordBatch?: null }|{ payload?: "createStream"; createStream: databricks.zerobus.CreateIngestStreamRequest.$Shape; ingestRecord?: null; ingestRecordBatch?: null }|{ payload?: "ingestRecord"; createStream?: null; ingestRecord: databricks.zerobus.IngestRecordRequest.$Shape; ingestRecordBatch?: null }|{ payload?: "ingestRecordBatch"; createStream?: null; ingestRecord?: null; ingestRecordBatch: databricks.zerobus.IngestRecordBatchRequest.$Shape })
            );
        }

        /**
         * Properties of an IngestRecordResponse.
         * @deprecated Use databricks.zerobus.IngestRecordResponse.$Properties instead.
         */
        interface IIngestRecordResponse extends databricks.zerobus.IngestRecordResponse.$Properties {
        }

        /** Represents an IngestRecordResponse. */
        class IngestRecordResponse {

            /**
             * Constructs a new IngestRecordResponse.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.IngestRecordResponse.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** IngestRecordResponse durabilityAckUpToOffset. */
            durabilityAckUpToOffset: number;

            /**
             * Creates a new IngestRecordResponse instance using the specified properties.
             * @param [properties] Properties to set
             * @returns IngestRecordResponse instance
             */
            static create(properties: databricks.zerobus.IngestRecordResponse.$Shape): databricks.zerobus.IngestRecordResponse & databricks.zerobus.IngestRecordResponse.$Shape;
            static create(properties?: databricks.zerobus.IngestRecordResponse.$Properties): databricks.zerobus.IngestRecordResponse;

            /**
             * Encodes the specified IngestRecordResponse message. Does not implicitly {@link databricks.zerobus.IngestRecordResponse.verify|verify} messages.
             * @param message IngestRecordResponse message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.IngestRecordResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an IngestRecordResponse message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.IngestRecordResponse & databricks.zerobus.IngestRecordResponse.$Shape} IngestRecordResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.IngestRecordResponse & databricks.zerobus.IngestRecordResponse.$Shape;
        }

        namespace IngestRecordResponse {

            /** Properties of an IngestRecordResponse. */
            interface $Properties {

                /** IngestRecordResponse durabilityAckUpToOffset */
                durabilityAckUpToOffset?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an IngestRecordResponse. */
            type $Shape = databricks.zerobus.IngestRecordResponse.$Properties;
        }

        /**
         * Properties of a CloseStreamSignal.
         * @deprecated Use databricks.zerobus.CloseStreamSignal.$Properties instead.
         */
        interface ICloseStreamSignal extends databricks.zerobus.CloseStreamSignal.$Properties {
        }

        /** Represents a CloseStreamSignal. */
        class CloseStreamSignal {

            /**
             * Constructs a new CloseStreamSignal.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.CloseStreamSignal.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** CloseStreamSignal duration. */
            duration?: (google.protobuf.Duration.$Properties|null);

            /**
             * Creates a new CloseStreamSignal instance using the specified properties.
             * @param [properties] Properties to set
             * @returns CloseStreamSignal instance
             */
            static create(properties: databricks.zerobus.CloseStreamSignal.$Shape): databricks.zerobus.CloseStreamSignal & databricks.zerobus.CloseStreamSignal.$Shape;
            static create(properties?: databricks.zerobus.CloseStreamSignal.$Properties): databricks.zerobus.CloseStreamSignal;

            /**
             * Encodes the specified CloseStreamSignal message. Does not implicitly {@link databricks.zerobus.CloseStreamSignal.verify|verify} messages.
             * @param message CloseStreamSignal message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.CloseStreamSignal.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a CloseStreamSignal message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.CloseStreamSignal & databricks.zerobus.CloseStreamSignal.$Shape} CloseStreamSignal
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.CloseStreamSignal & databricks.zerobus.CloseStreamSignal.$Shape;
        }

        namespace CloseStreamSignal {

            /** Properties of a CloseStreamSignal. */
            interface $Properties {

                /** CloseStreamSignal duration */
                duration?: (google.protobuf.Duration.$Properties|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a CloseStreamSignal. */
            type $Shape = databricks.zerobus.CloseStreamSignal.$Properties;
        }

        /**
         * Properties of an EphemeralStreamResponse.
         * @deprecated Use databricks.zerobus.EphemeralStreamResponse.$Properties instead.
         */
        interface IEphemeralStreamResponse extends databricks.zerobus.EphemeralStreamResponse.$Properties {
        }

        /** Represents an EphemeralStreamResponse. */
        class EphemeralStreamResponse {

            /**
             * Constructs a new EphemeralStreamResponse.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.EphemeralStreamResponse.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** EphemeralStreamResponse createStreamResponse. */
            createStreamResponse?: (databricks.zerobus.CreateIngestStreamResponse.$Properties|null);

            /** EphemeralStreamResponse ingestRecordResponse. */
            ingestRecordResponse?: (databricks.zerobus.IngestRecordResponse.$Properties|null);

            /** EphemeralStreamResponse closeStreamSignal. */
            closeStreamSignal?: (databricks.zerobus.CloseStreamSignal.$Properties|null);

            /** EphemeralStreamResponse payload. */
            payload?: ("createStreamResponse"|"ingestRecordResponse"|"closeStreamSignal");

            /**
             * Creates a new EphemeralStreamResponse instance using the specified properties.
             * @param [properties] Properties to set
             * @returns EphemeralStreamResponse instance
             */
            static create(properties: databricks.zerobus.EphemeralStreamResponse.$Shape): databricks.zerobus.EphemeralStreamResponse & databricks.zerobus.EphemeralStreamResponse.$Shape;
            static create(properties?: databricks.zerobus.EphemeralStreamResponse.$Properties): databricks.zerobus.EphemeralStreamResponse;

            /**
             * Encodes the specified EphemeralStreamResponse message. Does not implicitly {@link databricks.zerobus.EphemeralStreamResponse.verify|verify} messages.
             * @param message EphemeralStreamResponse message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.EphemeralStreamResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an EphemeralStreamResponse message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.EphemeralStreamResponse & databricks.zerobus.EphemeralStreamResponse.$Shape} EphemeralStreamResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.EphemeralStreamResponse & databricks.zerobus.EphemeralStreamResponse.$Shape;
        }

        namespace EphemeralStreamResponse {

            /** Properties of an EphemeralStreamResponse. */
            interface $Properties {

                /** EphemeralStreamResponse createStreamResponse */
                createStreamResponse?: (databricks.zerobus.CreateIngestStreamResponse.$Properties|null);

                /** EphemeralStreamResponse ingestRecordResponse */
                ingestRecordResponse?: (databricks.zerobus.IngestRecordResponse.$Properties|null);

                /** EphemeralStreamResponse closeStreamSignal */
                closeStreamSignal?: (databricks.zerobus.CloseStreamSignal.$Properties|null);

                /** EphemeralStreamResponse payload */
                payload?: ("createStreamResponse"|"ingestRecordResponse"|"closeStreamSignal");

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Narrowed shape of an EphemeralStreamResponse. */
            type $Shape = {
              createStreamResponse?: databricks.zerobus.CreateIngestStreamResponse.$Shape|null;
              ingestRecordResponse?: databricks.zerobus.IngestRecordResponse.$Shape|null;
              closeStreamSignal?: databricks.zerobus.CloseStreamSignal.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ payload?: undefined; createStreamResponse?: null; ingestRecordResponse?: null; closeStreamSignal?: null }|{ payload?: "createStreamResponse"; createStreamResponse: databricks.zerobus.CreateIngestStreamResponse.$Shape; ingestRecordResponse?: null; closeStreamSignal?: null }|{ payload?: "ingestRecordResponse"; createStreamResponse?: null; ingestRecordResponse: databricks.zerobus.IngestRecordResponse.$Shape; closeStreamSignal?: null }|{ payload?: "closeStreamSignal"; createStreamResponse?: null; ingestRecordResponse?: null; closeStreamSignal: databricks.zerobus.CloseStreamSignal.$Shape })
            );
        }

        /**
         * Properties of a CreatePersistentStreamRequest.
         * @deprecated Use databricks.zerobus.CreatePersistentStreamRequest.$Properties instead.
         */
        interface ICreatePersistentStreamRequest extends databricks.zerobus.CreatePersistentStreamRequest.$Properties {
        }

        /** Represents a CreatePersistentStreamRequest. */
        class CreatePersistentStreamRequest {

            /**
             * Constructs a new CreatePersistentStreamRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.CreatePersistentStreamRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** CreatePersistentStreamRequest createStream. */
            createStream?: (databricks.zerobus.CreateIngestStreamRequest.$Properties|null);

            /**
             * Creates a new CreatePersistentStreamRequest instance using the specified properties.
             * @param [properties] Properties to set
             * @returns CreatePersistentStreamRequest instance
             */
            static create(properties: databricks.zerobus.CreatePersistentStreamRequest.$Shape): databricks.zerobus.CreatePersistentStreamRequest & databricks.zerobus.CreatePersistentStreamRequest.$Shape;
            static create(properties?: databricks.zerobus.CreatePersistentStreamRequest.$Properties): databricks.zerobus.CreatePersistentStreamRequest;

            /**
             * Encodes the specified CreatePersistentStreamRequest message. Does not implicitly {@link databricks.zerobus.CreatePersistentStreamRequest.verify|verify} messages.
             * @param message CreatePersistentStreamRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.CreatePersistentStreamRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a CreatePersistentStreamRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.CreatePersistentStreamRequest & databricks.zerobus.CreatePersistentStreamRequest.$Shape} CreatePersistentStreamRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.CreatePersistentStreamRequest & databricks.zerobus.CreatePersistentStreamRequest.$Shape;
        }

        namespace CreatePersistentStreamRequest {

            /** Properties of a CreatePersistentStreamRequest. */
            interface $Properties {

                /** CreatePersistentStreamRequest createStream */
                createStream?: (databricks.zerobus.CreateIngestStreamRequest.$Properties|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a CreatePersistentStreamRequest. */
            type $Shape = databricks.zerobus.CreatePersistentStreamRequest.$Properties;
        }

        /**
         * Properties of a ResumeIngestStreamRequest.
         * @deprecated Use databricks.zerobus.ResumeIngestStreamRequest.$Properties instead.
         */
        interface IResumeIngestStreamRequest extends databricks.zerobus.ResumeIngestStreamRequest.$Properties {
        }

        /** Represents a ResumeIngestStreamRequest. */
        class ResumeIngestStreamRequest {

            /**
             * Constructs a new ResumeIngestStreamRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.ResumeIngestStreamRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** ResumeIngestStreamRequest streamId. */
            streamId?: (string|null);

            /** ResumeIngestStreamRequest descriptorProto. */
            descriptorProto: Uint8Array;

            /** ResumeIngestStreamRequest recordType. */
            recordType: databricks.zerobus.RecordType;

            /** ResumeIngestStreamRequest identifier. */
            identifier?: "streamId";

            /**
             * Creates a new ResumeIngestStreamRequest instance using the specified properties.
             * @param [properties] Properties to set
             * @returns ResumeIngestStreamRequest instance
             */
            static create(properties: databricks.zerobus.ResumeIngestStreamRequest.$Shape): databricks.zerobus.ResumeIngestStreamRequest & databricks.zerobus.ResumeIngestStreamRequest.$Shape;
            static create(properties?: databricks.zerobus.ResumeIngestStreamRequest.$Properties): databricks.zerobus.ResumeIngestStreamRequest;

            /**
             * Encodes the specified ResumeIngestStreamRequest message. Does not implicitly {@link databricks.zerobus.ResumeIngestStreamRequest.verify|verify} messages.
             * @param message ResumeIngestStreamRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.ResumeIngestStreamRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a ResumeIngestStreamRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.ResumeIngestStreamRequest & databricks.zerobus.ResumeIngestStreamRequest.$Shape} ResumeIngestStreamRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.ResumeIngestStreamRequest & databricks.zerobus.ResumeIngestStreamRequest.$Shape;
        }

        namespace ResumeIngestStreamRequest {

            /** Properties of a ResumeIngestStreamRequest. */
            interface $Properties {

                /** ResumeIngestStreamRequest streamId */
                streamId?: (string|null);

                /** ResumeIngestStreamRequest descriptorProto */
                descriptorProto?: (Uint8Array|null);

                /** ResumeIngestStreamRequest recordType */
                recordType?: (databricks.zerobus.RecordType|null);

                /** ResumeIngestStreamRequest identifier */
                identifier?: "streamId";

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Narrowed shape of a ResumeIngestStreamRequest. */
            type $Shape = {
              streamId?: string|null;
              descriptorProto?: Uint8Array|null;
              recordType?: databricks.zerobus.RecordType|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ identifier?: undefined; streamId?: null }|{ identifier?: "streamId"; streamId: string })
            );
        }

        /**
         * Properties of a ResumeIngestStreamResponse.
         * @deprecated Use databricks.zerobus.ResumeIngestStreamResponse.$Properties instead.
         */
        interface IResumeIngestStreamResponse extends databricks.zerobus.ResumeIngestStreamResponse.$Properties {
        }

        /** Represents a ResumeIngestStreamResponse. */
        class ResumeIngestStreamResponse {

            /**
             * Constructs a new ResumeIngestStreamResponse.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.ResumeIngestStreamResponse.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** ResumeIngestStreamResponse lastCommittedOffset. */
            lastCommittedOffset: number;

            /**
             * Creates a new ResumeIngestStreamResponse instance using the specified properties.
             * @param [properties] Properties to set
             * @returns ResumeIngestStreamResponse instance
             */
            static create(properties: databricks.zerobus.ResumeIngestStreamResponse.$Shape): databricks.zerobus.ResumeIngestStreamResponse & databricks.zerobus.ResumeIngestStreamResponse.$Shape;
            static create(properties?: databricks.zerobus.ResumeIngestStreamResponse.$Properties): databricks.zerobus.ResumeIngestStreamResponse;

            /**
             * Encodes the specified ResumeIngestStreamResponse message. Does not implicitly {@link databricks.zerobus.ResumeIngestStreamResponse.verify|verify} messages.
             * @param message ResumeIngestStreamResponse message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.ResumeIngestStreamResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a ResumeIngestStreamResponse message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.ResumeIngestStreamResponse & databricks.zerobus.ResumeIngestStreamResponse.$Shape} ResumeIngestStreamResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.ResumeIngestStreamResponse & databricks.zerobus.ResumeIngestStreamResponse.$Shape;
        }

        namespace ResumeIngestStreamResponse {

            /** Properties of a ResumeIngestStreamResponse. */
            interface $Properties {

                /** ResumeIngestStreamResponse lastCommittedOffset */
                lastCommittedOffset?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a ResumeIngestStreamResponse. */
            type $Shape = databricks.zerobus.ResumeIngestStreamResponse.$Properties;
        }

        /**
         * Properties of a PersistentStreamRequest.
         * @deprecated Use databricks.zerobus.PersistentStreamRequest.$Properties instead.
         */
        interface IPersistentStreamRequest extends databricks.zerobus.PersistentStreamRequest.$Properties {
        }

        /** Represents a PersistentStreamRequest. */
        class PersistentStreamRequest {

            /**
             * Constructs a new PersistentStreamRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.PersistentStreamRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** PersistentStreamRequest createStream. */
            createStream?: (databricks.zerobus.CreatePersistentStreamRequest.$Properties|null);

            /** PersistentStreamRequest resumeStream. */
            resumeStream?: (databricks.zerobus.ResumeIngestStreamRequest.$Properties|null);

            /** PersistentStreamRequest ingestRecord. */
            ingestRecord?: (databricks.zerobus.IngestRecordRequest.$Properties|null);

            /** PersistentStreamRequest ingestRecordBatch. */
            ingestRecordBatch?: (databricks.zerobus.IngestRecordBatchRequest.$Properties|null);

            /** PersistentStreamRequest payload. */
            payload?: ("createStream"|"resumeStream"|"ingestRecord"|"ingestRecordBatch");

            /**
             * Creates a new PersistentStreamRequest instance using the specified properties.
             * @param [properties] Properties to set
             * @returns PersistentStreamRequest instance
             */
            static create(properties: databricks.zerobus.PersistentStreamRequest.$Shape): databricks.zerobus.PersistentStreamRequest & databricks.zerobus.PersistentStreamRequest.$Shape;
            static create(properties?: databricks.zerobus.PersistentStreamRequest.$Properties): databricks.zerobus.PersistentStreamRequest;

            /**
             * Encodes the specified PersistentStreamRequest message. Does not implicitly {@link databricks.zerobus.PersistentStreamRequest.verify|verify} messages.
             * @param message PersistentStreamRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.PersistentStreamRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a PersistentStreamRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.PersistentStreamRequest & databricks.zerobus.PersistentStreamRequest.$Shape} PersistentStreamRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.PersistentStreamRequest & databricks.zerobus.PersistentStreamRequest.$Shape;
        }

        namespace PersistentStreamRequest {

            /** Properties of a PersistentStreamRequest. */
            interface $Properties {

                /** PersistentStreamRequest createStream */
                createStream?: (databricks.zerobus.CreatePersistentStreamRequest.$Properties|null);

                /** PersistentStreamRequest resumeStream */
                resumeStream?: (databricks.zerobus.ResumeIngestStreamRequest.$Properties|null);

                /** PersistentStreamRequest ingestRecord */
                ingestRecord?: (databricks.zerobus.IngestRecordRequest.$Properties|null);

                /** PersistentStreamRequest ingestRecordBatch */
                ingestRecordBatch?: (databricks.zerobus.IngestRecordBatchRequest.$Properties|null);

                /** PersistentStreamRequest payload */
                payload?: ("createStream"|"resumeStream"|"ingestRecord"|"ingestRecordBatch");

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Narrowed shape of a PersistentStreamRequest. */
            type $Shape = {
              createStream?: databricks.zerobus.CreatePersistentStreamRequest.$Shape|null;
              resumeStream?: databricks.zerobus.ResumeIngestStreamRequest.$Shape|null;
              ingestRecord?: databricks.zerobus.IngestRecordRequest.$Shape|null;
              ingestRecordBatch?: databricks.zerobus.IngestRecordBatchRequest.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ payload?: undefined; createStream?: null; resumeStream?: null; ingestRecord?: null; ingestRecordBatch?: null }|{ payload?: "createStream"; createStream: databricks.zerobus.CreatePersistentStreamRequest.$Shape; resumeStream?: null; ingestRecord?: null; ingestRecordBatch?: null }|{ payload?: "resumeStream"; createStream?: null; resumeStream: databricks.zerobus.ResumeIngestStreamRequest.$Shape; ingestRecord?: null; ingestRecordBatch?: null }|{ payload?: "ingestRecord"; createStream?: null; resumeStream?: null; ingestRecord: databricks.zerobus.IngestRecordRequest.$Shape; ingestRecordBatch?: null }|{ payload?: "ingestRecordBatch"; createStream?: null; resumeStream?: null; ingestRecord?: null; ingestRecordBatch: databricks.zerobus.IngestRecordBatchRequest.$Shape })
            );
        }

        /**
         * Properties of a PersistentStreamResponse.
         * @deprecated Use databricks.zerobus.PersistentStreamResponse.$Properties instead.
         */
        interface IPersistentStreamResponse extends databricks.zerobus.PersistentStreamResponse.$Properties {
        }

        /** Represents a PersistentStreamResponse. */
        class PersistentStreamResponse {

            /**
             * Constructs a new PersistentStreamResponse.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.PersistentStreamResponse.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** PersistentStreamResponse createStreamResponse. */
            createStreamResponse?: (databricks.zerobus.CreateIngestStreamResponse.$Properties|null);

            /** PersistentStreamResponse resumeStreamResponse. */
            resumeStreamResponse?: (databricks.zerobus.ResumeIngestStreamResponse.$Properties|null);

            /** PersistentStreamResponse ingestRecordResponse. */
            ingestRecordResponse?: (databricks.zerobus.IngestRecordResponse.$Properties|null);

            /** PersistentStreamResponse closeStreamSignal. */
            closeStreamSignal?: (databricks.zerobus.CloseStreamSignal.$Properties|null);

            /** PersistentStreamResponse payload. */
            payload?: ("createStreamResponse"|"resumeStreamResponse"|"ingestRecordResponse"|"closeStreamSignal");

            /**
             * Creates a new PersistentStreamResponse instance using the specified properties.
             * @param [properties] Properties to set
             * @returns PersistentStreamResponse instance
             */
            static create(properties: databricks.zerobus.PersistentStreamResponse.$Shape): databricks.zerobus.PersistentStreamResponse & databricks.zerobus.PersistentStreamResponse.$Shape;
            static create(properties?: databricks.zerobus.PersistentStreamResponse.$Properties): databricks.zerobus.PersistentStreamResponse;

            /**
             * Encodes the specified PersistentStreamResponse message. Does not implicitly {@link databricks.zerobus.PersistentStreamResponse.verify|verify} messages.
             * @param message PersistentStreamResponse message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.PersistentStreamResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a PersistentStreamResponse message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.PersistentStreamResponse & databricks.zerobus.PersistentStreamResponse.$Shape} PersistentStreamResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.PersistentStreamResponse & databricks.zerobus.PersistentStreamResponse.$Shape;
        }

        namespace PersistentStreamResponse {

            /** Properties of a PersistentStreamResponse. */
            interface $Properties {

                /** PersistentStreamResponse createStreamResponse */
                createStreamResponse?: (databricks.zerobus.CreateIngestStreamResponse.$Properties|null);

                /** PersistentStreamResponse resumeStreamResponse */
                resumeStreamResponse?: (databricks.zerobus.ResumeIngestStreamResponse.$Properties|null);

                /** PersistentStreamResponse ingestRecordResponse */
                ingestRecordResponse?: (databricks.zerobus.IngestRecordResponse.$Properties|null);

                /** PersistentStreamResponse closeStreamSignal */
                closeStreamSignal?: (databricks.zerobus.CloseStreamSignal.$Properties|null);

                /** PersistentStreamResponse payload */
                payload?: ("createStreamResponse"|"resumeStreamResponse"|"ingestRecordResponse"|"closeStreamSignal");

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Narrowed shape of a PersistentStreamResponse. */
            type $Shape = {
              createStreamResponse?: databricks.zerobus.CreateIngestStreamResponse.$Shape|null;
              resumeStreamResponse?: databricks.zerobus.ResumeIngestStreamResponse.$Shape|null;
              ingestRecordResponse?: databricks.zerobus.IngestRecordResponse.$Shape|null;
              closeStreamSignal?: databricks.zerobus.CloseStreamSignal.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ payload?: undefined; createStreamResponse?: null; resumeStreamResponse?: null; ingestRecordResponse?: null; closeStreamSignal?: null }|{ payload?: "createStreamResponse"; createStreamResponse: databricks.zerobus.CreateIngestStreamResponse.$Shape; resumeStreamResponse?: null; ingestRecordResponse?: null; closeStreamSignal?: null }|{ payload?: "resumeStreamResponse"; createStreamResponse?: null; resumeStreamResponse: databricks.zerobus.ResumeIngestStreamResponse.$Shape; ingestRecordResponse?: null; closeStreamSignal?: null }|{ payload?: "ingestRecordResponse"; createStreamResponse?: null; resumeStreamResponse?: null; ingestRecordResponse: databricks.zerobus.IngestRecordResponse.$Shape; closeStreamSignal?: null }|{ payload?: "closeStreamSignal"; createStreamResponse?: null; resumeStreamResponse?: null; ingestRecordResponse?: null; closeStreamSignal: databricks.zerobus.CloseStreamSignal.$Shape })
            );
        }

        /**
         * Properties of a RetireStreamRequest.
         * @deprecated Use databricks.zerobus.RetireStreamRequest.$Properties instead.
         */
        interface IRetireStreamRequest extends databricks.zerobus.RetireStreamRequest.$Properties {
        }

        /** Represents a RetireStreamRequest. */
        class RetireStreamRequest {

            /**
             * Constructs a new RetireStreamRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.RetireStreamRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** RetireStreamRequest tableName. */
            tableName: string;

            /** RetireStreamRequest streamId. */
            streamId?: (string|null);

            /** RetireStreamRequest identifier. */
            identifier?: "streamId";

            /**
             * Creates a new RetireStreamRequest instance using the specified properties.
             * @param [properties] Properties to set
             * @returns RetireStreamRequest instance
             */
            static create(properties: databricks.zerobus.RetireStreamRequest.$Shape): databricks.zerobus.RetireStreamRequest & databricks.zerobus.RetireStreamRequest.$Shape;
            static create(properties?: databricks.zerobus.RetireStreamRequest.$Properties): databricks.zerobus.RetireStreamRequest;

            /**
             * Encodes the specified RetireStreamRequest message. Does not implicitly {@link databricks.zerobus.RetireStreamRequest.verify|verify} messages.
             * @param message RetireStreamRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.RetireStreamRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a RetireStreamRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.RetireStreamRequest & databricks.zerobus.RetireStreamRequest.$Shape} RetireStreamRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.RetireStreamRequest & databricks.zerobus.RetireStreamRequest.$Shape;
        }

        namespace RetireStreamRequest {

            /** Properties of a RetireStreamRequest. */
            interface $Properties {

                /** RetireStreamRequest tableName */
                tableName?: (string|null);

                /** RetireStreamRequest streamId */
                streamId?: (string|null);

                /** RetireStreamRequest identifier */
                identifier?: "streamId";

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Narrowed shape of a RetireStreamRequest. */
            type $Shape = {
              tableName?: string|null;
              streamId?: string|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ identifier?: undefined; streamId?: null }|{ identifier?: "streamId"; streamId: string })
            );
        }

        /**
         * Properties of a RetireStreamResponse.
         * @deprecated Use databricks.zerobus.RetireStreamResponse.$Properties instead.
         */
        interface IRetireStreamResponse extends databricks.zerobus.RetireStreamResponse.$Properties {
        }

        /** Represents a RetireStreamResponse. */
        class RetireStreamResponse {

            /**
             * Constructs a new RetireStreamResponse.
             * @param [properties] Properties to set
             */
            constructor(properties?: databricks.zerobus.RetireStreamResponse.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /**
             * Creates a new RetireStreamResponse instance using the specified properties.
             * @param [properties] Properties to set
             * @returns RetireStreamResponse instance
             */
            static create(properties: databricks.zerobus.RetireStreamResponse.$Shape): databricks.zerobus.RetireStreamResponse & databricks.zerobus.RetireStreamResponse.$Shape;
            static create(properties?: databricks.zerobus.RetireStreamResponse.$Properties): databricks.zerobus.RetireStreamResponse;

            /**
             * Encodes the specified RetireStreamResponse message. Does not implicitly {@link databricks.zerobus.RetireStreamResponse.verify|verify} messages.
             * @param message RetireStreamResponse message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: databricks.zerobus.RetireStreamResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a RetireStreamResponse message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {databricks.zerobus.RetireStreamResponse & databricks.zerobus.RetireStreamResponse.$Shape} RetireStreamResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): databricks.zerobus.RetireStreamResponse & databricks.zerobus.RetireStreamResponse.$Shape;
        }

        namespace RetireStreamResponse {

            /** Properties of a RetireStreamResponse. */
            interface $Properties {

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a RetireStreamResponse. */
            type $Shape = databricks.zerobus.RetireStreamResponse.$Properties;
        }
    }
}

/** Namespace google. */
export namespace google {

    /** Namespace protobuf. */
    namespace protobuf {

        /**
         * Properties of a Duration.
         * @deprecated Use google.protobuf.Duration.$Properties instead.
         */
        interface IDuration extends google.protobuf.Duration.$Properties {
        }

        /** Represents a Duration. */
        class Duration {

            /**
             * Constructs a new Duration.
             * @param [properties] Properties to set
             */
            constructor(properties?: google.protobuf.Duration.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Duration seconds. */
            seconds: number;

            /** Duration nanos. */
            nanos: number;

            /**
             * Creates a new Duration instance using the specified properties.
             * @param [properties] Properties to set
             * @returns Duration instance
             */
            static create(properties: google.protobuf.Duration.$Shape): google.protobuf.Duration & google.protobuf.Duration.$Shape;
            static create(properties?: google.protobuf.Duration.$Properties): google.protobuf.Duration;

            /**
             * Encodes the specified Duration message. Does not implicitly {@link google.protobuf.Duration.verify|verify} messages.
             * @param message Duration message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: google.protobuf.Duration.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Duration message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {google.protobuf.Duration & google.protobuf.Duration.$Shape} Duration
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): google.protobuf.Duration & google.protobuf.Duration.$Shape;
        }

        namespace Duration {

            /** Properties of a Duration. */
            interface $Properties {

                /** Duration seconds */
                seconds?: (number|null);

                /** Duration nanos */
                nanos?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Duration. */
            type $Shape = google.protobuf.Duration.$Properties;
        }
    }
}
