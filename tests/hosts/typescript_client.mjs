// A client of the TypeScript SDK that uses all a server has, and prints what it saw as JSON.
//
//     node typescript_client.mjs FOLDER GENERATION TARGET
//
// FOLDER holds the node_modules of the SDK, GENERATION is 1 or 2, and TARGET is a URL or, as a JSON
// list, a command.
import { pathToFileURL } from 'node:url';

const [folder, generation, target] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(`${folder}/node_modules/@modelcontextprotocol/${path}`));

async function parts() {
  if (generation === '2') {
    const { Client, StreamableHTTPClientTransport } = await load('client/dist/index.mjs');
    const { StdioClientTransport } = await load('client/dist/stdio.mjs');
    return { Client, StreamableHTTPClientTransport, StdioClientTransport };
  }
  const { Client } = await load('sdk/dist/esm/client/index.js');
  const { StdioClientTransport } = await load('sdk/dist/esm/client/stdio.js');
  const http = await load('sdk/dist/esm/client/streamableHttp.js');
  return { Client, StdioClientTransport, ...http };
}

const { Client, StreamableHTTPClientTransport, StdioClientTransport } = await parts();
const options = generation === '2' ? { versionNegotiation: { mode: 'auto' } } : {};
const client = new Client({ name: 'typescript', version: '1' }, options);
const [command, ...args] = target.startsWith('http') ? [] : JSON.parse(target);
const transport = command
  ? new StdioClientTransport({ command, args, env: process.env })
  : new StreamableHTTPClientTransport(new URL(target));
await client.connect(transport);

const names = (list, key = 'name') => list.map((each) => each[key]);
const call = async (name, given) => {
  const result = await client.callTool({ name, arguments: given });
  if (result.isError) throw new Error(`${name}: ${JSON.stringify(result.content)}`);
  return result;
};
const { resources } = await client.listResources();
const seen = {
  tools: names((await client.listTools()).tools),
  resources: names(resources, 'uri'),
  templates: names((await client.listResourceTemplates()).resourceTemplates, 'uriTemplate'),
  prompts: names((await client.listPrompts()).prompts),
  instructions: client.getInstructions(),
};
const content = 'The boat Otto lies in the harbour of Porto';
const stored = await call('remember', { content, tags: ['sailing'] });
const id = stored.structuredContent.id;
const recalled = await call('recall', { query: 'Where does the boat Otto lie?' });
seen.recalled = { text: recalled.content[0].text, structured: recalled.structuredContent };
const read = async (uri) => (await client.readResource({ uri })).contents[0].text;
seen.read = Object.fromEntries(
  await Promise.all([...names(resources, 'uri'), `memori://memories/${id}`].map(async (uri) => [uri, await read(uri)])),
);
const ref = { type: 'ref/resource', uri: seen.templates.find((uri) => uri.includes(',tag,')) };
const completed = await client.complete({ ref, argument: { name: 'tag', value: 'sail' } });
seen.completed = completed.completion.values;
const prompt = await client.getPrompt({ name: 'start_session', arguments: { task: 'sailing' } });
seen.prompt = prompt.messages[0].content.text;
await call('search_memories', { query: 'boat' });
await call('get_working_context', { task: 'sailing' });
const updated = await call('update_memory', { memory_id: id, importance: 0.9 });
await call('forget', { memory_ids: [updated.structuredContent.id] });
const after = await call('recall', { query: 'Where does the boat Otto lie?' });
seen.afterForgetting = after.structuredContent.items.length;
await client.close();
console.log(JSON.stringify(seen));
