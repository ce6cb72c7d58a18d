// Generated from proto/zerobus_service.proto by scripts/generate-proto.mjs. Do not edit.
/*eslint-disable block-scoped-var, id-length, no-control-regex, no-magic-numbers, no-mixed-operators, no-prototype-builtins, no-redeclare, no-shadow, no-var, sort-vars, default-case, jsdoc/require-param*/
import $protobuf from "protobufjs/minimal.js";

// Common aliases
const $Reader = $protobuf.Reader, $Writer = $protobuf.Writer, $util = $protobuf.util;
const $Object = $util.global.Object, $undefined = $util.global.undefined, $Error = $util.global.Error, $RangeError = $util.global.RangeError;

// Exported root namespace
const $root = $protobuf.roots["effect-zerobus"] || ($protobuf.roots["effect-zerobus"] = {});

export const databricks = $root.databricks = (() => {

    /**
     * Namespace databricks.
     * @exports databricks
     * @namespace
     */
    const databricks = {};

    databricks.zerobus = (function() {

        /**
         * Namespace zerobus.
         * @memberof databricks
         * @namespace
         */
        const zerobus = {};

        /**
         * RecordType enum.
         * @name databricks.zerobus.RecordType
         * @enum {number}
         * @property {number} RECORD_TYPE_UNSPECIFIED=0 RECORD_TYPE_UNSPECIFIED value
         * @property {number} PROTO=1 PROTO value
         * @property {number} JSON=2 JSON value
         * @property {number} AVRO=4 AVRO value
         */
        zerobus.RecordType = (function() {
            const valuesById = $Object.create(null), values = $Object.create(valuesById);
            values[valuesById[0] = "RECORD_TYPE_UNSPECIFIED"] = 0;
            values[valuesById[1] = "PROTO"] = 1;
            values[valuesById[2] = "JSON"] = 2;
            values[valuesById[4] = "AVRO"] = 4;
            return values;
        })();

        zerobus.CreateIngestStreamRequest = (function() {

            /**
             * Properties of a CreateIngestStreamRequest.
             * @typedef {Object} databricks.zerobus.CreateIngestStreamRequest.$Properties
             * @property {string|null} [tableName] CreateIngestStreamRequest tableName
             * @property {Uint8Array|null} [descriptorProto] CreateIngestStreamRequest descriptorProto
             * @property {databricks.zerobus.RecordType|null} [recordType] CreateIngestStreamRequest recordType
             * @property {string|null} [avroSchemaJson] CreateIngestStreamRequest avroSchemaJson
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a CreateIngestStreamRequest.
             * @memberof databricks.zerobus
             * @interface ICreateIngestStreamRequest
             * @augments databricks.zerobus.CreateIngestStreamRequest.$Properties
             * @deprecated Use databricks.zerobus.CreateIngestStreamRequest.$Properties instead.
             */

            /**
             * Shape of a CreateIngestStreamRequest.
             * @typedef {databricks.zerobus.CreateIngestStreamRequest.$Properties} databricks.zerobus.CreateIngestStreamRequest.$Shape
             */

            /**
             * Constructs a new CreateIngestStreamRequest.
             * @memberof databricks.zerobus
             * @classdesc Represents a CreateIngestStreamRequest.
             * @constructor
             * @param {databricks.zerobus.CreateIngestStreamRequest.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const CreateIngestStreamRequest = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * CreateIngestStreamRequest tableName.
             * @member {string} tableName
             * @memberof databricks.zerobus.CreateIngestStreamRequest
             * @instance
             */
            CreateIngestStreamRequest.prototype.tableName = "";

            /**
             * CreateIngestStreamRequest descriptorProto.
             * @member {Uint8Array} descriptorProto
             * @memberof databricks.zerobus.CreateIngestStreamRequest
             * @instance
             */
            CreateIngestStreamRequest.prototype.descriptorProto = $util.newBuffer([]);

            /**
             * CreateIngestStreamRequest recordType.
             * @member {databricks.zerobus.RecordType} recordType
             * @memberof databricks.zerobus.CreateIngestStreamRequest
             * @instance
             */
            CreateIngestStreamRequest.prototype.recordType = 1;

            /**
             * CreateIngestStreamRequest avroSchemaJson.
             * @member {string} avroSchemaJson
             * @memberof databricks.zerobus.CreateIngestStreamRequest
             * @instance
             */
            CreateIngestStreamRequest.prototype.avroSchemaJson = "";

            /**
             * Creates a new CreateIngestStreamRequest instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.CreateIngestStreamRequest
             * @static
             * @param {databricks.zerobus.CreateIngestStreamRequest.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.CreateIngestStreamRequest} CreateIngestStreamRequest instance
             * @type {{
             *   (properties: databricks.zerobus.CreateIngestStreamRequest.$Shape): databricks.zerobus.CreateIngestStreamRequest & databricks.zerobus.CreateIngestStreamRequest.$Shape;
             *   (properties?: databricks.zerobus.CreateIngestStreamRequest.$Properties): databricks.zerobus.CreateIngestStreamRequest;
             * }}
             */
            CreateIngestStreamRequest.create = function(properties) {
                return new CreateIngestStreamRequest(properties);
            };

            /**
             * Encodes the specified CreateIngestStreamRequest message. Does not implicitly {@link databricks.zerobus.CreateIngestStreamRequest.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.CreateIngestStreamRequest
             * @static
             * @param {databricks.zerobus.CreateIngestStreamRequest.$Properties} message CreateIngestStreamRequest message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            CreateIngestStreamRequest.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.tableName != null && $Object.hasOwnProperty.call(message, "tableName"))
                    writer.uint32(/* id 1, wireType 2 =*/10).string(message.tableName);
                if (message.descriptorProto != null && $Object.hasOwnProperty.call(message, "descriptorProto"))
                    writer.uint32(/* id 3, wireType 2 =*/26).bytes(message.descriptorProto);
                if (message.recordType != null && $Object.hasOwnProperty.call(message, "recordType"))
                    writer.uint32(/* id 4, wireType 0 =*/32).int32(message.recordType);
                if (message.avroSchemaJson != null && $Object.hasOwnProperty.call(message, "avroSchemaJson"))
                    writer.uint32(/* id 5, wireType 2 =*/42).string(message.avroSchemaJson);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes a CreateIngestStreamRequest message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.CreateIngestStreamRequest
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.CreateIngestStreamRequest & databricks.zerobus.CreateIngestStreamRequest.$Shape} CreateIngestStreamRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            CreateIngestStreamRequest.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.CreateIngestStreamRequest();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            message.tableName = reader.string();
                            continue;
                        }
                    case 3: {
                            if (wireType !== 2)
                                break;
                            message.descriptorProto = reader.bytes();
                            continue;
                        }
                    case 4: {
                            if (wireType !== 0)
                                break;
                            value = reader.int32();
                            if ($root.databricks.zerobus.RecordType[value] !== $undefined)
                                message.recordType = value;
                            else if (!reader.discardUnknown) {
                                $util.makeProp(message, "$unknowns", false);
                                (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                            }
                            continue;
                        }
                    case 5: {
                            if (wireType !== 2)
                                break;
                            message.avroSchemaJson = reader.string();
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return CreateIngestStreamRequest;
        })();

        zerobus.CreateIngestStreamResponse = (function() {

            /**
             * Properties of a CreateIngestStreamResponse.
             * @typedef {Object} databricks.zerobus.CreateIngestStreamResponse.$Properties
             * @property {string|null} [streamId] CreateIngestStreamResponse streamId
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a CreateIngestStreamResponse.
             * @memberof databricks.zerobus
             * @interface ICreateIngestStreamResponse
             * @augments databricks.zerobus.CreateIngestStreamResponse.$Properties
             * @deprecated Use databricks.zerobus.CreateIngestStreamResponse.$Properties instead.
             */

            /**
             * Shape of a CreateIngestStreamResponse.
             * @typedef {databricks.zerobus.CreateIngestStreamResponse.$Properties} databricks.zerobus.CreateIngestStreamResponse.$Shape
             */

            /**
             * Constructs a new CreateIngestStreamResponse.
             * @memberof databricks.zerobus
             * @classdesc Represents a CreateIngestStreamResponse.
             * @constructor
             * @param {databricks.zerobus.CreateIngestStreamResponse.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const CreateIngestStreamResponse = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * CreateIngestStreamResponse streamId.
             * @member {string} streamId
             * @memberof databricks.zerobus.CreateIngestStreamResponse
             * @instance
             */
            CreateIngestStreamResponse.prototype.streamId = "";

            /**
             * Creates a new CreateIngestStreamResponse instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.CreateIngestStreamResponse
             * @static
             * @param {databricks.zerobus.CreateIngestStreamResponse.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.CreateIngestStreamResponse} CreateIngestStreamResponse instance
             * @type {{
             *   (properties: databricks.zerobus.CreateIngestStreamResponse.$Shape): databricks.zerobus.CreateIngestStreamResponse & databricks.zerobus.CreateIngestStreamResponse.$Shape;
             *   (properties?: databricks.zerobus.CreateIngestStreamResponse.$Properties): databricks.zerobus.CreateIngestStreamResponse;
             * }}
             */
            CreateIngestStreamResponse.create = function(properties) {
                return new CreateIngestStreamResponse(properties);
            };

            /**
             * Encodes the specified CreateIngestStreamResponse message. Does not implicitly {@link databricks.zerobus.CreateIngestStreamResponse.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.CreateIngestStreamResponse
             * @static
             * @param {databricks.zerobus.CreateIngestStreamResponse.$Properties} message CreateIngestStreamResponse message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            CreateIngestStreamResponse.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.streamId != null && $Object.hasOwnProperty.call(message, "streamId"))
                    writer.uint32(/* id 1, wireType 2 =*/10).string(message.streamId);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes a CreateIngestStreamResponse message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.CreateIngestStreamResponse
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.CreateIngestStreamResponse & databricks.zerobus.CreateIngestStreamResponse.$Shape} CreateIngestStreamResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            CreateIngestStreamResponse.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.CreateIngestStreamResponse();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            message.streamId = reader.string();
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return CreateIngestStreamResponse;
        })();

        zerobus.IngestRecordRequest = (function() {

            /**
             * Properties of an IngestRecordRequest.
             * @typedef {Object} databricks.zerobus.IngestRecordRequest.$Properties
             * @property {number|null} [offsetId] IngestRecordRequest offsetId
             * @property {Uint8Array|null} [protoEncodedRecord] IngestRecordRequest protoEncodedRecord
             * @property {string|null} [jsonRecord] IngestRecordRequest jsonRecord
             * @property {Uint8Array|null} [avroEncodedRecord] IngestRecordRequest avroEncodedRecord
             * @property {"protoEncodedRecord"|"jsonRecord"|"avroEncodedRecord"} [record] IngestRecordRequest record
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of an IngestRecordRequest.
             * @memberof databricks.zerobus
             * @interface IIngestRecordRequest
             * @augments databricks.zerobus.IngestRecordRequest.$Properties
             * @deprecated Use databricks.zerobus.IngestRecordRequest.$Properties instead.
             */

            /**
             * Narrowed shape of an IngestRecordRequest.
             * @typedef {{
             *   offsetId?: number|null;
             *   protoEncodedRecord?: Uint8Array|null;
             *   jsonRecord?: string|null;
             *   avroEncodedRecord?: Uint8Array|null;
             *   $unknowns?: Array.<Uint8Array>;
             * } & (
             *   ({ record?: undefined; protoEncodedRecord?: null; jsonRecord?: null; avroEncodedRecord?: null }|{ record?: "protoEncodedRecord"; protoEncodedRecord: Uint8Array; jsonRecord?: null; avroEncodedRecord?: null }|{ record?: "jsonRecord"; protoEncodedRecord?: null; jsonRecord: string; avroEncodedRecord?: null }|{ record?: "avroEncodedRecord"; protoEncodedRecord?: null; jsonRecord?: null; avroEncodedRecord: Uint8Array })
             * )} databricks.zerobus.IngestRecordRequest.$Shape
             */

            /**
             * Constructs a new IngestRecordRequest.
             * @memberof databricks.zerobus
             * @classdesc Represents an IngestRecordRequest.
             * @constructor
             * @param {databricks.zerobus.IngestRecordRequest.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const IngestRecordRequest = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * IngestRecordRequest offsetId.
             * @member {number} offsetId
             * @memberof databricks.zerobus.IngestRecordRequest
             * @instance
             */
            IngestRecordRequest.prototype.offsetId = $util.Long ? $util.Long.fromBits(0,0,false) : 0;

            /**
             * IngestRecordRequest protoEncodedRecord.
             * @member {Uint8Array|null|undefined} protoEncodedRecord
             * @memberof databricks.zerobus.IngestRecordRequest
             * @instance
             */
            IngestRecordRequest.prototype.protoEncodedRecord = null;

            /**
             * IngestRecordRequest jsonRecord.
             * @member {string|null|undefined} jsonRecord
             * @memberof databricks.zerobus.IngestRecordRequest
             * @instance
             */
            IngestRecordRequest.prototype.jsonRecord = null;

            /**
             * IngestRecordRequest avroEncodedRecord.
             * @member {Uint8Array|null|undefined} avroEncodedRecord
             * @memberof databricks.zerobus.IngestRecordRequest
             * @instance
             */
            IngestRecordRequest.prototype.avroEncodedRecord = null;

            // OneOf field names bound to virtual getters and setters
            let $oneOfFields;

            /**
             * IngestRecordRequest record.
             * @member {"protoEncodedRecord"|"jsonRecord"|"avroEncodedRecord"|undefined} record
             * @memberof databricks.zerobus.IngestRecordRequest
             * @instance
             */
            $Object.defineProperty(IngestRecordRequest.prototype, "record", {
                get: $util.oneOfGetter($oneOfFields = ["protoEncodedRecord", "jsonRecord", "avroEncodedRecord"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            /**
             * Creates a new IngestRecordRequest instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.IngestRecordRequest
             * @static
             * @param {databricks.zerobus.IngestRecordRequest.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.IngestRecordRequest} IngestRecordRequest instance
             * @type {{
             *   (properties: databricks.zerobus.IngestRecordRequest.$Shape): databricks.zerobus.IngestRecordRequest & databricks.zerobus.IngestRecordRequest.$Shape;
             *   (properties?: databricks.zerobus.IngestRecordRequest.$Properties): databricks.zerobus.IngestRecordRequest;
             * }}
             */
            IngestRecordRequest.create = function(properties) {
                return new IngestRecordRequest(properties);
            };

            /**
             * Encodes the specified IngestRecordRequest message. Does not implicitly {@link databricks.zerobus.IngestRecordRequest.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.IngestRecordRequest
             * @static
             * @param {databricks.zerobus.IngestRecordRequest.$Properties} message IngestRecordRequest message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            IngestRecordRequest.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.offsetId != null && $Object.hasOwnProperty.call(message, "offsetId"))
                    writer.uint32(/* id 1, wireType 0 =*/8).int64(message.offsetId);
                if (message.protoEncodedRecord != null && $Object.hasOwnProperty.call(message, "protoEncodedRecord"))
                    writer.uint32(/* id 2, wireType 2 =*/18).bytes(message.protoEncodedRecord);
                if (message.jsonRecord != null && $Object.hasOwnProperty.call(message, "jsonRecord"))
                    writer.uint32(/* id 3, wireType 2 =*/26).string(message.jsonRecord);
                if (message.avroEncodedRecord != null && $Object.hasOwnProperty.call(message, "avroEncodedRecord"))
                    writer.uint32(/* id 4, wireType 2 =*/34).bytes(message.avroEncodedRecord);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes an IngestRecordRequest message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.IngestRecordRequest
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.IngestRecordRequest & databricks.zerobus.IngestRecordRequest.$Shape} IngestRecordRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            IngestRecordRequest.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.IngestRecordRequest();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 0)
                                break;
                            message.offsetId = Number(reader.int64());
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            message.protoEncodedRecord = reader.bytes();
                            message.record = "protoEncodedRecord";
                            continue;
                        }
                    case 3: {
                            if (wireType !== 2)
                                break;
                            message.jsonRecord = reader.string();
                            message.record = "jsonRecord";
                            continue;
                        }
                    case 4: {
                            if (wireType !== 2)
                                break;
                            message.avroEncodedRecord = reader.bytes();
                            message.record = "avroEncodedRecord";
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return IngestRecordRequest;
        })();

        zerobus.ProtoEncodedRecordBatch = (function() {

            /**
             * Properties of a ProtoEncodedRecordBatch.
             * @typedef {Object} databricks.zerobus.ProtoEncodedRecordBatch.$Properties
             * @property {Array.<Uint8Array>|null} [records] ProtoEncodedRecordBatch records
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a ProtoEncodedRecordBatch.
             * @memberof databricks.zerobus
             * @interface IProtoEncodedRecordBatch
             * @augments databricks.zerobus.ProtoEncodedRecordBatch.$Properties
             * @deprecated Use databricks.zerobus.ProtoEncodedRecordBatch.$Properties instead.
             */

            /**
             * Shape of a ProtoEncodedRecordBatch.
             * @typedef {databricks.zerobus.ProtoEncodedRecordBatch.$Properties} databricks.zerobus.ProtoEncodedRecordBatch.$Shape
             */

            /**
             * Constructs a new ProtoEncodedRecordBatch.
             * @memberof databricks.zerobus
             * @classdesc Represents a ProtoEncodedRecordBatch.
             * @constructor
             * @param {databricks.zerobus.ProtoEncodedRecordBatch.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const ProtoEncodedRecordBatch = function (properties) {
                this.records = [];
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * ProtoEncodedRecordBatch records.
             * @member {Array.<Uint8Array>} records
             * @memberof databricks.zerobus.ProtoEncodedRecordBatch
             * @instance
             */
            ProtoEncodedRecordBatch.prototype.records = $util.emptyArray;

            /**
             * Creates a new ProtoEncodedRecordBatch instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.ProtoEncodedRecordBatch
             * @static
             * @param {databricks.zerobus.ProtoEncodedRecordBatch.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.ProtoEncodedRecordBatch} ProtoEncodedRecordBatch instance
             * @type {{
             *   (properties: databricks.zerobus.ProtoEncodedRecordBatch.$Shape): databricks.zerobus.ProtoEncodedRecordBatch & databricks.zerobus.ProtoEncodedRecordBatch.$Shape;
             *   (properties?: databricks.zerobus.ProtoEncodedRecordBatch.$Properties): databricks.zerobus.ProtoEncodedRecordBatch;
             * }}
             */
            ProtoEncodedRecordBatch.create = function(properties) {
                return new ProtoEncodedRecordBatch(properties);
            };

            /**
             * Encodes the specified ProtoEncodedRecordBatch message. Does not implicitly {@link databricks.zerobus.ProtoEncodedRecordBatch.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.ProtoEncodedRecordBatch
             * @static
             * @param {databricks.zerobus.ProtoEncodedRecordBatch.$Properties} message ProtoEncodedRecordBatch message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            ProtoEncodedRecordBatch.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.records != null && message.records.length)
                    for (let i = 0; i < message.records.length; ++i)
                        writer.uint32(/* id 1, wireType 2 =*/10).bytes(message.records[i]);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes a ProtoEncodedRecordBatch message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.ProtoEncodedRecordBatch
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.ProtoEncodedRecordBatch & databricks.zerobus.ProtoEncodedRecordBatch.$Shape} ProtoEncodedRecordBatch
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            ProtoEncodedRecordBatch.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.ProtoEncodedRecordBatch();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if (!(message.records && message.records.length))
                                message.records = [];
                            message.records.push(reader.bytes());
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return ProtoEncodedRecordBatch;
        })();

        zerobus.JsonRecordBatch = (function() {

            /**
             * Properties of a JsonRecordBatch.
             * @typedef {Object} databricks.zerobus.JsonRecordBatch.$Properties
             * @property {Array.<string>|null} [records] JsonRecordBatch records
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a JsonRecordBatch.
             * @memberof databricks.zerobus
             * @interface IJsonRecordBatch
             * @augments databricks.zerobus.JsonRecordBatch.$Properties
             * @deprecated Use databricks.zerobus.JsonRecordBatch.$Properties instead.
             */

            /**
             * Shape of a JsonRecordBatch.
             * @typedef {databricks.zerobus.JsonRecordBatch.$Properties} databricks.zerobus.JsonRecordBatch.$Shape
             */

            /**
             * Constructs a new JsonRecordBatch.
             * @memberof databricks.zerobus
             * @classdesc Represents a JsonRecordBatch.
             * @constructor
             * @param {databricks.zerobus.JsonRecordBatch.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const JsonRecordBatch = function (properties) {
                this.records = [];
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * JsonRecordBatch records.
             * @member {Array.<string>} records
             * @memberof databricks.zerobus.JsonRecordBatch
             * @instance
             */
            JsonRecordBatch.prototype.records = $util.emptyArray;

            /**
             * Creates a new JsonRecordBatch instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.JsonRecordBatch
             * @static
             * @param {databricks.zerobus.JsonRecordBatch.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.JsonRecordBatch} JsonRecordBatch instance
             * @type {{
             *   (properties: databricks.zerobus.JsonRecordBatch.$Shape): databricks.zerobus.JsonRecordBatch & databricks.zerobus.JsonRecordBatch.$Shape;
             *   (properties?: databricks.zerobus.JsonRecordBatch.$Properties): databricks.zerobus.JsonRecordBatch;
             * }}
             */
            JsonRecordBatch.create = function(properties) {
                return new JsonRecordBatch(properties);
            };

            /**
             * Encodes the specified JsonRecordBatch message. Does not implicitly {@link databricks.zerobus.JsonRecordBatch.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.JsonRecordBatch
             * @static
             * @param {databricks.zerobus.JsonRecordBatch.$Properties} message JsonRecordBatch message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            JsonRecordBatch.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.records != null && message.records.length)
                    for (let i = 0; i < message.records.length; ++i)
                        writer.uint32(/* id 1, wireType 2 =*/10).string(message.records[i]);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes a JsonRecordBatch message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.JsonRecordBatch
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.JsonRecordBatch & databricks.zerobus.JsonRecordBatch.$Shape} JsonRecordBatch
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            JsonRecordBatch.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.JsonRecordBatch();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if (!(message.records && message.records.length))
                                message.records = [];
                            message.records.push(reader.string());
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return JsonRecordBatch;
        })();

        zerobus.AvroRecordBatch = (function() {

            /**
             * Properties of an AvroRecordBatch.
             * @typedef {Object} databricks.zerobus.AvroRecordBatch.$Properties
             * @property {Array.<Uint8Array>|null} [records] AvroRecordBatch records
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of an AvroRecordBatch.
             * @memberof databricks.zerobus
             * @interface IAvroRecordBatch
             * @augments databricks.zerobus.AvroRecordBatch.$Properties
             * @deprecated Use databricks.zerobus.AvroRecordBatch.$Properties instead.
             */

            /**
             * Shape of an AvroRecordBatch.
             * @typedef {databricks.zerobus.AvroRecordBatch.$Properties} databricks.zerobus.AvroRecordBatch.$Shape
             */

            /**
             * Constructs a new AvroRecordBatch.
             * @memberof databricks.zerobus
             * @classdesc Represents an AvroRecordBatch.
             * @constructor
             * @param {databricks.zerobus.AvroRecordBatch.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const AvroRecordBatch = function (properties) {
                this.records = [];
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * AvroRecordBatch records.
             * @member {Array.<Uint8Array>} records
             * @memberof databricks.zerobus.AvroRecordBatch
             * @instance
             */
            AvroRecordBatch.prototype.records = $util.emptyArray;

            /**
             * Creates a new AvroRecordBatch instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.AvroRecordBatch
             * @static
             * @param {databricks.zerobus.AvroRecordBatch.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.AvroRecordBatch} AvroRecordBatch instance
             * @type {{
             *   (properties: databricks.zerobus.AvroRecordBatch.$Shape): databricks.zerobus.AvroRecordBatch & databricks.zerobus.AvroRecordBatch.$Shape;
             *   (properties?: databricks.zerobus.AvroRecordBatch.$Properties): databricks.zerobus.AvroRecordBatch;
             * }}
             */
            AvroRecordBatch.create = function(properties) {
                return new AvroRecordBatch(properties);
            };

            /**
             * Encodes the specified AvroRecordBatch message. Does not implicitly {@link databricks.zerobus.AvroRecordBatch.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.AvroRecordBatch
             * @static
             * @param {databricks.zerobus.AvroRecordBatch.$Properties} message AvroRecordBatch message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            AvroRecordBatch.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.records != null && message.records.length)
                    for (let i = 0; i < message.records.length; ++i)
                        writer.uint32(/* id 1, wireType 2 =*/10).bytes(message.records[i]);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes an AvroRecordBatch message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.AvroRecordBatch
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.AvroRecordBatch & databricks.zerobus.AvroRecordBatch.$Shape} AvroRecordBatch
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            AvroRecordBatch.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.AvroRecordBatch();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if (!(message.records && message.records.length))
                                message.records = [];
                            message.records.push(reader.bytes());
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return AvroRecordBatch;
        })();

        zerobus.IngestRecordBatchRequest = (function() {

            /**
             * Properties of an IngestRecordBatchRequest.
             * @typedef {Object} databricks.zerobus.IngestRecordBatchRequest.$Properties
             * @property {number|null} [offsetId] IngestRecordBatchRequest offsetId
             * @property {databricks.zerobus.ProtoEncodedRecordBatch.$Properties|null} [protoEncodedBatch] IngestRecordBatchRequest protoEncodedBatch
             * @property {databricks.zerobus.JsonRecordBatch.$Properties|null} [jsonBatch] IngestRecordBatchRequest jsonBatch
             * @property {databricks.zerobus.AvroRecordBatch.$Properties|null} [avroBatch] IngestRecordBatchRequest avroBatch
             * @property {"protoEncodedBatch"|"jsonBatch"|"avroBatch"} [batch] IngestRecordBatchRequest batch
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of an IngestRecordBatchRequest.
             * @memberof databricks.zerobus
             * @interface IIngestRecordBatchRequest
             * @augments databricks.zerobus.IngestRecordBatchRequest.$Properties
             * @deprecated Use databricks.zerobus.IngestRecordBatchRequest.$Properties instead.
             */

            /**
             * Narrowed shape of an IngestRecordBatchRequest.
             * @typedef {{
             *   offsetId?: number|null;
             *   protoEncodedBatch?: databricks.zerobus.ProtoEncodedRecordBatch.$Shape|null;
             *   jsonBatch?: databricks.zerobus.JsonRecordBatch.$Shape|null;
             *   avroBatch?: databricks.zerobus.AvroRecordBatch.$Shape|null;
             *   $unknowns?: Array.<Uint8Array>;
             * } & (
             *   ({ batch?: undefined; protoEncodedBatch?: null; jsonBatch?: null; avroBatch?: null }|{ batch?: "protoEncodedBatch"; protoEncodedBatch: databricks.zerobus.ProtoEncodedRecordBatch.$Shape; jsonBatch?: null; avroBatch?: null }|{ batch?: "jsonBatch"; protoEncodedBatch?: null; jsonBatch: databricks.zerobus.JsonRecordBatch.$Shape; avroBatch?: null }|{ batch?: "avroBatch"; protoEncodedBatch?: null; jsonBatch?: null; avroBatch: databricks.zerobus.AvroRecordBatch.$Shape })
             * )} databricks.zerobus.IngestRecordBatchRequest.$Shape
             */

            /**
             * Constructs a new IngestRecordBatchRequest.
             * @memberof databricks.zerobus
             * @classdesc Represents an IngestRecordBatchRequest.
             * @constructor
             * @param {databricks.zerobus.IngestRecordBatchRequest.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const IngestRecordBatchRequest = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * IngestRecordBatchRequest offsetId.
             * @member {number} offsetId
             * @memberof databricks.zerobus.IngestRecordBatchRequest
             * @instance
             */
            IngestRecordBatchRequest.prototype.offsetId = $util.Long ? $util.Long.fromBits(0,0,false) : 0;

            /**
             * IngestRecordBatchRequest protoEncodedBatch.
             * @member {databricks.zerobus.ProtoEncodedRecordBatch.$Properties|null|undefined} protoEncodedBatch
             * @memberof databricks.zerobus.IngestRecordBatchRequest
             * @instance
             */
            IngestRecordBatchRequest.prototype.protoEncodedBatch = null;

            /**
             * IngestRecordBatchRequest jsonBatch.
             * @member {databricks.zerobus.JsonRecordBatch.$Properties|null|undefined} jsonBatch
             * @memberof databricks.zerobus.IngestRecordBatchRequest
             * @instance
             */
            IngestRecordBatchRequest.prototype.jsonBatch = null;

            /**
             * IngestRecordBatchRequest avroBatch.
             * @member {databricks.zerobus.AvroRecordBatch.$Properties|null|undefined} avroBatch
             * @memberof databricks.zerobus.IngestRecordBatchRequest
             * @instance
             */
            IngestRecordBatchRequest.prototype.avroBatch = null;

            // OneOf field names bound to virtual getters and setters
            let $oneOfFields;

            /**
             * IngestRecordBatchRequest batch.
             * @member {"protoEncodedBatch"|"jsonBatch"|"avroBatch"|undefined} batch
             * @memberof databricks.zerobus.IngestRecordBatchRequest
             * @instance
             */
            $Object.defineProperty(IngestRecordBatchRequest.prototype, "batch", {
                get: $util.oneOfGetter($oneOfFields = ["protoEncodedBatch", "jsonBatch", "avroBatch"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            /**
             * Creates a new IngestRecordBatchRequest instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.IngestRecordBatchRequest
             * @static
             * @param {databricks.zerobus.IngestRecordBatchRequest.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.IngestRecordBatchRequest} IngestRecordBatchRequest instance
             * @type {{
             *   (properties: databricks.zerobus.IngestRecordBatchRequest.$Shape): databricks.zerobus.IngestRecordBatchRequest & databricks.zerobus.IngestRecordBatchRequest.$Shape;
             *   (properties?: databricks.zerobus.IngestRecordBatchRequest.$Properties): databricks.zerobus.IngestRecordBatchRequest;
             * }}
             */
            IngestRecordBatchRequest.create = function(properties) {
                return new IngestRecordBatchRequest(properties);
            };

            /**
             * Encodes the specified IngestRecordBatchRequest message. Does not implicitly {@link databricks.zerobus.IngestRecordBatchRequest.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.IngestRecordBatchRequest
             * @static
             * @param {databricks.zerobus.IngestRecordBatchRequest.$Properties} message IngestRecordBatchRequest message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            IngestRecordBatchRequest.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.offsetId != null && $Object.hasOwnProperty.call(message, "offsetId"))
                    writer.uint32(/* id 1, wireType 0 =*/8).int64(message.offsetId);
                if (message.protoEncodedBatch != null && $Object.hasOwnProperty.call(message, "protoEncodedBatch"))
                    $root.databricks.zerobus.ProtoEncodedRecordBatch.encode(message.protoEncodedBatch, writer.uint32(/* id 2, wireType 2 =*/18).fork(), _depth + 1).ldelim();
                if (message.jsonBatch != null && $Object.hasOwnProperty.call(message, "jsonBatch"))
                    $root.databricks.zerobus.JsonRecordBatch.encode(message.jsonBatch, writer.uint32(/* id 3, wireType 2 =*/26).fork(), _depth + 1).ldelim();
                if (message.avroBatch != null && $Object.hasOwnProperty.call(message, "avroBatch"))
                    $root.databricks.zerobus.AvroRecordBatch.encode(message.avroBatch, writer.uint32(/* id 4, wireType 2 =*/34).fork(), _depth + 1).ldelim();
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes an IngestRecordBatchRequest message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.IngestRecordBatchRequest
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.IngestRecordBatchRequest & databricks.zerobus.IngestRecordBatchRequest.$Shape} IngestRecordBatchRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            IngestRecordBatchRequest.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.IngestRecordBatchRequest();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 0)
                                break;
                            message.offsetId = Number(reader.int64());
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            message.protoEncodedBatch = $root.databricks.zerobus.ProtoEncodedRecordBatch.decode(reader, reader.size(), $undefined, _depth + 1, message.protoEncodedBatch);
                            message.batch = "protoEncodedBatch";
                            continue;
                        }
                    case 3: {
                            if (wireType !== 2)
                                break;
                            message.jsonBatch = $root.databricks.zerobus.JsonRecordBatch.decode(reader, reader.size(), $undefined, _depth + 1, message.jsonBatch);
                            message.batch = "jsonBatch";
                            continue;
                        }
                    case 4: {
                            if (wireType !== 2)
                                break;
                            message.avroBatch = $root.databricks.zerobus.AvroRecordBatch.decode(reader, reader.size(), $undefined, _depth + 1, message.avroBatch);
                            message.batch = "avroBatch";
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return IngestRecordBatchRequest;
        })();

        zerobus.EphemeralStreamRequest = (function() {

            /**
             * Properties of an EphemeralStreamRequest.
             * @typedef {Object} databricks.zerobus.EphemeralStreamRequest.$Properties
             * @property {databricks.zerobus.CreateIngestStreamRequest.$Properties|null} [createStream] EphemeralStreamRequest createStream
             * @property {databricks.zerobus.IngestRecordRequest.$Properties|null} [ingestRecord] EphemeralStreamRequest ingestRecord
             * @property {databricks.zerobus.IngestRecordBatchRequest.$Properties|null} [ingestRecordBatch] EphemeralStreamRequest ingestRecordBatch
             * @property {"createStream"|"ingestRecord"|"ingestRecordBatch"} [payload] EphemeralStreamRequest payload
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of an EphemeralStreamRequest.
             * @memberof databricks.zerobus
             * @interface IEphemeralStreamRequest
             * @augments databricks.zerobus.EphemeralStreamRequest.$Properties
             * @deprecated Use databricks.zerobus.EphemeralStreamRequest.$Properties instead.
             */

            /**
             * Narrowed shape of an EphemeralStreamRequest.
             * @typedef {{
             *   createStream?: databricks.zerobus.CreateIngestStreamRequest.$Shape|null;
             *   ingestRecord?: databricks.zerobus.IngestRecordRequest.$Shape|null;
             *   ingestRecordBatch?: databricks.zerobus.IngestRecordBatchRequest.$Shape|null;
             *   $unknowns?: Array.<Uint8Array>;
             * } & (
             *   ({ payload?: undefined; createStream?: null; ingestRecord?: null; ingestRecordBatch?: null }|{ payload?: "createStream"; createStream: databricks.zerobus.CreateIngestStreamRequest.$Shape; ingestRecord?: null; ingestRecordBatch?: null }|{ payload?: "ingestRecord"; createStream?: null; ingestRecord: databricks.zerobus.IngestRecordRequest.$Shape; ingestRecordBatch?: null }|{ payload?: "ingestRecordBatch"; createStream?: null; ingestRecord?: null; ingestRecordBatch: databricks.zerobus.IngestRecordBatchRequest.$Shape })
             * )} databricks.zerobus.EphemeralStreamRequest.$Shape
             */

            /**
             * Constructs a new EphemeralStreamRequest.
             * @memberof databricks.zerobus
             * @classdesc Represents an EphemeralStreamRequest.
             * @constructor
             * @param {databricks.zerobus.EphemeralStreamRequest.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const EphemeralStreamRequest = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * EphemeralStreamRequest createStream.
             * @member {databricks.zerobus.CreateIngestStreamRequest.$Properties|null|undefined} createStream
             * @memberof databricks.zerobus.EphemeralStreamRequest
             * @instance
             */
            EphemeralStreamRequest.prototype.createStream = null;

            /**
             * EphemeralStreamRequest ingestRecord.
             * @member {databricks.zerobus.IngestRecordRequest.$Properties|null|undefined} ingestRecord
             * @memberof databricks.zerobus.EphemeralStreamRequest
             * @instance
             */
            EphemeralStreamRequest.prototype.ingestRecord = null;

            /**
             * EphemeralStreamRequest ingestRecordBatch.
             * @member {databricks.zerobus.IngestRecordBatchRequest.$Properties|null|undefined} ingestRecordBatch
             * @memberof databricks.zerobus.EphemeralStreamRequest
             * @instance
             */
            EphemeralStreamRequest.prototype.ingestRecordBatch = null;

            // OneOf field names bound to virtual getters and setters
            let $oneOfFields;

            /**
             * EphemeralStreamRequest payload.
             * @member {"createStream"|"ingestRecord"|"ingestRecordBatch"|undefined} payload
             * @memberof databricks.zerobus.EphemeralStreamRequest
             * @instance
             */
            $Object.defineProperty(EphemeralStreamRequest.prototype, "payload", {
                get: $util.oneOfGetter($oneOfFields = ["createStream", "ingestRecord", "ingestRecordBatch"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            /**
             * Creates a new EphemeralStreamRequest instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.EphemeralStreamRequest
             * @static
             * @param {databricks.zerobus.EphemeralStreamRequest.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.EphemeralStreamRequest} EphemeralStreamRequest instance
             * @type {{
             *   (properties: databricks.zerobus.EphemeralStreamRequest.$Shape): databricks.zerobus.EphemeralStreamRequest & databricks.zerobus.EphemeralStreamRequest.$Shape;
             *   (properties?: databricks.zerobus.EphemeralStreamRequest.$Properties): databricks.zerobus.EphemeralStreamRequest;
             * }}
             */
            EphemeralStreamRequest.create = function(properties) {
                return new EphemeralStreamRequest(properties);
            };

            /**
             * Encodes the specified EphemeralStreamRequest message. Does not implicitly {@link databricks.zerobus.EphemeralStreamRequest.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.EphemeralStreamRequest
             * @static
             * @param {databricks.zerobus.EphemeralStreamRequest.$Properties} message EphemeralStreamRequest message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            EphemeralStreamRequest.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.createStream != null && $Object.hasOwnProperty.call(message, "createStream"))
                    $root.databricks.zerobus.CreateIngestStreamRequest.encode(message.createStream, writer.uint32(/* id 1, wireType 2 =*/10).fork(), _depth + 1).ldelim();
                if (message.ingestRecord != null && $Object.hasOwnProperty.call(message, "ingestRecord"))
                    $root.databricks.zerobus.IngestRecordRequest.encode(message.ingestRecord, writer.uint32(/* id 2, wireType 2 =*/18).fork(), _depth + 1).ldelim();
                if (message.ingestRecordBatch != null && $Object.hasOwnProperty.call(message, "ingestRecordBatch"))
                    $root.databricks.zerobus.IngestRecordBatchRequest.encode(message.ingestRecordBatch, writer.uint32(/* id 3, wireType 2 =*/26).fork(), _depth + 1).ldelim();
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes an EphemeralStreamRequest message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.EphemeralStreamRequest
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.EphemeralStreamRequest & databricks.zerobus.EphemeralStreamRequest.$Shape} EphemeralStreamRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            EphemeralStreamRequest.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.EphemeralStreamRequest();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            message.createStream = $root.databricks.zerobus.CreateIngestStreamRequest.decode(reader, reader.size(), $undefined, _depth + 1, message.createStream);
                            message.payload = "createStream";
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            message.ingestRecord = $root.databricks.zerobus.IngestRecordRequest.decode(reader, reader.size(), $undefined, _depth + 1, message.ingestRecord);
                            message.payload = "ingestRecord";
                            continue;
                        }
                    case 3: {
                            if (wireType !== 2)
                                break;
                            message.ingestRecordBatch = $root.databricks.zerobus.IngestRecordBatchRequest.decode(reader, reader.size(), $undefined, _depth + 1, message.ingestRecordBatch);
                            message.payload = "ingestRecordBatch";
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return EphemeralStreamRequest;
        })();

        zerobus.IngestRecordResponse = (function() {

            /**
             * Properties of an IngestRecordResponse.
             * @typedef {Object} databricks.zerobus.IngestRecordResponse.$Properties
             * @property {number|null} [durabilityAckUpToOffset] IngestRecordResponse durabilityAckUpToOffset
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of an IngestRecordResponse.
             * @memberof databricks.zerobus
             * @interface IIngestRecordResponse
             * @augments databricks.zerobus.IngestRecordResponse.$Properties
             * @deprecated Use databricks.zerobus.IngestRecordResponse.$Properties instead.
             */

            /**
             * Shape of an IngestRecordResponse.
             * @typedef {databricks.zerobus.IngestRecordResponse.$Properties} databricks.zerobus.IngestRecordResponse.$Shape
             */

            /**
             * Constructs a new IngestRecordResponse.
             * @memberof databricks.zerobus
             * @classdesc Represents an IngestRecordResponse.
             * @constructor
             * @param {databricks.zerobus.IngestRecordResponse.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const IngestRecordResponse = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * IngestRecordResponse durabilityAckUpToOffset.
             * @member {number} durabilityAckUpToOffset
             * @memberof databricks.zerobus.IngestRecordResponse
             * @instance
             */
            IngestRecordResponse.prototype.durabilityAckUpToOffset = $util.Long ? $util.Long.fromBits(0,0,false) : 0;

            /**
             * Creates a new IngestRecordResponse instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.IngestRecordResponse
             * @static
             * @param {databricks.zerobus.IngestRecordResponse.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.IngestRecordResponse} IngestRecordResponse instance
             * @type {{
             *   (properties: databricks.zerobus.IngestRecordResponse.$Shape): databricks.zerobus.IngestRecordResponse & databricks.zerobus.IngestRecordResponse.$Shape;
             *   (properties?: databricks.zerobus.IngestRecordResponse.$Properties): databricks.zerobus.IngestRecordResponse;
             * }}
             */
            IngestRecordResponse.create = function(properties) {
                return new IngestRecordResponse(properties);
            };

            /**
             * Encodes the specified IngestRecordResponse message. Does not implicitly {@link databricks.zerobus.IngestRecordResponse.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.IngestRecordResponse
             * @static
             * @param {databricks.zerobus.IngestRecordResponse.$Properties} message IngestRecordResponse message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            IngestRecordResponse.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.durabilityAckUpToOffset != null && $Object.hasOwnProperty.call(message, "durabilityAckUpToOffset"))
                    writer.uint32(/* id 1, wireType 0 =*/8).int64(message.durabilityAckUpToOffset);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes an IngestRecordResponse message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.IngestRecordResponse
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.IngestRecordResponse & databricks.zerobus.IngestRecordResponse.$Shape} IngestRecordResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            IngestRecordResponse.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.IngestRecordResponse();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 0)
                                break;
                            message.durabilityAckUpToOffset = Number(reader.int64());
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return IngestRecordResponse;
        })();

        zerobus.CloseStreamSignal = (function() {

            /**
             * Properties of a CloseStreamSignal.
             * @typedef {Object} databricks.zerobus.CloseStreamSignal.$Properties
             * @property {google.protobuf.Duration.$Properties|null} [duration] CloseStreamSignal duration
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a CloseStreamSignal.
             * @memberof databricks.zerobus
             * @interface ICloseStreamSignal
             * @augments databricks.zerobus.CloseStreamSignal.$Properties
             * @deprecated Use databricks.zerobus.CloseStreamSignal.$Properties instead.
             */

            /**
             * Shape of a CloseStreamSignal.
             * @typedef {databricks.zerobus.CloseStreamSignal.$Properties} databricks.zerobus.CloseStreamSignal.$Shape
             */

            /**
             * Constructs a new CloseStreamSignal.
             * @memberof databricks.zerobus
             * @classdesc Represents a CloseStreamSignal.
             * @constructor
             * @param {databricks.zerobus.CloseStreamSignal.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const CloseStreamSignal = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * CloseStreamSignal duration.
             * @member {google.protobuf.Duration.$Properties|null|undefined} duration
             * @memberof databricks.zerobus.CloseStreamSignal
             * @instance
             */
            CloseStreamSignal.prototype.duration = null;

            /**
             * Creates a new CloseStreamSignal instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.CloseStreamSignal
             * @static
             * @param {databricks.zerobus.CloseStreamSignal.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.CloseStreamSignal} CloseStreamSignal instance
             * @type {{
             *   (properties: databricks.zerobus.CloseStreamSignal.$Shape): databricks.zerobus.CloseStreamSignal & databricks.zerobus.CloseStreamSignal.$Shape;
             *   (properties?: databricks.zerobus.CloseStreamSignal.$Properties): databricks.zerobus.CloseStreamSignal;
             * }}
             */
            CloseStreamSignal.create = function(properties) {
                return new CloseStreamSignal(properties);
            };

            /**
             * Encodes the specified CloseStreamSignal message. Does not implicitly {@link databricks.zerobus.CloseStreamSignal.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.CloseStreamSignal
             * @static
             * @param {databricks.zerobus.CloseStreamSignal.$Properties} message CloseStreamSignal message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            CloseStreamSignal.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.duration != null && $Object.hasOwnProperty.call(message, "duration"))
                    $root.google.protobuf.Duration.encode(message.duration, writer.uint32(/* id 1, wireType 2 =*/10).fork(), _depth + 1).ldelim();
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes a CloseStreamSignal message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.CloseStreamSignal
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.CloseStreamSignal & databricks.zerobus.CloseStreamSignal.$Shape} CloseStreamSignal
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            CloseStreamSignal.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.CloseStreamSignal();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            message.duration = $root.google.protobuf.Duration.decode(reader, reader.size(), $undefined, _depth + 1, message.duration);
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return CloseStreamSignal;
        })();

        zerobus.EphemeralStreamResponse = (function() {

            /**
             * Properties of an EphemeralStreamResponse.
             * @typedef {Object} databricks.zerobus.EphemeralStreamResponse.$Properties
             * @property {databricks.zerobus.CreateIngestStreamResponse.$Properties|null} [createStreamResponse] EphemeralStreamResponse createStreamResponse
             * @property {databricks.zerobus.IngestRecordResponse.$Properties|null} [ingestRecordResponse] EphemeralStreamResponse ingestRecordResponse
             * @property {databricks.zerobus.CloseStreamSignal.$Properties|null} [closeStreamSignal] EphemeralStreamResponse closeStreamSignal
             * @property {"createStreamResponse"|"ingestRecordResponse"|"closeStreamSignal"} [payload] EphemeralStreamResponse payload
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of an EphemeralStreamResponse.
             * @memberof databricks.zerobus
             * @interface IEphemeralStreamResponse
             * @augments databricks.zerobus.EphemeralStreamResponse.$Properties
             * @deprecated Use databricks.zerobus.EphemeralStreamResponse.$Properties instead.
             */

            /**
             * Narrowed shape of an EphemeralStreamResponse.
             * @typedef {{
             *   createStreamResponse?: databricks.zerobus.CreateIngestStreamResponse.$Shape|null;
             *   ingestRecordResponse?: databricks.zerobus.IngestRecordResponse.$Shape|null;
             *   closeStreamSignal?: databricks.zerobus.CloseStreamSignal.$Shape|null;
             *   $unknowns?: Array.<Uint8Array>;
             * } & (
             *   ({ payload?: undefined; createStreamResponse?: null; ingestRecordResponse?: null; closeStreamSignal?: null }|{ payload?: "createStreamResponse"; createStreamResponse: databricks.zerobus.CreateIngestStreamResponse.$Shape; ingestRecordResponse?: null; closeStreamSignal?: null }|{ payload?: "ingestRecordResponse"; createStreamResponse?: null; ingestRecordResponse: databricks.zerobus.IngestRecordResponse.$Shape; closeStreamSignal?: null }|{ payload?: "closeStreamSignal"; createStreamResponse?: null; ingestRecordResponse?: null; closeStreamSignal: databricks.zerobus.CloseStreamSignal.$Shape })
             * )} databricks.zerobus.EphemeralStreamResponse.$Shape
             */

            /**
             * Constructs a new EphemeralStreamResponse.
             * @memberof databricks.zerobus
             * @classdesc Represents an EphemeralStreamResponse.
             * @constructor
             * @param {databricks.zerobus.EphemeralStreamResponse.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const EphemeralStreamResponse = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * EphemeralStreamResponse createStreamResponse.
             * @member {databricks.zerobus.CreateIngestStreamResponse.$Properties|null|undefined} createStreamResponse
             * @memberof databricks.zerobus.EphemeralStreamResponse
             * @instance
             */
            EphemeralStreamResponse.prototype.createStreamResponse = null;

            /**
             * EphemeralStreamResponse ingestRecordResponse.
             * @member {databricks.zerobus.IngestRecordResponse.$Properties|null|undefined} ingestRecordResponse
             * @memberof databricks.zerobus.EphemeralStreamResponse
             * @instance
             */
            EphemeralStreamResponse.prototype.ingestRecordResponse = null;

            /**
             * EphemeralStreamResponse closeStreamSignal.
             * @member {databricks.zerobus.CloseStreamSignal.$Properties|null|undefined} closeStreamSignal
             * @memberof databricks.zerobus.EphemeralStreamResponse
             * @instance
             */
            EphemeralStreamResponse.prototype.closeStreamSignal = null;

            // OneOf field names bound to virtual getters and setters
            let $oneOfFields;

            /**
             * EphemeralStreamResponse payload.
             * @member {"createStreamResponse"|"ingestRecordResponse"|"closeStreamSignal"|undefined} payload
             * @memberof databricks.zerobus.EphemeralStreamResponse
             * @instance
             */
            $Object.defineProperty(EphemeralStreamResponse.prototype, "payload", {
                get: $util.oneOfGetter($oneOfFields = ["createStreamResponse", "ingestRecordResponse", "closeStreamSignal"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            /**
             * Creates a new EphemeralStreamResponse instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.EphemeralStreamResponse
             * @static
             * @param {databricks.zerobus.EphemeralStreamResponse.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.EphemeralStreamResponse} EphemeralStreamResponse instance
             * @type {{
             *   (properties: databricks.zerobus.EphemeralStreamResponse.$Shape): databricks.zerobus.EphemeralStreamResponse & databricks.zerobus.EphemeralStreamResponse.$Shape;
             *   (properties?: databricks.zerobus.EphemeralStreamResponse.$Properties): databricks.zerobus.EphemeralStreamResponse;
             * }}
             */
            EphemeralStreamResponse.create = function(properties) {
                return new EphemeralStreamResponse(properties);
            };

            /**
             * Encodes the specified EphemeralStreamResponse message. Does not implicitly {@link databricks.zerobus.EphemeralStreamResponse.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.EphemeralStreamResponse
             * @static
             * @param {databricks.zerobus.EphemeralStreamResponse.$Properties} message EphemeralStreamResponse message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            EphemeralStreamResponse.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.createStreamResponse != null && $Object.hasOwnProperty.call(message, "createStreamResponse"))
                    $root.databricks.zerobus.CreateIngestStreamResponse.encode(message.createStreamResponse, writer.uint32(/* id 1, wireType 2 =*/10).fork(), _depth + 1).ldelim();
                if (message.ingestRecordResponse != null && $Object.hasOwnProperty.call(message, "ingestRecordResponse"))
                    $root.databricks.zerobus.IngestRecordResponse.encode(message.ingestRecordResponse, writer.uint32(/* id 2, wireType 2 =*/18).fork(), _depth + 1).ldelim();
                if (message.closeStreamSignal != null && $Object.hasOwnProperty.call(message, "closeStreamSignal"))
                    $root.databricks.zerobus.CloseStreamSignal.encode(message.closeStreamSignal, writer.uint32(/* id 3, wireType 2 =*/26).fork(), _depth + 1).ldelim();
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes an EphemeralStreamResponse message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.EphemeralStreamResponse
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.EphemeralStreamResponse & databricks.zerobus.EphemeralStreamResponse.$Shape} EphemeralStreamResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            EphemeralStreamResponse.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.EphemeralStreamResponse();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            message.createStreamResponse = $root.databricks.zerobus.CreateIngestStreamResponse.decode(reader, reader.size(), $undefined, _depth + 1, message.createStreamResponse);
                            message.payload = "createStreamResponse";
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            message.ingestRecordResponse = $root.databricks.zerobus.IngestRecordResponse.decode(reader, reader.size(), $undefined, _depth + 1, message.ingestRecordResponse);
                            message.payload = "ingestRecordResponse";
                            continue;
                        }
                    case 3: {
                            if (wireType !== 2)
                                break;
                            message.closeStreamSignal = $root.databricks.zerobus.CloseStreamSignal.decode(reader, reader.size(), $undefined, _depth + 1, message.closeStreamSignal);
                            message.payload = "closeStreamSignal";
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return EphemeralStreamResponse;
        })();

        zerobus.CreatePersistentStreamRequest = (function() {

            /**
             * Properties of a CreatePersistentStreamRequest.
             * @typedef {Object} databricks.zerobus.CreatePersistentStreamRequest.$Properties
             * @property {databricks.zerobus.CreateIngestStreamRequest.$Properties|null} [createStream] CreatePersistentStreamRequest createStream
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a CreatePersistentStreamRequest.
             * @memberof databricks.zerobus
             * @interface ICreatePersistentStreamRequest
             * @augments databricks.zerobus.CreatePersistentStreamRequest.$Properties
             * @deprecated Use databricks.zerobus.CreatePersistentStreamRequest.$Properties instead.
             */

            /**
             * Shape of a CreatePersistentStreamRequest.
             * @typedef {databricks.zerobus.CreatePersistentStreamRequest.$Properties} databricks.zerobus.CreatePersistentStreamRequest.$Shape
             */

            /**
             * Constructs a new CreatePersistentStreamRequest.
             * @memberof databricks.zerobus
             * @classdesc Represents a CreatePersistentStreamRequest.
             * @constructor
             * @param {databricks.zerobus.CreatePersistentStreamRequest.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const CreatePersistentStreamRequest = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * CreatePersistentStreamRequest createStream.
             * @member {databricks.zerobus.CreateIngestStreamRequest.$Properties|null|undefined} createStream
             * @memberof databricks.zerobus.CreatePersistentStreamRequest
             * @instance
             */
            CreatePersistentStreamRequest.prototype.createStream = null;

            /**
             * Creates a new CreatePersistentStreamRequest instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.CreatePersistentStreamRequest
             * @static
             * @param {databricks.zerobus.CreatePersistentStreamRequest.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.CreatePersistentStreamRequest} CreatePersistentStreamRequest instance
             * @type {{
             *   (properties: databricks.zerobus.CreatePersistentStreamRequest.$Shape): databricks.zerobus.CreatePersistentStreamRequest & databricks.zerobus.CreatePersistentStreamRequest.$Shape;
             *   (properties?: databricks.zerobus.CreatePersistentStreamRequest.$Properties): databricks.zerobus.CreatePersistentStreamRequest;
             * }}
             */
            CreatePersistentStreamRequest.create = function(properties) {
                return new CreatePersistentStreamRequest(properties);
            };

            /**
             * Encodes the specified CreatePersistentStreamRequest message. Does not implicitly {@link databricks.zerobus.CreatePersistentStreamRequest.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.CreatePersistentStreamRequest
             * @static
             * @param {databricks.zerobus.CreatePersistentStreamRequest.$Properties} message CreatePersistentStreamRequest message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            CreatePersistentStreamRequest.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.createStream != null && $Object.hasOwnProperty.call(message, "createStream"))
                    $root.databricks.zerobus.CreateIngestStreamRequest.encode(message.createStream, writer.uint32(/* id 1, wireType 2 =*/10).fork(), _depth + 1).ldelim();
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes a CreatePersistentStreamRequest message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.CreatePersistentStreamRequest
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.CreatePersistentStreamRequest & databricks.zerobus.CreatePersistentStreamRequest.$Shape} CreatePersistentStreamRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            CreatePersistentStreamRequest.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.CreatePersistentStreamRequest();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            message.createStream = $root.databricks.zerobus.CreateIngestStreamRequest.decode(reader, reader.size(), $undefined, _depth + 1, message.createStream);
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return CreatePersistentStreamRequest;
        })();

        zerobus.ResumeIngestStreamRequest = (function() {

            /**
             * Properties of a ResumeIngestStreamRequest.
             * @typedef {Object} databricks.zerobus.ResumeIngestStreamRequest.$Properties
             * @property {string|null} [streamId] ResumeIngestStreamRequest streamId
             * @property {Uint8Array|null} [descriptorProto] ResumeIngestStreamRequest descriptorProto
             * @property {databricks.zerobus.RecordType|null} [recordType] ResumeIngestStreamRequest recordType
             * @property {"streamId"} [identifier] ResumeIngestStreamRequest identifier
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a ResumeIngestStreamRequest.
             * @memberof databricks.zerobus
             * @interface IResumeIngestStreamRequest
             * @augments databricks.zerobus.ResumeIngestStreamRequest.$Properties
             * @deprecated Use databricks.zerobus.ResumeIngestStreamRequest.$Properties instead.
             */

            /**
             * Narrowed shape of a ResumeIngestStreamRequest.
             * @typedef {{
             *   streamId?: string|null;
             *   descriptorProto?: Uint8Array|null;
             *   recordType?: databricks.zerobus.RecordType|null;
             *   $unknowns?: Array.<Uint8Array>;
             * } & (
             *   ({ identifier?: undefined; streamId?: null }|{ identifier?: "streamId"; streamId: string })
             * )} databricks.zerobus.ResumeIngestStreamRequest.$Shape
             */

            /**
             * Constructs a new ResumeIngestStreamRequest.
             * @memberof databricks.zerobus
             * @classdesc Represents a ResumeIngestStreamRequest.
             * @constructor
             * @param {databricks.zerobus.ResumeIngestStreamRequest.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const ResumeIngestStreamRequest = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * ResumeIngestStreamRequest streamId.
             * @member {string|null|undefined} streamId
             * @memberof databricks.zerobus.ResumeIngestStreamRequest
             * @instance
             */
            ResumeIngestStreamRequest.prototype.streamId = null;

            /**
             * ResumeIngestStreamRequest descriptorProto.
             * @member {Uint8Array} descriptorProto
             * @memberof databricks.zerobus.ResumeIngestStreamRequest
             * @instance
             */
            ResumeIngestStreamRequest.prototype.descriptorProto = $util.newBuffer([]);

            /**
             * ResumeIngestStreamRequest recordType.
             * @member {databricks.zerobus.RecordType} recordType
             * @memberof databricks.zerobus.ResumeIngestStreamRequest
             * @instance
             */
            ResumeIngestStreamRequest.prototype.recordType = 0;

            // OneOf field names bound to virtual getters and setters
            let $oneOfFields;

            /**
             * ResumeIngestStreamRequest identifier.
             * @member {"streamId"|undefined} identifier
             * @memberof databricks.zerobus.ResumeIngestStreamRequest
             * @instance
             */
            $Object.defineProperty(ResumeIngestStreamRequest.prototype, "identifier", {
                get: $util.oneOfGetter($oneOfFields = ["streamId"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            /**
             * Creates a new ResumeIngestStreamRequest instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.ResumeIngestStreamRequest
             * @static
             * @param {databricks.zerobus.ResumeIngestStreamRequest.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.ResumeIngestStreamRequest} ResumeIngestStreamRequest instance
             * @type {{
             *   (properties: databricks.zerobus.ResumeIngestStreamRequest.$Shape): databricks.zerobus.ResumeIngestStreamRequest & databricks.zerobus.ResumeIngestStreamRequest.$Shape;
             *   (properties?: databricks.zerobus.ResumeIngestStreamRequest.$Properties): databricks.zerobus.ResumeIngestStreamRequest;
             * }}
             */
            ResumeIngestStreamRequest.create = function(properties) {
                return new ResumeIngestStreamRequest(properties);
            };

            /**
             * Encodes the specified ResumeIngestStreamRequest message. Does not implicitly {@link databricks.zerobus.ResumeIngestStreamRequest.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.ResumeIngestStreamRequest
             * @static
             * @param {databricks.zerobus.ResumeIngestStreamRequest.$Properties} message ResumeIngestStreamRequest message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            ResumeIngestStreamRequest.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.streamId != null && $Object.hasOwnProperty.call(message, "streamId"))
                    writer.uint32(/* id 1, wireType 2 =*/10).string(message.streamId);
                if (message.descriptorProto != null && $Object.hasOwnProperty.call(message, "descriptorProto"))
                    writer.uint32(/* id 2, wireType 2 =*/18).bytes(message.descriptorProto);
                if (message.recordType != null && $Object.hasOwnProperty.call(message, "recordType"))
                    writer.uint32(/* id 3, wireType 0 =*/24).int32(message.recordType);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes a ResumeIngestStreamRequest message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.ResumeIngestStreamRequest
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.ResumeIngestStreamRequest & databricks.zerobus.ResumeIngestStreamRequest.$Shape} ResumeIngestStreamRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            ResumeIngestStreamRequest.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.ResumeIngestStreamRequest();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            message.streamId = reader.string();
                            message.identifier = "streamId";
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            message.descriptorProto = reader.bytes();
                            continue;
                        }
                    case 3: {
                            if (wireType !== 0)
                                break;
                            value = reader.int32();
                            if ($root.databricks.zerobus.RecordType[value] !== $undefined)
                                message.recordType = value;
                            else if (!reader.discardUnknown) {
                                $util.makeProp(message, "$unknowns", false);
                                (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                            }
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return ResumeIngestStreamRequest;
        })();

        zerobus.ResumeIngestStreamResponse = (function() {

            /**
             * Properties of a ResumeIngestStreamResponse.
             * @typedef {Object} databricks.zerobus.ResumeIngestStreamResponse.$Properties
             * @property {number|null} [lastCommittedOffset] ResumeIngestStreamResponse lastCommittedOffset
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a ResumeIngestStreamResponse.
             * @memberof databricks.zerobus
             * @interface IResumeIngestStreamResponse
             * @augments databricks.zerobus.ResumeIngestStreamResponse.$Properties
             * @deprecated Use databricks.zerobus.ResumeIngestStreamResponse.$Properties instead.
             */

            /**
             * Shape of a ResumeIngestStreamResponse.
             * @typedef {databricks.zerobus.ResumeIngestStreamResponse.$Properties} databricks.zerobus.ResumeIngestStreamResponse.$Shape
             */

            /**
             * Constructs a new ResumeIngestStreamResponse.
             * @memberof databricks.zerobus
             * @classdesc Represents a ResumeIngestStreamResponse.
             * @constructor
             * @param {databricks.zerobus.ResumeIngestStreamResponse.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const ResumeIngestStreamResponse = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * ResumeIngestStreamResponse lastCommittedOffset.
             * @member {number} lastCommittedOffset
             * @memberof databricks.zerobus.ResumeIngestStreamResponse
             * @instance
             */
            ResumeIngestStreamResponse.prototype.lastCommittedOffset = $util.Long ? $util.Long.fromBits(0,0,false) : 0;

            /**
             * Creates a new ResumeIngestStreamResponse instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.ResumeIngestStreamResponse
             * @static
             * @param {databricks.zerobus.ResumeIngestStreamResponse.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.ResumeIngestStreamResponse} ResumeIngestStreamResponse instance
             * @type {{
             *   (properties: databricks.zerobus.ResumeIngestStreamResponse.$Shape): databricks.zerobus.ResumeIngestStreamResponse & databricks.zerobus.ResumeIngestStreamResponse.$Shape;
             *   (properties?: databricks.zerobus.ResumeIngestStreamResponse.$Properties): databricks.zerobus.ResumeIngestStreamResponse;
             * }}
             */
            ResumeIngestStreamResponse.create = function(properties) {
                return new ResumeIngestStreamResponse(properties);
            };

            /**
             * Encodes the specified ResumeIngestStreamResponse message. Does not implicitly {@link databricks.zerobus.ResumeIngestStreamResponse.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.ResumeIngestStreamResponse
             * @static
             * @param {databricks.zerobus.ResumeIngestStreamResponse.$Properties} message ResumeIngestStreamResponse message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            ResumeIngestStreamResponse.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.lastCommittedOffset != null && $Object.hasOwnProperty.call(message, "lastCommittedOffset"))
                    writer.uint32(/* id 1, wireType 0 =*/8).int64(message.lastCommittedOffset);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes a ResumeIngestStreamResponse message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.ResumeIngestStreamResponse
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.ResumeIngestStreamResponse & databricks.zerobus.ResumeIngestStreamResponse.$Shape} ResumeIngestStreamResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            ResumeIngestStreamResponse.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.ResumeIngestStreamResponse();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 0)
                                break;
                            message.lastCommittedOffset = Number(reader.int64());
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return ResumeIngestStreamResponse;
        })();

        zerobus.PersistentStreamRequest = (function() {

            /**
             * Properties of a PersistentStreamRequest.
             * @typedef {Object} databricks.zerobus.PersistentStreamRequest.$Properties
             * @property {databricks.zerobus.CreatePersistentStreamRequest.$Properties|null} [createStream] PersistentStreamRequest createStream
             * @property {databricks.zerobus.ResumeIngestStreamRequest.$Properties|null} [resumeStream] PersistentStreamRequest resumeStream
             * @property {databricks.zerobus.IngestRecordRequest.$Properties|null} [ingestRecord] PersistentStreamRequest ingestRecord
             * @property {databricks.zerobus.IngestRecordBatchRequest.$Properties|null} [ingestRecordBatch] PersistentStreamRequest ingestRecordBatch
             * @property {"createStream"|"resumeStream"|"ingestRecord"|"ingestRecordBatch"} [payload] PersistentStreamRequest payload
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a PersistentStreamRequest.
             * @memberof databricks.zerobus
             * @interface IPersistentStreamRequest
             * @augments databricks.zerobus.PersistentStreamRequest.$Properties
             * @deprecated Use databricks.zerobus.PersistentStreamRequest.$Properties instead.
             */

            /**
             * Narrowed shape of a PersistentStreamRequest.
             * @typedef {{
             *   createStream?: databricks.zerobus.CreatePersistentStreamRequest.$Shape|null;
             *   resumeStream?: databricks.zerobus.ResumeIngestStreamRequest.$Shape|null;
             *   ingestRecord?: databricks.zerobus.IngestRecordRequest.$Shape|null;
             *   ingestRecordBatch?: databricks.zerobus.IngestRecordBatchRequest.$Shape|null;
             *   $unknowns?: Array.<Uint8Array>;
             * } & (
             *   ({ payload?: undefined; createStream?: null; resumeStream?: null; ingestRecord?: null; ingestRecordBatch?: null }|{ payload?: "createStream"; createStream: databricks.zerobus.CreatePersistentStreamRequest.$Shape; resumeStream?: null; ingestRecord?: null; ingestRecordBatch?: null }|{ payload?: "resumeStream"; createStream?: null; resumeStream: databricks.zerobus.ResumeIngestStreamRequest.$Shape; ingestRecord?: null; ingestRecordBatch?: null }|{ payload?: "ingestRecord"; createStream?: null; resumeStream?: null; ingestRecord: databricks.zerobus.IngestRecordRequest.$Shape; ingestRecordBatch?: null }|{ payload?: "ingestRecordBatch"; createStream?: null; resumeStream?: null; ingestRecord?: null; ingestRecordBatch: databricks.zerobus.IngestRecordBatchRequest.$Shape })
             * )} databricks.zerobus.PersistentStreamRequest.$Shape
             */

            /**
             * Constructs a new PersistentStreamRequest.
             * @memberof databricks.zerobus
             * @classdesc Represents a PersistentStreamRequest.
             * @constructor
             * @param {databricks.zerobus.PersistentStreamRequest.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const PersistentStreamRequest = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * PersistentStreamRequest createStream.
             * @member {databricks.zerobus.CreatePersistentStreamRequest.$Properties|null|undefined} createStream
             * @memberof databricks.zerobus.PersistentStreamRequest
             * @instance
             */
            PersistentStreamRequest.prototype.createStream = null;

            /**
             * PersistentStreamRequest resumeStream.
             * @member {databricks.zerobus.ResumeIngestStreamRequest.$Properties|null|undefined} resumeStream
             * @memberof databricks.zerobus.PersistentStreamRequest
             * @instance
             */
            PersistentStreamRequest.prototype.resumeStream = null;

            /**
             * PersistentStreamRequest ingestRecord.
             * @member {databricks.zerobus.IngestRecordRequest.$Properties|null|undefined} ingestRecord
             * @memberof databricks.zerobus.PersistentStreamRequest
             * @instance
             */
            PersistentStreamRequest.prototype.ingestRecord = null;

            /**
             * PersistentStreamRequest ingestRecordBatch.
             * @member {databricks.zerobus.IngestRecordBatchRequest.$Properties|null|undefined} ingestRecordBatch
             * @memberof databricks.zerobus.PersistentStreamRequest
             * @instance
             */
            PersistentStreamRequest.prototype.ingestRecordBatch = null;

            // OneOf field names bound to virtual getters and setters
            let $oneOfFields;

            /**
             * PersistentStreamRequest payload.
             * @member {"createStream"|"resumeStream"|"ingestRecord"|"ingestRecordBatch"|undefined} payload
             * @memberof databricks.zerobus.PersistentStreamRequest
             * @instance
             */
            $Object.defineProperty(PersistentStreamRequest.prototype, "payload", {
                get: $util.oneOfGetter($oneOfFields = ["createStream", "resumeStream", "ingestRecord", "ingestRecordBatch"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            /**
             * Creates a new PersistentStreamRequest instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.PersistentStreamRequest
             * @static
             * @param {databricks.zerobus.PersistentStreamRequest.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.PersistentStreamRequest} PersistentStreamRequest instance
             * @type {{
             *   (properties: databricks.zerobus.PersistentStreamRequest.$Shape): databricks.zerobus.PersistentStreamRequest & databricks.zerobus.PersistentStreamRequest.$Shape;
             *   (properties?: databricks.zerobus.PersistentStreamRequest.$Properties): databricks.zerobus.PersistentStreamRequest;
             * }}
             */
            PersistentStreamRequest.create = function(properties) {
                return new PersistentStreamRequest(properties);
            };

            /**
             * Encodes the specified PersistentStreamRequest message. Does not implicitly {@link databricks.zerobus.PersistentStreamRequest.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.PersistentStreamRequest
             * @static
             * @param {databricks.zerobus.PersistentStreamRequest.$Properties} message PersistentStreamRequest message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            PersistentStreamRequest.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.createStream != null && $Object.hasOwnProperty.call(message, "createStream"))
                    $root.databricks.zerobus.CreatePersistentStreamRequest.encode(message.createStream, writer.uint32(/* id 1, wireType 2 =*/10).fork(), _depth + 1).ldelim();
                if (message.resumeStream != null && $Object.hasOwnProperty.call(message, "resumeStream"))
                    $root.databricks.zerobus.ResumeIngestStreamRequest.encode(message.resumeStream, writer.uint32(/* id 2, wireType 2 =*/18).fork(), _depth + 1).ldelim();
                if (message.ingestRecord != null && $Object.hasOwnProperty.call(message, "ingestRecord"))
                    $root.databricks.zerobus.IngestRecordRequest.encode(message.ingestRecord, writer.uint32(/* id 3, wireType 2 =*/26).fork(), _depth + 1).ldelim();
                if (message.ingestRecordBatch != null && $Object.hasOwnProperty.call(message, "ingestRecordBatch"))
                    $root.databricks.zerobus.IngestRecordBatchRequest.encode(message.ingestRecordBatch, writer.uint32(/* id 4, wireType 2 =*/34).fork(), _depth + 1).ldelim();
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes a PersistentStreamRequest message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.PersistentStreamRequest
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.PersistentStreamRequest & databricks.zerobus.PersistentStreamRequest.$Shape} PersistentStreamRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            PersistentStreamRequest.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.PersistentStreamRequest();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            message.createStream = $root.databricks.zerobus.CreatePersistentStreamRequest.decode(reader, reader.size(), $undefined, _depth + 1, message.createStream);
                            message.payload = "createStream";
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            message.resumeStream = $root.databricks.zerobus.ResumeIngestStreamRequest.decode(reader, reader.size(), $undefined, _depth + 1, message.resumeStream);
                            message.payload = "resumeStream";
                            continue;
                        }
                    case 3: {
                            if (wireType !== 2)
                                break;
                            message.ingestRecord = $root.databricks.zerobus.IngestRecordRequest.decode(reader, reader.size(), $undefined, _depth + 1, message.ingestRecord);
                            message.payload = "ingestRecord";
                            continue;
                        }
                    case 4: {
                            if (wireType !== 2)
                                break;
                            message.ingestRecordBatch = $root.databricks.zerobus.IngestRecordBatchRequest.decode(reader, reader.size(), $undefined, _depth + 1, message.ingestRecordBatch);
                            message.payload = "ingestRecordBatch";
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return PersistentStreamRequest;
        })();

        zerobus.PersistentStreamResponse = (function() {

            /**
             * Properties of a PersistentStreamResponse.
             * @typedef {Object} databricks.zerobus.PersistentStreamResponse.$Properties
             * @property {databricks.zerobus.CreateIngestStreamResponse.$Properties|null} [createStreamResponse] PersistentStreamResponse createStreamResponse
             * @property {databricks.zerobus.ResumeIngestStreamResponse.$Properties|null} [resumeStreamResponse] PersistentStreamResponse resumeStreamResponse
             * @property {databricks.zerobus.IngestRecordResponse.$Properties|null} [ingestRecordResponse] PersistentStreamResponse ingestRecordResponse
             * @property {databricks.zerobus.CloseStreamSignal.$Properties|null} [closeStreamSignal] PersistentStreamResponse closeStreamSignal
             * @property {"createStreamResponse"|"resumeStreamResponse"|"ingestRecordResponse"|"closeStreamSignal"} [payload] PersistentStreamResponse payload
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a PersistentStreamResponse.
             * @memberof databricks.zerobus
             * @interface IPersistentStreamResponse
             * @augments databricks.zerobus.PersistentStreamResponse.$Properties
             * @deprecated Use databricks.zerobus.PersistentStreamResponse.$Properties instead.
             */

            /**
             * Narrowed shape of a PersistentStreamResponse.
             * @typedef {{
             *   createStreamResponse?: databricks.zerobus.CreateIngestStreamResponse.$Shape|null;
             *   resumeStreamResponse?: databricks.zerobus.ResumeIngestStreamResponse.$Shape|null;
             *   ingestRecordResponse?: databricks.zerobus.IngestRecordResponse.$Shape|null;
             *   closeStreamSignal?: databricks.zerobus.CloseStreamSignal.$Shape|null;
             *   $unknowns?: Array.<Uint8Array>;
             * } & (
             *   ({ payload?: undefined; createStreamResponse?: null; resumeStreamResponse?: null; ingestRecordResponse?: null; closeStreamSignal?: null }|{ payload?: "createStreamResponse"; createStreamResponse: databricks.zerobus.CreateIngestStreamResponse.$Shape; resumeStreamResponse?: null; ingestRecordResponse?: null; closeStreamSignal?: null }|{ payload?: "resumeStreamResponse"; createStreamResponse?: null; resumeStreamResponse: databricks.zerobus.ResumeIngestStreamResponse.$Shape; ingestRecordResponse?: null; closeStreamSignal?: null }|{ payload?: "ingestRecordResponse"; createStreamResponse?: null; resumeStreamResponse?: null; ingestRecordResponse: databricks.zerobus.IngestRecordResponse.$Shape; closeStreamSignal?: null }|{ payload?: "closeStreamSignal"; createStreamResponse?: null; resumeStreamResponse?: null; ingestRecordResponse?: null; closeStreamSignal: databricks.zerobus.CloseStreamSignal.$Shape })
             * )} databricks.zerobus.PersistentStreamResponse.$Shape
             */

            /**
             * Constructs a new PersistentStreamResponse.
             * @memberof databricks.zerobus
             * @classdesc Represents a PersistentStreamResponse.
             * @constructor
             * @param {databricks.zerobus.PersistentStreamResponse.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const PersistentStreamResponse = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * PersistentStreamResponse createStreamResponse.
             * @member {databricks.zerobus.CreateIngestStreamResponse.$Properties|null|undefined} createStreamResponse
             * @memberof databricks.zerobus.PersistentStreamResponse
             * @instance
             */
            PersistentStreamResponse.prototype.createStreamResponse = null;

            /**
             * PersistentStreamResponse resumeStreamResponse.
             * @member {databricks.zerobus.ResumeIngestStreamResponse.$Properties|null|undefined} resumeStreamResponse
             * @memberof databricks.zerobus.PersistentStreamResponse
             * @instance
             */
            PersistentStreamResponse.prototype.resumeStreamResponse = null;

            /**
             * PersistentStreamResponse ingestRecordResponse.
             * @member {databricks.zerobus.IngestRecordResponse.$Properties|null|undefined} ingestRecordResponse
             * @memberof databricks.zerobus.PersistentStreamResponse
             * @instance
             */
            PersistentStreamResponse.prototype.ingestRecordResponse = null;

            /**
             * PersistentStreamResponse closeStreamSignal.
             * @member {databricks.zerobus.CloseStreamSignal.$Properties|null|undefined} closeStreamSignal
             * @memberof databricks.zerobus.PersistentStreamResponse
             * @instance
             */
            PersistentStreamResponse.prototype.closeStreamSignal = null;

            // OneOf field names bound to virtual getters and setters
            let $oneOfFields;

            /**
             * PersistentStreamResponse payload.
             * @member {"createStreamResponse"|"resumeStreamResponse"|"ingestRecordResponse"|"closeStreamSignal"|undefined} payload
             * @memberof databricks.zerobus.PersistentStreamResponse
             * @instance
             */
            $Object.defineProperty(PersistentStreamResponse.prototype, "payload", {
                get: $util.oneOfGetter($oneOfFields = ["createStreamResponse", "resumeStreamResponse", "ingestRecordResponse", "closeStreamSignal"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            /**
             * Creates a new PersistentStreamResponse instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.PersistentStreamResponse
             * @static
             * @param {databricks.zerobus.PersistentStreamResponse.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.PersistentStreamResponse} PersistentStreamResponse instance
             * @type {{
             *   (properties: databricks.zerobus.PersistentStreamResponse.$Shape): databricks.zerobus.PersistentStreamResponse & databricks.zerobus.PersistentStreamResponse.$Shape;
             *   (properties?: databricks.zerobus.PersistentStreamResponse.$Properties): databricks.zerobus.PersistentStreamResponse;
             * }}
             */
            PersistentStreamResponse.create = function(properties) {
                return new PersistentStreamResponse(properties);
            };

            /**
             * Encodes the specified PersistentStreamResponse message. Does not implicitly {@link databricks.zerobus.PersistentStreamResponse.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.PersistentStreamResponse
             * @static
             * @param {databricks.zerobus.PersistentStreamResponse.$Properties} message PersistentStreamResponse message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            PersistentStreamResponse.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.createStreamResponse != null && $Object.hasOwnProperty.call(message, "createStreamResponse"))
                    $root.databricks.zerobus.CreateIngestStreamResponse.encode(message.createStreamResponse, writer.uint32(/* id 1, wireType 2 =*/10).fork(), _depth + 1).ldelim();
                if (message.resumeStreamResponse != null && $Object.hasOwnProperty.call(message, "resumeStreamResponse"))
                    $root.databricks.zerobus.ResumeIngestStreamResponse.encode(message.resumeStreamResponse, writer.uint32(/* id 2, wireType 2 =*/18).fork(), _depth + 1).ldelim();
                if (message.ingestRecordResponse != null && $Object.hasOwnProperty.call(message, "ingestRecordResponse"))
                    $root.databricks.zerobus.IngestRecordResponse.encode(message.ingestRecordResponse, writer.uint32(/* id 3, wireType 2 =*/26).fork(), _depth + 1).ldelim();
                if (message.closeStreamSignal != null && $Object.hasOwnProperty.call(message, "closeStreamSignal"))
                    $root.databricks.zerobus.CloseStreamSignal.encode(message.closeStreamSignal, writer.uint32(/* id 4, wireType 2 =*/34).fork(), _depth + 1).ldelim();
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes a PersistentStreamResponse message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.PersistentStreamResponse
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.PersistentStreamResponse & databricks.zerobus.PersistentStreamResponse.$Shape} PersistentStreamResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            PersistentStreamResponse.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.PersistentStreamResponse();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            message.createStreamResponse = $root.databricks.zerobus.CreateIngestStreamResponse.decode(reader, reader.size(), $undefined, _depth + 1, message.createStreamResponse);
                            message.payload = "createStreamResponse";
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            message.resumeStreamResponse = $root.databricks.zerobus.ResumeIngestStreamResponse.decode(reader, reader.size(), $undefined, _depth + 1, message.resumeStreamResponse);
                            message.payload = "resumeStreamResponse";
                            continue;
                        }
                    case 3: {
                            if (wireType !== 2)
                                break;
                            message.ingestRecordResponse = $root.databricks.zerobus.IngestRecordResponse.decode(reader, reader.size(), $undefined, _depth + 1, message.ingestRecordResponse);
                            message.payload = "ingestRecordResponse";
                            continue;
                        }
                    case 4: {
                            if (wireType !== 2)
                                break;
                            message.closeStreamSignal = $root.databricks.zerobus.CloseStreamSignal.decode(reader, reader.size(), $undefined, _depth + 1, message.closeStreamSignal);
                            message.payload = "closeStreamSignal";
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return PersistentStreamResponse;
        })();

        zerobus.RetireStreamRequest = (function() {

            /**
             * Properties of a RetireStreamRequest.
             * @typedef {Object} databricks.zerobus.RetireStreamRequest.$Properties
             * @property {string|null} [tableName] RetireStreamRequest tableName
             * @property {string|null} [streamId] RetireStreamRequest streamId
             * @property {"streamId"} [identifier] RetireStreamRequest identifier
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a RetireStreamRequest.
             * @memberof databricks.zerobus
             * @interface IRetireStreamRequest
             * @augments databricks.zerobus.RetireStreamRequest.$Properties
             * @deprecated Use databricks.zerobus.RetireStreamRequest.$Properties instead.
             */

            /**
             * Narrowed shape of a RetireStreamRequest.
             * @typedef {{
             *   tableName?: string|null;
             *   streamId?: string|null;
             *   $unknowns?: Array.<Uint8Array>;
             * } & (
             *   ({ identifier?: undefined; streamId?: null }|{ identifier?: "streamId"; streamId: string })
             * )} databricks.zerobus.RetireStreamRequest.$Shape
             */

            /**
             * Constructs a new RetireStreamRequest.
             * @memberof databricks.zerobus
             * @classdesc Represents a RetireStreamRequest.
             * @constructor
             * @param {databricks.zerobus.RetireStreamRequest.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const RetireStreamRequest = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * RetireStreamRequest tableName.
             * @member {string} tableName
             * @memberof databricks.zerobus.RetireStreamRequest
             * @instance
             */
            RetireStreamRequest.prototype.tableName = "";

            /**
             * RetireStreamRequest streamId.
             * @member {string|null|undefined} streamId
             * @memberof databricks.zerobus.RetireStreamRequest
             * @instance
             */
            RetireStreamRequest.prototype.streamId = null;

            // OneOf field names bound to virtual getters and setters
            let $oneOfFields;

            /**
             * RetireStreamRequest identifier.
             * @member {"streamId"|undefined} identifier
             * @memberof databricks.zerobus.RetireStreamRequest
             * @instance
             */
            $Object.defineProperty(RetireStreamRequest.prototype, "identifier", {
                get: $util.oneOfGetter($oneOfFields = ["streamId"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            /**
             * Creates a new RetireStreamRequest instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.RetireStreamRequest
             * @static
             * @param {databricks.zerobus.RetireStreamRequest.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.RetireStreamRequest} RetireStreamRequest instance
             * @type {{
             *   (properties: databricks.zerobus.RetireStreamRequest.$Shape): databricks.zerobus.RetireStreamRequest & databricks.zerobus.RetireStreamRequest.$Shape;
             *   (properties?: databricks.zerobus.RetireStreamRequest.$Properties): databricks.zerobus.RetireStreamRequest;
             * }}
             */
            RetireStreamRequest.create = function(properties) {
                return new RetireStreamRequest(properties);
            };

            /**
             * Encodes the specified RetireStreamRequest message. Does not implicitly {@link databricks.zerobus.RetireStreamRequest.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.RetireStreamRequest
             * @static
             * @param {databricks.zerobus.RetireStreamRequest.$Properties} message RetireStreamRequest message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            RetireStreamRequest.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.tableName != null && $Object.hasOwnProperty.call(message, "tableName"))
                    writer.uint32(/* id 1, wireType 2 =*/10).string(message.tableName);
                if (message.streamId != null && $Object.hasOwnProperty.call(message, "streamId"))
                    writer.uint32(/* id 2, wireType 2 =*/18).string(message.streamId);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes a RetireStreamRequest message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.RetireStreamRequest
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.RetireStreamRequest & databricks.zerobus.RetireStreamRequest.$Shape} RetireStreamRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            RetireStreamRequest.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.RetireStreamRequest();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            message.tableName = reader.string();
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            message.streamId = reader.string();
                            message.identifier = "streamId";
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return RetireStreamRequest;
        })();

        zerobus.RetireStreamResponse = (function() {

            /**
             * Properties of a RetireStreamResponse.
             * @typedef {Object} databricks.zerobus.RetireStreamResponse.$Properties
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a RetireStreamResponse.
             * @memberof databricks.zerobus
             * @interface IRetireStreamResponse
             * @augments databricks.zerobus.RetireStreamResponse.$Properties
             * @deprecated Use databricks.zerobus.RetireStreamResponse.$Properties instead.
             */

            /**
             * Shape of a RetireStreamResponse.
             * @typedef {databricks.zerobus.RetireStreamResponse.$Properties} databricks.zerobus.RetireStreamResponse.$Shape
             */

            /**
             * Constructs a new RetireStreamResponse.
             * @memberof databricks.zerobus
             * @classdesc Represents a RetireStreamResponse.
             * @constructor
             * @param {databricks.zerobus.RetireStreamResponse.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const RetireStreamResponse = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * Creates a new RetireStreamResponse instance using the specified properties.
             * @function create
             * @memberof databricks.zerobus.RetireStreamResponse
             * @static
             * @param {databricks.zerobus.RetireStreamResponse.$Properties=} [properties] Properties to set
             * @returns {databricks.zerobus.RetireStreamResponse} RetireStreamResponse instance
             * @type {{
             *   (properties: databricks.zerobus.RetireStreamResponse.$Shape): databricks.zerobus.RetireStreamResponse & databricks.zerobus.RetireStreamResponse.$Shape;
             *   (properties?: databricks.zerobus.RetireStreamResponse.$Properties): databricks.zerobus.RetireStreamResponse;
             * }}
             */
            RetireStreamResponse.create = function(properties) {
                return new RetireStreamResponse(properties);
            };

            /**
             * Encodes the specified RetireStreamResponse message. Does not implicitly {@link databricks.zerobus.RetireStreamResponse.verify|verify} messages.
             * @function encode
             * @memberof databricks.zerobus.RetireStreamResponse
             * @static
             * @param {databricks.zerobus.RetireStreamResponse.$Properties} message RetireStreamResponse message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            RetireStreamResponse.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes a RetireStreamResponse message from the specified reader or buffer.
             * @function decode
             * @memberof databricks.zerobus.RetireStreamResponse
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {databricks.zerobus.RetireStreamResponse & databricks.zerobus.RetireStreamResponse.$Shape} RetireStreamResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            RetireStreamResponse.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.databricks.zerobus.RetireStreamResponse();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    reader.skipType(tag & 7, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return RetireStreamResponse;
        })();

        return zerobus;
    })();

    return databricks;
})();

export const google = $root.google = (() => {

    /**
     * Namespace google.
     * @exports google
     * @namespace
     */
    const google = {};

    google.protobuf = (function() {

        /**
         * Namespace protobuf.
         * @memberof google
         * @namespace
         */
        const protobuf = {};

        protobuf.Duration = (function() {

            /**
             * Properties of a Duration.
             * @typedef {Object} google.protobuf.Duration.$Properties
             * @property {number|null} [seconds] Duration seconds
             * @property {number|null} [nanos] Duration nanos
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a Duration.
             * @memberof google.protobuf
             * @interface IDuration
             * @augments google.protobuf.Duration.$Properties
             * @deprecated Use google.protobuf.Duration.$Properties instead.
             */

            /**
             * Shape of a Duration.
             * @typedef {google.protobuf.Duration.$Properties} google.protobuf.Duration.$Shape
             */

            /**
             * Constructs a new Duration.
             * @memberof google.protobuf
             * @classdesc Represents a Duration.
             * @constructor
             * @param {google.protobuf.Duration.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const Duration = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * Duration seconds.
             * @member {number} seconds
             * @memberof google.protobuf.Duration
             * @instance
             */
            Duration.prototype.seconds = $util.Long ? $util.Long.fromBits(0,0,false) : 0;

            /**
             * Duration nanos.
             * @member {number} nanos
             * @memberof google.protobuf.Duration
             * @instance
             */
            Duration.prototype.nanos = 0;

            /**
             * Creates a new Duration instance using the specified properties.
             * @function create
             * @memberof google.protobuf.Duration
             * @static
             * @param {google.protobuf.Duration.$Properties=} [properties] Properties to set
             * @returns {google.protobuf.Duration} Duration instance
             * @type {{
             *   (properties: google.protobuf.Duration.$Shape): google.protobuf.Duration & google.protobuf.Duration.$Shape;
             *   (properties?: google.protobuf.Duration.$Properties): google.protobuf.Duration;
             * }}
             */
            Duration.create = function(properties) {
                return new Duration(properties);
            };

            /**
             * Encodes the specified Duration message. Does not implicitly {@link google.protobuf.Duration.verify|verify} messages.
             * @function encode
             * @memberof google.protobuf.Duration
             * @static
             * @param {google.protobuf.Duration.$Properties} message Duration message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            Duration.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = $Writer.create();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.seconds != null && $Object.hasOwnProperty.call(message, "seconds") && (typeof message.seconds === "object" ? message.seconds.low || message.seconds.high : message.seconds !== 0))
                    writer.uint32(/* id 1, wireType 0 =*/8).int64(message.seconds);
                if (message.nanos != null && $Object.hasOwnProperty.call(message, "nanos") && message.nanos !== 0)
                    writer.uint32(/* id 2, wireType 0 =*/16).int32(message.nanos);
                if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                    for (let i = 0; i < message.$unknowns.length; ++i)
                        writer.raw(message.$unknowns[i]);
                return writer;
            };

            /**
             * Decodes a Duration message from the specified reader or buffer.
             * @function decode
             * @memberof google.protobuf.Duration
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {google.protobuf.Duration & google.protobuf.Duration.$Shape} Duration
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            Duration.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.google.protobuf.Duration();
                while (reader.pos < end) {
                    let start = reader.pos;
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 0)
                                break;
                            if (typeof (value = Number(reader.int64())) === "object" ? value.low || value.high : value !== 0)
                                message.seconds = value;
                            else
                                delete message.seconds;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 0)
                                break;
                            if (value = reader.int32())
                                message.nanos = value;
                            else
                                delete message.nanos;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                    if (!reader.discardUnknown) {
                        $util.makeProp(message, "$unknowns", false);
                        (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                    }
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return Duration;
        })();

        return protobuf;
    })();

    return google;
})();

export {
  $root as default
};
