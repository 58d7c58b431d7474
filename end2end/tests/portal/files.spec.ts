/** The Files tab: what a participant brings is theirs alone, arrives whole, and comes back when deleted. */
import type { Locator } from '@playwright/test';

import { smallModel } from '../../fixtures/model_file.ts';
import { solidPng } from '../../fixtures/png.ts';
import type { SeatPage } from '../../fixtures/seat_page.ts';
import { expect, test } from '../../fixtures/test.ts';

const PICTURE = { name: 'face.png', mimeType: 'image/png', buffer: solidPng([200, 40, 40]) };

async function openFiles(person: SeatPage): Promise<Locator> {
  await person.join();
  return person.openPanel('Files');
}

function upload(panel: Locator, name: string): Locator {
  return panel.locator('.upload').filter({ hasText: name });
}

function row(panel: Locator, name: string): Locator {
  return panel.locator('.file-row').filter({ hasText: name });
}

/** The choices of a loader's first input, as the editor of that seat gets them. */
async function choices(person: SeatPage, node: string, input: string): Promise<string> {
  const answer = await person.context.request.get(`${person.editor.base}api/object_info/${node}`);
  const info = (await answer.json()) as Record<string, { input: { required: Record<string, unknown> } }>;
  return JSON.stringify(info[node]?.input.required[input]);
}

test('a picture and a model are added, and are there for this seat only', async ({ arrive }) => {
  const [anna, ben] = [await arrive(), await arrive()];
  const panel = await openFiles(anna);
  await ben.join();
  await expect(panel).toContainText('No files yet');
  await panel.getByLabel('Add files').setInputFiles(PICTURE);
  await expect(upload(panel, 'face.png')).toHaveAttribute('data-phase', 'done');
  await expect(row(panel, 'face.png').locator('img')).toBeVisible();

  await panel.getByLabel('Model folder').selectOption('loras');
  await panel.getByLabel('Add a model').setInputFiles({ name: 'anna.safetensors', mimeType: '', buffer: smallModel() });
  await expect(upload(panel, 'anna.safetensors')).toHaveAttribute('data-phase', 'done');
  await expect(row(panel, 'mine/anna.safetensors')).toContainText('loras');

  await expect.poll(() => choices(anna, 'LoadImage', 'image')).toContain('face.png');
  await expect.poll(() => choices(anna, 'LoraLoaderModelOnly', 'lora_name')).toContain('mine/anna.safetensors');
  expect(await choices(ben, 'LoadImage', 'image')).not.toContain('face.png');
  expect(await choices(ben, 'LoraLoaderModelOnly', 'lora_name')).not.toContain('anna.safetensors');
});

test('a pickle is refused with the reason, and so is a page that is called a picture', async ({ arrive }) => {
  const anna = await arrive();
  anna.guard.tolerate(/^415 PATCH /);
  const panel = await openFiles(anna);
  await panel.getByLabel('Add a model').setInputFiles({ name: 'old.ckpt', mimeType: '', buffer: Buffer.from('pickle') });
  await expect(upload(panel, 'old.ckpt')).toContainText('can run code');
  await panel.getByLabel('Add files').setInputFiles({ name: 'page.png', mimeType: '', buffer: Buffer.from('<!doctype html><p>x') });
  await expect(upload(panel, 'page.png')).toContainText('it is a web page');
  await upload(panel, 'page.png').getByRole('button', { name: 'Dismiss: page.png' }).click();
  await expect(upload(panel, 'page.png')).toHaveCount(0);
});

test('a cut connection goes on by itself, and a reload with the same file', async ({ arrive }) => {
  const anna = await arrive();
  const panel = await openFiles(anna);
  const big = { name: 'clip.mp4', mimeType: 'video/mp4', buffer: Buffer.alloc(9 << 20, 5) };
  // Every second piece never arrives.
  let pieces = 0;
  anna.guard.tolerateOutage();
  anna.guard.tolerate(/net::ERR_FAILED/);
  await anna.page.route('**/uploads/*', async (route) => {
    if (route.request().method() !== 'PATCH') return route.continue();
    pieces += 1;
    return pieces % 2 === 0 ? route.abort('connectionreset') : route.continue();
  });
  await panel.getByLabel('Add files').setInputFiles(big);
  await expect(upload(panel, 'clip.mp4')).toHaveAttribute('data-phase', 'done');
  expect(pieces).toBeGreaterThan(2);
  await anna.page.unroute('**/uploads/*');

  // From here on nothing but the first piece arrives, until the page is loaded again.
  let isFirst = true;
  await anna.page.route('**/uploads/*', async (route) => {
    if (route.request().method() !== 'PATCH' || isFirst) {
      isFirst &&= route.request().method() !== 'PATCH';
      return route.continue();
    }
    return route.abort('connectionreset');
  });
  const second = { ...big, name: 'second.mp4' };
  await panel.getByLabel('Add files').setInputFiles(second);
  await expect(upload(panel, 'second.mp4')).toHaveAttribute('data-phase', 'retrying');
  await anna.page.goto(anna.address('files'));
  await anna.hydrated();
  await anna.page.unroute('**/uploads/*');
  const begun = upload(panel, 'second.mp4');
  await expect(begun).toContainText('Choose the same file again');
  await begun.getByLabel('Choose the file').setInputFiles(second);
  await expect(upload(panel, 'second.mp4')).toHaveAttribute('data-phase', 'done');
  const stored = await anna.context.request.get(`${anna.editor.base}api/view?filename=second.mp4&type=input`);
  expect((await stored.body()).equals(big.buffer)).toBe(true);
});

test('an upload is paused, goes on, and is cancelled', async ({ arrive }) => {
  const anna = await arrive();
  const panel = await openFiles(anna);
  anna.guard.tolerate(/ERR_ABORTED/, /AbortError/);
  // Held until the test lets it go, so that it can be paused in its middle.
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await anna.page.route('**/uploads/*', async (route) => {
    if (route.request().method() === 'PATCH') await held;
    await route.continue().catch(() => undefined);
  });
  await panel.getByLabel('Add files').setInputFiles({ name: 'a.mp4', mimeType: '', buffer: Buffer.alloc(1000) });
  const row = upload(panel, 'a.mp4');
  await row.getByRole('button', { name: 'Pause: a.mp4' }).click();
  await expect(row).toHaveAttribute('data-phase', 'paused');
  release();
  await row.getByRole('button', { name: 'Go on: a.mp4' }).click();
  await expect(row).toHaveAttribute('data-phase', 'done');

  await anna.page.unroute('**/uploads/*');
  await anna.page.route('**/uploads/*', (route) => (route.request().method() === 'PATCH' ? undefined : route.continue()));
  await panel.getByLabel('Add files').setInputFiles({ name: 'b.mp4', mimeType: '', buffer: Buffer.alloc(1000) });
  await expect(upload(panel, 'b.mp4')).toHaveAttribute('data-phase', 'sending');
  await upload(panel, 'b.mp4').getByRole('button', { name: 'Cancel: b.mp4' }).click();
  await expect(upload(panel, 'b.mp4')).toHaveCount(0);
  const { origin } = new URL(anna.seat.joinUrl);
  await expect.poll(async () => (await anna.context.request.get(`${origin}/user/${anna.seat.id}/uploads`)).json()).toEqual([]);
});

test('what is deleted comes back', async ({ arrive }) => {
  const anna = await arrive();
  const panel = await openFiles(anna);
  await panel.getByLabel('Add files').setInputFiles(PICTURE);
  await panel.getByLabel('Model folder').selectOption('loras');
  await panel.getByLabel('Add a model').setInputFiles({ name: 'mine.safetensors', mimeType: '', buffer: smallModel() });
  for (const name of ['face.png', 'mine.safetensors']) {
    await expect(row(panel, name)).toBeVisible();
    await row(panel, name).getByRole('button', { name: `Delete: ${name}` }).click();
    await expect(row(panel, name)).toHaveCount(0);
    await panel.getByRole('button', { name: 'Undo' }).click();
    await expect(row(panel, name)).toBeVisible();
  }
});

test('the instructor sees the files and changes none, and they read without script', async ({ arrive, workshop }) => {
  const anna = await arrive();
  const panel = await openFiles(anna);
  await panel.getByLabel('Add files').setInputFiles(PICTURE);
  await expect(row(panel, 'face.png')).toBeVisible();

  const instructor = await arrive({ javaScriptEnabled: false });
  const { page } = instructor;
  await page.goto(`${workshop.url}/admin/login`);
  await page.getByLabel('Password').fill(workshop.adminPassword);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.goto(anna.address('files'));
  const looking = page.getByRole('complementary', { name: 'Files' });
  await expect(row(looking, 'face.png')).toBeVisible();
  await expect(looking.getByRole('button', { name: /Delete/ })).toHaveCount(0);
  await expect(looking.getByLabel('Add files')).toHaveCount(0);
});
