/** Two seats that take turns in one browser profile. */
import { chromium, type BrowserContext, type Frame, type Page } from '@playwright/test';

import { plainImage } from '../../fixtures/graphs.ts';
import { Editor } from '../../fixtures/editor.ts';
import { expect, test } from '../../fixtures/test.ts';
import type { Seat, Workshop } from '../../fixtures/workshop.ts';

/** Opens the seat by its join link, past the editor's greeting; gives its editor. */
async function enter(page: Page, seat: Seat, workshop: Workshop): Promise<Editor> {
  const editor = new Editor(page, `${workshop.url}/user/${seat.id}/comfy/`);
  const { request } = page.context();
  await request.get(seat.joinUrl);
  await request.post(`${editor.base}api/settings`, { data: { 'Comfy.TutorialCompleted': true } });
  await page.goto(`${workshop.url}/user/${seat.id}`);
  await editor.ready();
  return editor;
}

/** All that the editor's page finds of what pages keep. */
function kept(frame: Frame): Promise<string> {
  return frame.evaluate(async () => {
    const databases = await indexedDB.databases();
    const items = (storage: Storage) => Object.entries(storage);
    return JSON.stringify([items(localStorage), items(sessionStorage), databases, window.name, document.cookie]);
  });
}

test('every way to a storage keeps the seats apart', async ({ browser, workshop }) => {
  const [first, second] = [workshop.nextSeat(), workshop.nextSeat()];
  const context = await browser.newContext();
  const page = await context.newPage();
  const anna = (await enter(page, first, workshop)).frame();
  await anna.evaluate(async () => {
    localStorage.setItem('by-method', 'anna');
    localStorage['by-index'] = 'anna';
    Object.assign(sessionStorage, { 'by-assign': 'anna' });
    window.name = 'annas-window';
    await new Promise<void>((resolve, reject) => {
      const opening = indexedDB.open('annas-database');
      opening.onsuccess = () => (opening.result.close(), resolve());
      opening.onerror = () => reject(opening.error);
    });
  });
  const own = await anna.evaluate(() => ({
    read: [localStorage.getItem('by-index'), localStorage['by-method'], sessionStorage.getItem('by-assign')],
    known: ['by-method' in localStorage, Object.keys(localStorage).includes('by-index'), 'nothing' in localStorage],
    missing: [localStorage.getItem('nothing'), localStorage['nothing'] === undefined],
    genuine: [localStorage instanceof Storage, localStorage === window.localStorage, typeof localStorage.length],
    deleted: delete localStorage['by-index'] && localStorage.getItem('by-index'),
    event: new StorageEvent('storage', { key: 'x', storageArea: localStorage }).storageArea === localStorage,
  }));
  expect(own).toEqual({
    read: ['anna', 'anna', 'anna'],
    known: [true, true, false],
    missing: [null, true],
    genuine: [true, true, 'number'],
    deleted: null,
    event: true,
  });

  const told = anna.evaluate(
    () => new Promise<string[]>((resolve) => {
      const heard: string[] = [];
      window.addEventListener('storage', ({ key }) => heard.push(`storage ${key}`));
      new BroadcastChannel('channel').onmessage = ({ data }) => heard.push(`channel ${data}`);
      // Its own last word, over a way that is surely open.
      new BroadcastChannel('end').onmessage = () => resolve(heard);
      document.documentElement.dataset['listening'] = 'true';
    }),
  );
  await anna.waitForFunction(() => document.documentElement.dataset['listening'] === 'true');
  const other = await context.newPage();
  const ben = (await enter(other, second, workshop)).frame();
  for (const trace of ['by-method', 'by-assign', 'annas-database', 'annas-window', first.id]) expect(await kept(ben), trace).not.toContain(trace);
  const seen = await ben.evaluate(async () => {
    localStorage.setItem('by-method', 'ben');
    new BroadcastChannel('channel').postMessage('from ben');
    new BroadcastChannel('end').postMessage('ben cannot end it');
    const lock = await navigator.locks.request('lock', { ifAvailable: true }, async (lock) => lock !== null);
    const before = localStorage.length;
    localStorage.clear();
    return { lock, before: before > 0, after: localStorage.length };
  });
  expect(seen).toEqual({ lock: true, before: true, after: 0 });
  expect(await anna.evaluate(() => localStorage['by-method'])).toBe('anna');
  const again = await context.newPage();
  const annaAgain = (await enter(again, first, workshop)).frame();
  await annaAgain.evaluate(() => {
    new BroadcastChannel('channel').postMessage('from anna');
    new BroadcastChannel('end').postMessage('');
  });
  const heard = await told;
  expect(heard.filter((word) => word.includes('ben') || word.includes('by-method'))).toEqual([]);
  expect(heard).toContain('channel from anna');
  await context.close();
});

test('drafts are the seat’s own in the same tab, in a new one, and after the browser was closed', async ({ workshop }, testInfo) => {
  const [first, second] = [workshop.nextSeat(), workshop.nextSeat()];
  const { launchOptions, viewport } = testInfo.project.use;
  const open = (): Promise<BrowserContext> =>
    chromium.launchPersistentContext(testInfo.outputPath('profile'), { ...launchOptions, headless: true, viewport });
  const values = (editor: Editor) =>
    editor.frame().evaluate(() => window.app?.graph.nodes.flatMap((node) => (node.widgets ?? []).map(({ value }) => value)) ?? []);

  let profile = await open();
  const tab = await profile.newPage();
  const anna = await enter(tab, first, workshop);
  await anna.open(plainImage('only-annas'));
  await expect.poll(() => kept(anna.frame())).toContain('only-annas');
  expect(await values(await enter(tab, second, workshop)), 'the same tab').not.toContain('only-annas');
  expect(await values(await enter(await profile.newPage(), second, workshop)), 'a new tab').not.toContain('only-annas');
  await profile.close();

  profile = await open();
  const after = await enter(await profile.newPage(), second, workshop);
  expect(await values(after), 'another start').not.toContain('only-annas');
  expect(await kept(after.frame())).not.toContain('only-annas');
  await profile.close();
});
