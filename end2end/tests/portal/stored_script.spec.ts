/** Script in all that a participant may name: it runs for nobody, neither here nor at home. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import type { Page } from '@playwright/test';

import { Instructor } from '../../fixtures/instructor.ts';
import { solidPng } from '../../fixtures/png.ts';
import { expect, test } from '../../fixtures/test.ts';

const run = promisify(execFile);

const MARKUP = `"'><img src=x onerror="window.__pwned=1">{{7*7}}\u2028<!--</script><script>window.__pwned=1</script>`;
/** As part of a file's name, which has no slash. */
const NAME = `"'><img src=x onerror=window.__pwned=1>`;

/** Notes every dialog; gives what to ask at the end of a look at a page. */
function watch(page: Page): { isClean: () => Promise<void> } {
  const dialogs: string[] = [];
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message());
    void dialog.dismiss();
  });
  return {
    isClean: async () => {
      expect(await page.evaluate(() => (window as { __pwned?: number }).__pwned)).toBeUndefined();
      expect(await page.locator('img[src="x"]').count()).toBe(0);
      expect(dialogs).toEqual([]);
    },
  };
}

test('what a participant names runs for nobody', async ({ arrive, browser, workshop }, testInfo) => {
  const anna = await arrive();
  await anna.join();
  const { request } = anna.context;
  const api = `${anna.editor.base}api`;

  const graph = (prefix: string, value: unknown) => ({
    1: { class_type: 'EmptyImage', inputs: { width: 64, height: 64, batch_size: 1, color: value } },
    2: { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: prefix }, _meta: { title: MARKUP } },
  });
  const extra = { extra_pnginfo: { workflow: { id: MARKUP, nodes: [{ id: 1, type: MARKUP, title: MARKUP, pos: [0, 0], size: [1, 1] }], links: [], version: 0.4 } } };
  const queued = await request.post(`${api}/prompt`, { data: { prompt: graph('planted', 1), extra_data: extra, client_id: MARKUP } });
  expect(queued.status(), await queued.text()).toBe(200);
  await anna.finished(((await queued.json()) as { prompt_id: string }).prompt_id);
  // The engine's own words about it: torch refuses a picture of 16 channels.
  const failing = await request.post(`${api}/prompt`, {
    data: {
      prompt: {
        1: { class_type: 'EmptySD3LatentImage', inputs: { width: 64, height: 64, batch_size: 1 }, _meta: { title: MARKUP } },
        2: { class_type: 'VAELoader', inputs: { vae_name: 'tiny-vae.safetensors' } },
        3: { class_type: 'VAEDecode', inputs: { samples: ['1', 0], vae: ['2', 0] }, _meta: { title: MARKUP } },
        4: { class_type: 'SaveImage', inputs: { images: ['3', 0], filename_prefix: 'never' }, _meta: { title: MARKUP } },
      },
    },
  });
  expect(failing.status(), await failing.text()).toBe(200);
  for (const path of [`workflows/${NAME}.json`, `workflows/${NAME}/${NAME}.json`]) {
    const saved = await request.post(`${api}/userdata/${encodeURIComponent(path)}`, { data: { nodes: [{ id: 1, type: MARKUP }], links: [] } });
    expect(saved.status(), await saved.text()).toBe(200);
  }
  const uploaded = await request.post(`${api}/upload/image`, {
    multipart: { image: { name: "'><img src=x onerror=window.__pwned=1>.png", mimeType: 'text/html', buffer: solidPng([1, 2, 3]) } },
  });
  expect(uploaded.status(), await uploaded.text()).toBe(200);
  const page = await request.post(`${api}/userdata/${encodeURIComponent('evil.html')}`, { data: '<script>window.__pwned=1</script>' });
  expect(page.status()).toBe(200);

  const instructor = await Instructor.signIn(browser, workshop);
  await instructor.does('announce', { text: MARKUP });
  await instructor.does('message-seat', { seat: anna.seat.id, text: MARKUP });
  await instructor.does('rename-seat', { seat: anna.seat.id, name: '"><img src=x onerror=__pwned=1>' });

  try {
    const hers = watch(anna.page);
    for (const panel of ['queue', 'gallery', 'files', 'workflows', 'help'] as const) {
      await anna.page.goto(anna.address(panel));
      await anna.hydrated();
      // What comes over the socket is shown as well.
      await expect(anna.page.getByText('<img src=x', { exact: false }).first()).toBeVisible();
      await hers.isClean();
    }
    await anna.page.goto(anna.address('gallery'));
    await anna.hydrated();
    await anna.tiles.first().click();
    await expect(anna.page.getByRole('dialog', { name: 'Result' })).toBeVisible();
    await hers.isClean();

    const theirs = watch(instructor.page);
    for (const tab of ['queue', 'people', 'workers', 'activity', 'settings']) {
      await instructor.page.goto(`${workshop.url}/admin?tab=${tab}`);
      await expect(instructor.page.locator('html[data-hydrated="true"]')).toBeAttached();
      await expect(instructor.page.getByText('<img src=x', { exact: false }).first()).toBeAttached();
      await theirs.isClean();
    }
  } finally {
    // The other tests' workshop says nothing of this.
    await instructor.does('announce', { text: '' });
    await instructor.does('message-seat', { seat: anna.seat.id, text: '' });
    await instructor.does('rename-seat', { seat: anna.seat.id, name: '' });
    await instructor.leave();
  }

  // At home nothing stands between the page and the disk.
  const archive = await request.get(`${anna.address()}/take-home.zip?inputs=1`);
  expect(archive.status()).toBe(200);
  const file = testInfo.outputPath('take-home.zip');
  await writeFile(file, await archive.body());
  await run('python3', ['-m', 'zipfile', '-e', file, testInfo.outputPath('home')]);
  const home = await anna.context.newPage();
  const atHome = watch(home);
  await home.goto(pathToFileURL(join(testInfo.outputPath('home'), anna.seat.id, 'index.html')).href);
  await expect(home.getByText('<img src=x', { exact: false }).first()).toBeVisible();
  await atHome.isClean();
});
