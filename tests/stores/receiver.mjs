// A receiver for Pyroscope and OTLP on loopback. What it decodes is not ours: pprof-format reads pprof files; protobufjs reads
// OTLP by the published .proto files, whose folder is the first argument; without it, OTLP is not decoded. `node receiver.mjs PROTOS` prints its port, then a line
// of JSON for each request that it has taken. POST /control sets how it answers from then on:
// {"status": 200, "headers": {}, "body": "" (base64), "delay": 0 (milliseconds)}.
import http from "node:http";
import path from "node:path";
import zlib from "node:zlib";
import protobuf from "protobufjs";
import { Profile } from "pprof-format";

const protos = process.argv[2];
const root = new protobuf.Root();
root.resolvePath = (_, target) => path.join(protos, target);
if (protos)
  root.loadSync("opentelemetry/proto/collector/profiles/v1development/profiles_service.proto");
const service = "opentelemetry.proto.collector.profiles.v1development.ExportProfilesService";
const request = protos && root.lookupType(service + "Request");

// api/push/v1/push.proto and api/types/v1/types.proto of Pyroscope, as published.
const push = protobuf.Root.fromJSON({
  nested: {
    PushRequest: { fields: { series: { rule: "repeated", type: "RawProfileSeries", id: 1 } } },
    RawProfileSeries: {
      fields: {
        labels: { rule: "repeated", type: "LabelPair", id: 1 },
        samples: { rule: "repeated", type: "RawSample", id: 2 },
      },
    },
    LabelPair: { fields: { name: { type: "string", id: 1 }, value: { type: "string", id: 2 } } },
    RawSample: { fields: { rawProfile: { type: "bytes", id: 1 }, ID: { type: "string", id: 2 } } },
  },
}).lookupType("PushRequest");

function pprof(bytes) {
  const profile = Profile.decode(zlib.gunzipSync(bytes));
  const text = (index) => profile.stringTable.strings[Number(index)];
  const functions = new Map(profile.function.map((each) => [String(each.id), each]));
  const locations = new Map(profile.location.map((each) => [String(each.id), each]));
  const frames = (id) => locations.get(String(id)).line.map((line) => {
    const of = functions.get(String(line.functionId));
    return [text(of.name), text(of.filename), Number(line.line)];
  });
  return {
    types: profile.sampleType.map((each) => [text(each.type), text(each.unit)]),
    period: [text(profile.periodType.type), text(profile.periodType.unit), Number(profile.period)],
    time: String(profile.timeNanos),
    duration: String(profile.durationNanos),
    labels: profile.sample.reduce((count, each) => count + each.label.length, 0),
    comments: profile.comment.map(text),
    samples: profile.sample.map((each) => ({
      stack: each.locationId.flatMap(frames),
      values: each.value.map(Number),
    })),
  };
}

function pyroscope(body) {
  const message = push.decode(body);
  return message.series.map((series) => ({
    labels: Object.fromEntries(series.labels.map((each) => [each.name, each.value])),
    profiles: series.samples.map((each) => ({ id: each.ID, ...pprof(each.rawProfile) })),
  }));
}

function otlp(body) {
  if (!request)
    return {};
  const message = request.toObject(request.decode(body), { longs: String, bytes: String, defaults: true, arrays: true });
  const { stringTable: strings, functionTable, locationTable, stackTable, mappingTable, attributeTable, linkTable } =
    message.dictionary;
  const frames = (index) => locationTable[index].lines.map((line) => {
    const of = functionTable[line.functionIndex];
    return [strings[of.nameStrindex], strings[of.filenameStrindex], Number(line.line)];
  });
  const type = (each) => [strings[each.typeStrindex], strings[each.unitStrindex]];
  return {
    first: { strings: strings[0], functionTable: functionTable[0], locationTable: locationTable[0], stackTable: stackTable[0],
      mappingTable: mappingTable[0], attributeTable: attributeTable[0], linkTable: linkTable[0] },
    duplicates: strings.length - new Set(strings).size,
    resources: message.resourceProfiles.map((resource) => ({
      attributes: Object.fromEntries(resource.resource.attributes.map((each) => [each.key, each.value.stringValue || each.value.intValue])),
      scope: resource.scopeProfiles.map((each) => [each.scope.name, each.scope.version]),
      profiles: resource.scopeProfiles.flatMap((each) => each.profiles).map((profile) => ({
        type: type(profile.sampleType),
        period: [...type(profile.periodType), Number(profile.period)],
        time: profile.timeUnixNano,
        duration: profile.durationNano,
        id: Buffer.from(profile.profileId, "base64").toString("hex"),
        samples: profile.samples.map((each) => ({
          stack: stackTable[each.stackIndex].locationIndices.flatMap(frames),
          values: each.values.map(Number),
        })),
      })),
    })),
  };
}

const decoders = { "/push.v1.PusherService/Push": pyroscope, "/v1development/profiles": otlp };
let answer = {};

const server = http.createServer((from, to) => {
  const parts = [];
  from.on("data", (part) => parts.push(part));
  from.on("end", () => {
    let body = Buffer.concat(parts);
    if (from.url === "/control") {
      answer = JSON.parse(body.toString());
      to.end();
      return;
    }
    const { status = 200, headers = {}, delay = 0 } = answer;
    const said = Buffer.from(answer.body ?? "", "base64");
    let content;
    try {
      if (from.headers["content-encoding"] === "gzip")
        body = zlib.gunzipSync(body);
      content = decoders[from.url](body);
    } catch (why) {
      content = { error: String(why.stack) };
    }
    console.log(JSON.stringify({ path: from.url, status, headers: from.headers, size: body.length, content }));
    setTimeout(() => to.writeHead(status, headers).end(said), delay);
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
