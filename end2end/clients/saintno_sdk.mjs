/** @saintno/comfyui-sdk: takes a path and a bearer token, follows over the WebSocket. */
import { setTimeout } from 'node:timers/promises';

import { base, graph, picture, tell, token } from './support.mjs';

import { CallWrapper, ComfyApi, PromptBuilder } from '@saintno/comfyui-sdk';

const credentials = token ? { type: 'bearer_token', token } : undefined;
const api = new ComfyApi(base, undefined, { credentials, forceWs: true });
const messages = [];
api.on('all', ({ detail }) => messages.push(detail.type));
await api.init().waitForReady();

const uploaded = await api.uploadImage(picture.bytes, picture.name);
const builder = new PromptBuilder(graph(uploaded.info.filename), ['image'], ['result'])
  .setInputNode('image', '1.inputs.image')
  .setOutputNode('result', '3');
const finished = await new Promise((resolve, reject) => {
  new CallWrapper(api, builder)
    .onFinished((output, promptId) => resolve({ output, promptId }))
    .onFailed(reject)
    .run();
});
const { promptId, output } = finished;
// It is finished for this client when the last result is told, which is before the history has it.
const deadline = Date.now() + 20_000;
while (!(await api.getHistory(promptId))?.status.completed) {
  if (Date.now() > deadline) throw new Error(`${promptId} is not in the history`);
  await setTimeout(50);
}
const image = await api.getImage(output.result.images[0]);
tell(promptId, Buffer.from(await image.arrayBuffer()), messages);
api.destroy();
process.exit(0);
