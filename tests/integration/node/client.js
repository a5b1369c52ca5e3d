// SPDX-License-Identifier: MIT
//
// A client of chatroom.v1 in JavaScript, which loads the installed description as it runs:
//
//     node client.js PROTO_FOLDER HOST:PORT TOKEN
//
// Reads commands from standard input and writes what comes to standard output, both one JSON value
// a line: {"hello": {...}}, {"send": {...}}, {"ping": {...}} go out on one Connect stream, {"end":
// true} half-closes it; {"call": "Send", "request": {...}} is a call of its own. What comes on the
// stream is {"response": {...}}, then {"status": {"code": N, "details": ""}}; what comes of a call
// is {"reply": {...}} or {"error": {...}}.
'use strict';

const readline = require('readline');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [folder, target, token] = process.argv.slice(2);
const definition = loader.loadSync('chatroom/v1/chatroom.proto',
  { includeDirs: [folder], longs: String, enums: String, arrays: true });
const { ChatroomService } = grpc.loadPackageDefinition(definition).chatroom.v1;
const client = new ChatroomService(target, grpc.credentials.createInsecure());
const metadata = new grpc.Metadata();
metadata.set('authorization', `Bearer ${token}`);

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const failure = ({ code, details }) => ({ code, details });

let stream = null;
function connect() {
  stream = client.Connect(metadata);
  stream.on('data', (response) => say({ response }));
  stream.on('error', () => {}); // the status says it
  stream.on('status', (status) => say({ status: failure(status) }));
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  if (command.call) {
    client[command.call](command.request, metadata, (error, reply) => {
      say(error ? { error: failure(error) } : { reply });
    });
  } else if (command.end) {
    stream.end();
  } else {
    if (stream === null) connect();
    stream.write(command);
  }
}).on('close', () => client.close());
