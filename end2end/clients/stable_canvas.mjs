/**
 * @stable-canvas/comfyui-client: its WebSocket is always at the root of the host. Takes a
 * `fetch` and a `WebSocket` of one's own, which is where a program puts its headers.
 */
import { base, graph, headers, picture, tell } from './support.mjs';

import { Client } from '@stable-canvas/comfyui-client';
import WebSocket from 'ws';

const { host, pathname, protocol } = new URL(base);
const client = new Client({
  api_host: host,
  api_base: pathname === '/' ? '' : pathname,
  ssl: protocol === 'https:',
  fetch: (url, options = {}) => fetch(url, { ...options, headers: { ...options.headers, ...headers } }),
  WebSocket: class extends WebSocket {
    constructor(url) {
      super(url, { headers });
    }
  },
});
const messages = [];
client.on('message', ({ data }) => {
  if (typeof data === 'string') messages.push(JSON.parse(data).type);
});
// At a path it can only ask again and again.
const atRoot = pathname === '/';
await client.connect({ websocket: { enabled: atRoot }, polling: { enabled: !atRoot } });
const form = new FormData();
form.append('image', new Blob([picture.bytes], { type: 'image/png' }), picture.name);
const { name } = await (await client.fetchApi('/upload/image', { method: 'POST', body: form })).json();
const run = atRoot ? client.enqueue.bind(client) : client.enqueue_polling.bind(client);
const { prompt_id: promptId, images } = await run(graph(name));
const image = images[0];
const bytes = image.type === 'buff' ? image.data : await (await fetch(image.data, { headers })).arrayBuffer();
tell(promptId, Buffer.from(bytes), messages);
client.close();
process.exit(0);
