// OpenAI's Node SDK before the gateway: chat, streams, tools, structured answers, errors. Run by .ci/sdk-suites.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.WEIGHBRIDGE_URL, apiKey: "none", maxRetries: 0 });
const WORDS = "The scale reads what the road has brought.";
const asked = (content = "Say something") => ({ model: "it", messages: [{ role: "user", content }] });
const weather = {
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
};
const city = { type: "object", properties: { name: { type: "string" }, people: { type: "integer" } } };

const checks = {
  async "a chat"() {
    const { data, response } = await client.chat.completions.create(asked()).withResponse();
    assert.equal(data.choices[0].message.content, WORDS);
    assert.ok(data.usage.completion_tokens > 0);
    assert.ok(response.headers.get("x-request-id"));
    assert.ok(response.headers.get("x-weighbridge-target"));
  },
  async "a stream"() {
    let text = "";
    let usage = null;
    const options = { stream: true, stream_options: { include_usage: true } };
    for await (const chunk of await client.chat.completions.create({ ...asked(), ...options })) {
      text += chunk.choices[0]?.delta?.content ?? "";
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, WORDS);
    assert.ok(usage.completion_tokens > 0);
  },
  async "a stream by its helper"() {
    const runner = client.chat.completions.stream(asked());
    assert.equal(await runner.finalContent(), WORDS);
  },
  async "a stream that is left"() {
    const stream = await client.chat.completions.create({ ...asked(), stream: true });
    for await (const chunk of stream) {
      assert.ok(chunk.id);
      break;
    }
    assert.ok(stream.controller.signal.aborted);
  },
  async "tools"() {
    const reply = await client.chat.completions.create({ ...asked("Weather in 'Oslo'?"), tools: [weather] });
    assert.equal(reply.choices[0].finish_reason, "tool_calls");
    const [call] = reply.choices[0].message.tool_calls;
    assert.equal(call.function.name, "weather");
    assert.deepEqual(JSON.parse(call.function.arguments), { city: "Oslo" });
  },
  async "parallel tools in a stream"() {
    const runner = client.chat.completions.stream({ ...asked("The weather, in parallel"), tools: [weather] });
    const message = await runner.finalMessage();
    assert.equal(message.tool_calls.length, 2);
    assert.notEqual(message.tool_calls[0].id, message.tool_calls[1].id);
    for (const call of message.tool_calls) JSON.parse(call.function.arguments);
  },
  async "tools that are run"() {
    const tool = { ...weather, function: { ...weather.function, function: ({ city }) => `fine in ${city}`, parse: JSON.parse } };
    const runner = client.chat.completions.runTools({ ...asked("Weather in 'Oslo'?"), tools: [tool] });
    assert.equal(await runner.finalContent(), WORDS);
    assert.equal(runner.messages.find((one) => one.role === "tool").content, "fine in Oslo");
  },
  async "a structured answer"() {
    const response_format = { type: "json_schema", json_schema: { name: "city", schema: city } };
    const reply = await client.chat.completions.parse({ ...asked("5 people in 'Oslo'"), response_format });
    assert.deepEqual(JSON.parse(reply.choices[0].message.content), { name: "Oslo", people: 5 });
  },
  async "two answers with log probabilities"() {
    const reply = await client.chat.completions.create({ ...asked(), n: 2, logprobs: true, top_logprobs: 1 });
    assert.equal(reply.choices.length, 2);
    assert.ok(reply.choices[1].logprobs.content[0].top_logprobs.length === 1);
  },
  async "a completion of old"() {
    const reply = await client.completions.create({ model: "it", prompt: "Say" });
    assert.equal(reply.choices[0].text, WORDS);
  },
  async "embeddings"() {
    const reply = await client.embeddings.create({ model: "it", input: ["a", "b"], encoding_format: "float" });
    assert.equal(reply.data.length, 2);
    assert.equal(reply.data[0].embedding.length, 8);
  },
  async "the list of models"() {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    assert.ok(names.includes("it"));
  },
  async "an endpoint there is not"() {
    const failed = client.chat.completions.create({ ...asked(), model: "nobody" });
    await assert.rejects(failed, (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found");
  },
  async "a request that is none"() {
    const failed = client.chat.completions.create({ ...asked(), stream_options: "x" });
    await assert.rejects(failed, (error) => error instanceof OpenAI.BadRequestError && error.requestID !== null);
  },
};

let failures = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
  } catch (error) {
    failures += 1;
    console.log(`FAILED ${name}: ${error.stack}`);
  }
}
console.log(`${Object.keys(checks).length - failures} passed, ${failures} failed`);
process.exit(failures ? 1 : 0);
