/** A model of one's own: from the Files tab into the editor's selectors, and through the engine. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { decodedBy } from '../../fixtures/graphs.ts';
import { modelsDir } from '../../fixtures/places.ts';
import type { SeatPage } from '../../fixtures/seat_page.ts';
import { expect, test } from '../../fixtures/test.ts';

const NAME = 'mine/annas.safetensors';

/** What the editor offers in its VAE selector. */
async function offered(person: SeatPage): Promise<unknown> {
  await person.editor.open(decodedBy('own', 'tiny-vae.safetensors'));
  return person.editor.frame().evaluate(() => {
    const loader = window.app?.graph.nodes.find(({ type }) => type === 'VAELoader');
    const selector = loader?.widgets?.find(({ name }) => name === 'vae_name') as { options?: { values?: unknown } } | undefined;
    return selector?.options?.values;
  });
}

test('an uploaded model is selectable in that seat’s editor only, and its jobs run with it', async ({ settle }) => {
  const [anna, ben] = [await settle(), await settle()];
  const files = await anna.openPanel('Files');
  await files.getByLabel('Model folder').selectOption('vae');
  const buffer = await readFile(join(modelsDir, 'vae/tiny-vae.safetensors'));
  await files.getByLabel('Add a model').setInputFiles({ name: 'annas.safetensors', mimeType: '', buffer });
  await expect(files.locator('.file-row').filter({ hasText: NAME })).toBeVisible();

  for (const person of [anna, ben]) {
    await person.page.reload();
    await person.editor.ready();
  }
  expect(await offered(anna)).toContain(NAME);
  expect(await offered(ben)).not.toContain(NAME);

  await anna.finished(await anna.editor.runGraph(decodedBy('own', NAME)));
  await anna.editor.picture('own');
  await ben.editor.open(decodedBy('own', NAME));
  ben.guard.tolerate(/^400 POST .*\/api\/prompt$/, /PromptExecutionError|Prompt outputs failed/);
  expect((await ben.editor.pressRun()).status()).toBe(400);
});
