import { expect, test } from '../../fixtures/test.ts';
import { plainImage } from '../../fixtures/graphs.ts';

test('settings survive a reload and are the seat’s own', async ({ settle }) => {
  const anna = await settle();
  const ben = await settle();
  const setting = 'Comfy.Queue.MaxHistoryItems';
  await anna.editor.changeSetting(setting, 17);
  await expect.poll(() => anna.editor.json(`api/settings/${setting}`)).toBe(17);
  await anna.page.reload();
  await anna.editor.ready();
  expect(await anna.editor.readSetting(setting)).toBe(17);
  await ben.page.reload();
  await ben.editor.ready();
  expect(await ben.editor.readSetting(setting)).not.toBe(17);
});

test('a saved workflow survives a reload, on another device too, and is the seat’s own', async ({ settle, browser }) => {
  const anna = await settle();
  const ben = await settle();
  await anna.editor.open(plainImage('harbour'));
  await anna.editor.save('harbour view');
  await expect.poll(async () => (await anna.editor.fetch('api/userdata?dir=workflows')).text).toContain('harbour view.json');

  await anna.page.reload();
  await anna.editor.ready();
  await expect(await anna.editor.savedWorkflow('harbour view')).toBeVisible();

  const context = await browser.newContext();
  const elsewhere = await context.newPage();
  await elsewhere.goto(anna.seat.joinUrl);
  await elsewhere.getByRole('button', { name: 'Use it in both' }).click();
  await expect(elsewhere.locator('header.bar')).toBeVisible();
  const files = await elsewhere.evaluate(async (base) => (await fetch(`${base}api/userdata?dir=workflows`)).json() as Promise<string[]>, anna.editor.base);
  expect(files).toContain('harbour view.json');
  await context.close();

  await ben.page.reload();
  await ben.editor.ready();
  await expect(await ben.editor.savedWorkflow('harbour view')).toHaveCount(0);
  expect(await ben.editor.json('api/userdata?dir=workflows')).toEqual([]);
});

test('two seats in one browser keep their drafts apart', async ({ arrive }) => {
  const anna = await arrive();
  const ben = await arrive();
  await anna.settle();
  await anna.editor.open(plainImage('only-annas'));
  // The draft reaches the browser's storage a moment after the change.
  await expect.poll(() => anna.editor.frame().evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).toContain('only-annas');

  const second = await anna.context.newPage();
  await second.goto(ben.seat.joinUrl);
  await expect(second.frameLocator('iframe.editor').locator('#graph-canvas')).toBeVisible({ timeout: 60_000 });
  const frame = second.frames().find((frame) => frame.url().startsWith(ben.editor.base));
  await frame?.waitForFunction(() => window.app?.graph && window.app.canvas);
  const shown = await frame?.evaluate(() => window.app?.graph.nodes.flatMap((node) => (node.widgets ?? []).map(({ value }) => value)));
  expect(shown).toBeDefined();
  expect(shown).not.toContain('only-annas');
});
