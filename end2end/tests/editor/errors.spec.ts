import { expect, test } from '../../fixtures/test.ts';
import { failingWhileRunning, plainImage, unknownNode } from '../../fixtures/graphs.ts';

/** What the editor itself says on the console when a graph is refused, with any ComfyUI. */
const REFUSED_GRAPH = [/^400 POST \S+\/api\/prompt$/, /PromptExecutionError|Prompt execution failed|Prompt outputs failed|Invalid prompt/];

test('a node that the workshop lacks is told by the editor when the graph is run', async ({ settle, generation }) => {
  const anna = await settle();
  anna.guard.tolerate(...REFUSED_GRAPH, /NodeOfAnotherPack/);
  await anna.editor.load(unknownNode());
  await anna.editor.dismissMissingNodes(generation, 'NodeOfAnotherPack');
  const answer = await anna.editor.pressRun();
  expect(answer.status()).toBe(400);
  const words = { '1.32': 'Cannot execute because a node is missing the class_type property', '1.58': 'NodeOfAnotherPack' };
  await expect(await anna.editor.refusal(generation)).toContainText(words[generation]);
  await expect(anna.headline).toHaveText('No jobs. Press Run in the editor.');
});

test('a graph that cannot run is refused at once in ComfyUI’s own words, and nothing is queued', async ({ settle }) => {
  const anna = await settle();
  anna.guard.tolerate(...REFUSED_GRAPH);
  const refused = async (body: string) => {
    const { status, text } = await anna.editor.fetch('api/prompt', { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    return { status, ...(JSON.parse(text) as { error: { type: string; message: string }; node_errors: Record<string, unknown> }) };
  };

  const malformed = await refused('{"prompt": {');
  expect(malformed.status).toBe(400);
  expect(malformed.error.message.length).toBeGreaterThan(10);
  expect(malformed.node_errors).toEqual({});

  const unknown = await refused(JSON.stringify({ prompt: { 1: { class_type: 'NoSuchNode', inputs: {} } } }));
  expect(unknown.status).toBe(400);
  expect(unknown.error.type).toBe('invalid_prompt');
  expect(unknown.error.message).toContain('NoSuchNode');

  const graph = plainImage('x').content as Record<string, { inputs: Record<string, unknown> }>;
  const missing = await refused(JSON.stringify({ prompt: { ...graph, 2: { class_type: 'SaveImage', inputs: { images: ['1', 0] } } } }));
  expect(missing.error.type).toBe('prompt_outputs_failed_validation');
  expect(missing.node_errors).toHaveProperty('2.errors.0.type', 'required_input_missing');

  const outside = await refused(
    JSON.stringify({
      prompt: { 1: { class_type: 'LoadImage', inputs: { image: '../../etc/passwd' } }, 2: { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: 'x' } } },
    }),
  );
  expect(outside.status).toBe(400);

  expect(await anna.editor.json('api/queue')).toEqual({ queue_running: [], queue_pending: [] });
  expect(await anna.history()).toEqual({});
});

test('a node that fails while it runs is shown in the editor and told in the portal', async ({ settle, generation }) => {
  const anna = await settle();
  anna.guard.tolerate(/channels/);
  const job = await anna.editor.runGraph(failingWhileRunning());
  await expect.poll(() => anna.messages('execution_error').map(({ data }) => data.prompt_id)).toEqual([job]);
  const node = { '1.32': 'VAEDecode', '1.58': 'VAE Decode' };
  await expect(await anna.editor.nodeFailure(generation, node[generation])).toContainText('but got 16 channels instead');
  await anna.openPanel('Queue');
  await expect(anna.jobCards).toContainText('Failed');
  await anna.jobCards.getByText('Technical details').click();
  await expect(anna.jobCards).toContainText('channels');
});
