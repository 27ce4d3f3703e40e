// What the stock `openai` package for Node shows of a response, as JSON: tests/integration/responses.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const asked = { model: "auto", input: "Please consider the river and answer." };

async function streamed() {
  let text = "";
  let last;
  for await (const event of await client.responses.create({ ...asked, stream: true })) {
    if (event.type === "response.output_text.delta") text += event.delta;
    last = event;
  }
  return { text, type: last.type, output_text: last.response.output[0].content[0].text };
}

async function polled() {
  let response = await client.responses.create({ ...asked, background: true });
  while (["queued", "in_progress"].includes(response.status)) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    response = await client.responses.retrieve(response.id);
  }
  return { status: response.status, output_text: response.output_text };
}

async function failure(call) {
  try {
    await call();
    return null;
  } catch (error) {
    const { status, code, param, message } = error;
    return { name: error.constructor.name, status, code, param, message };
  }
}

const first = await client.responses.create(asked);
const next = await client.responses.create({ ...asked, previous_response_id: first.id });
const put_together = await client.responses.stream(asked).finalResponse();
console.log(
  JSON.stringify({
    waited: { status: first.status, output_text: first.output_text },
    continued: next.previous_response_id === first.id && next.status,
    put_together: put_together.output_text,
    streamed: await streamed(),
    polled: await polled(),
    tools: await failure(() => client.responses.create({ ...asked, tools: [{ type: "web_search" }] })),
    chat: await failure(() => client.chat.completions.create({ model: "auto", messages: [] })),
    models: await failure(() => client.models.list()),
    conversations: await failure(() => client.conversations.create({ items: [] })),
    unknown: await failure(() => client.responses.retrieve("resp_01K8Z5M5V4Q2W9X7Y3T1N6P0RC")),
  }),
);
