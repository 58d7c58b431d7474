/** The workflows that the workshop gives, the participant's own, and the official templates. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { workflowsDir } from '../../fixtures/places.ts';
import { plainImage } from '../../fixtures/graphs.ts';
import { solidPng } from '../../fixtures/png.ts';
import type { SeatPage } from '../../fixtures/seat_page.ts';
import { expect, test } from '../../fixtures/test.ts';

interface Shipped {
  title: string;
  nodes: number;
}

/** Those of a folder, by name. */
function shipped(folder: string): Shipped[] {
  const names = readdirSync(join(workflowsDir, folder)).sort();
  return names.map((name) => {
    const { nodes } = JSON.parse(readFileSync(join(workflowsDir, folder, name), 'utf8')) as { nodes: unknown[] };
    return { title: name.replace(/\.json$/, ''), nodes: nodes.length };
  });
}

const PICTURE = 'your picture.png';

async function uploadPicture(person: SeatPage): Promise<void> {
  const answer = await person.context.request.post(`${person.editor.base}api/upload/image`, {
    multipart: { image: { name: PICTURE, mimeType: 'image/png', buffer: solidPng([200, 120, 40], 64) } },
  });
  expect(answer.ok(), await answer.text()).toBe(true);
}

/** Opens a workflow from the portal's panel, and waits until the editor shows it. */
async function openFromPanel(person: SeatPage, { title, nodes }: Shipped): Promise<void> {
  const panel = await person.openPanel('Workflows');
  await panel.getByRole('button', { name: `Open in the editor: ${title}` }).click();
  await person.editor.frame().waitForFunction((count) => window.app?.graph.nodes.length === count, nodes);
}

test('the side bar shows the workshop’s workflows, and one opens from there', async ({ settle }) => {
  const anna = await settle();
  await anna.editor.content.getByRole('button', { name: /^Workflows/ }).click();
  const entry = (name: RegExp) => anna.editor.content.locator('.tree-node').filter({ hasText: name });
  await entry(/Start here/).first().click();
  const first = entry(/^\s*1 First picture(\.json)?\s*$/);
  await expect(first).toBeVisible();
  await first.click();
  const [picture] = shipped('Start here');
  await anna.editor.frame().waitForFunction((count) => window.app?.graph.nodes.length === count, picture?.nodes);
});

for (const workflow of shipped('Start here')) {
  test(`${workflow.title}: opens from the panel and runs`, async ({ settle }) => {
    const anna = await settle();
    await uploadPicture(anna);
    await anna.page.reload();
    await anna.editor.ready();
    await openFromPanel(anna, workflow);
    const entry = await anna.finished(await anna.editor.run());
    const files = Object.values(entry.outputs).flatMap(({ images = [] }) => images);
    expect(files.some(({ type }) => type === 'output')).toBe(true);
  });
}

test('the panel says what a workflow needs before it is run', async ({ settle }) => {
  const anna = await settle();
  const panel = await anna.openPanel('Workflows');
  const article = (name: string) => panel.getByRole('article', { name, exact: true });
  await expect(article('1 First picture')).toContainText('Ready');
  await expect(article('3 Retouch your own picture')).toContainText(`the file ${PICTURE}`);
  const ltx = article('LTX-2 text to video');
  await expect(ltx).toContainText('the model ltx-2-19b-dev-fp8.safetensors in checkpoints');
  await expect(ltx).toContainText("the node LTXAVTextEncoderLoader, which this workshop's machine lacks");
  await expect(ltx).toContainText('From the workshop');

  await uploadPicture(anna);
  await panel.getByRole('button', { name: 'Look again' }).click();
  await expect(article('3 Retouch your own picture')).toContainText('Ready');
});

test('a workflow of one’s own is found in the panel, and the workshop’s original comes again beside a changed copy', async ({ settle }) => {
  const anna = await settle();
  await anna.editor.open(plainImage('lagoon'));
  await anna.editor.save('lagoon view');
  const panel = await anna.openPanel('Workflows');
  const article = (name: string) => panel.getByRole('article', { name, exact: true });
  await expect(article('lagoon view')).toContainText('Mine');
  await expect(article('lagoon view').getByRole('button', { name: /original/ })).toHaveCount(0);

  await article('1 First picture').getByRole('button', { name: 'Get the original again: 1 First picture' }).click();
  await expect(article('1 First picture (original)')).toBeVisible();
});

test('a template opens in the editor', async ({ arrive }) => {
  const anna = await arrive();
  // Its model is not on this machine, which the editor says in its own ways.
  anna.guard.tolerate(/v1-5-pruned/, /template/i);
  await anna.join();
  const dialog = anna.editor.content.getByRole('dialog').filter({ hasText: 'Templates' });
  await expect(dialog).toBeVisible({ timeout: 60_000 });
  const search = dialog.getByPlaceholder(/search/i).first();
  await search.fill('Image Generation');
  await dialog.getByTestId('template-workflow-default').first().click();
  await anna.editor.frame().waitForFunction(() => window.app?.graph.nodes.some(({ type }) => type === 'KSampler'));
});
