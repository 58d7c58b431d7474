/** The gallery: finding, comparing, keeping, deleting and taking away results. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import type { Locator } from '@playwright/test';

import { plainImage, savedVideo } from '../../fixtures/graphs.ts';
import type { SeatPage } from '../../fixtures/seat_page.ts';
import { expect, test } from '../../fixtures/test.ts';

const run = promisify(execFile);

/** Runs graphs one after the other and shows their results. */
async function withResults(person: SeatPage, prefixes: string[]): Promise<Locator> {
  await person.join();
  for (const [place, prefix] of prefixes.entries()) await person.finished(await person.submit(plainImage(prefix, 0x101010 * (place + 1))));
  const gallery = await person.openPanel('Gallery');
  await expect(person.tiles).toHaveCount(prefixes.length);
  return gallery;
}

test('results are filtered by kind and favourites, in the address and without script too', async ({ arrive }) => {
  const anna = await arrive();
  const gallery = await withResults(anna, ['red', 'blue']);
  await anna.finished(await anna.submit(savedVideo('clip', 0x20c040)));
  await expect(anna.tiles).toHaveCount(3);

  await anna.page.getByRole('link', { name: 'blue_00001_.png' }).click();
  const dialog = anna.page.getByRole('dialog', { name: 'Result' });
  await dialog.press('f');
  await expect(dialog.getByRole('button', { name: /Favourite/ })).toHaveAttribute('aria-pressed', 'true');
  await dialog.press('Escape');

  await gallery.getByLabel('Kind').selectOption('Videos');
  await gallery.getByRole('button', { name: 'Show', exact: true }).click();
  await expect(anna.page).toHaveURL(/type=video/);
  await expect(anna.tiles).toHaveCount(1);
  await expect(anna.tiles).toHaveAccessibleName('clip_00001_.mp4');

  await anna.page.goto(`${anna.address('gallery')}&favourites=1`);
  await expect(anna.tiles).toHaveCount(1);
  await expect(anna.tiles).toHaveAccessibleName('blue_00001_.png');

  await anna.page.goto(`${anna.address('gallery')}&type=audio`);
  await expect(anna.page.getByRole('complementary', { name: 'Gallery' })).toContainText('Nothing matches');
});

test('the lightbox goes by keys, and compares two', async ({ arrive }) => {
  const anna = await arrive();
  await withResults(anna, ['first', 'second', 'third']);
  await anna.tiles.first().click();
  const dialog = anna.page.getByRole('dialog', { name: 'Result' });
  await expect(dialog.getByRole('img', { name: 'third_00001_.png' })).toBeVisible();
  await dialog.press('ArrowRight');
  await expect(dialog.getByRole('img', { name: 'second_00001_.png' })).toBeVisible();
  await dialog.press('c');
  await expect(dialog.getByText('Left: first_00001_.png. Right: second_00001_.png.')).toBeVisible();
  await dialog.getByRole('slider').fill('80');
  await dialog.press('c');
  await expect(dialog.getByText(/^Left:/)).toBeHidden();

  const download = anna.page.waitForEvent('download');
  await dialog.press('d');
  expect((await download).suggestedFilename()).toBe('second_00001_.png');
  await dialog.press('Escape');
  await expect(dialog).toBeHidden();
});

test('what is deleted can be brought back', async ({ arrive }) => {
  const anna = await arrive();
  const gallery = await withResults(anna, ['keep', 'drop']);
  await anna.page.getByRole('link', { name: 'drop_00001_.png' }).click();
  const dialog = anna.page.getByRole('dialog', { name: 'Result' });
  await dialog.press('Delete');
  await dialog.press('Escape');
  await expect(anna.tiles).toHaveCount(1);
  await expect(gallery.getByText('1 file deleted.')).toBeVisible();
  const view = await anna.context.request.get(`${anna.editor.base}api/view?filename=drop_00001_.png`);
  expect(view.status()).toBe(404);
  await gallery.getByRole('button', { name: 'Undo' }).click();
  await expect(anna.tiles).toHaveCount(2);
  expect((await anna.context.request.get(`${anna.editor.base}api/view?filename=drop_00001_.png`)).status()).toBe(200);
});

test('chosen results come as one zip, and everything goes home by a link without a session', async ({ arrive, browser }) => {
  const anna = await arrive();
  const gallery = await withResults(anna, ['one', 'two', 'three']);
  await gallery.getByRole('button', { name: 'Select' }).click();
  await anna.page.getByRole('checkbox', { name: 'one_00001_.png' }).click();
  await anna.page.getByRole('checkbox', { name: 'three_00001_.png' }).click();
  await expect(gallery.getByText('2 chosen')).toBeVisible();
  const download = anna.page.waitForEvent('download');
  await gallery.getByRole('button', { name: 'Download as zip' }).click();
  expect((await namesIn(await (await download).path())).sort()).toEqual(['one_00001_.png', 'three_00001_.png']);
  await gallery.getByRole('button', { name: 'Done' }).click();

  await gallery.getByText('Take everything home').click();
  const link = await gallery.getByLabel('Take-home link').inputValue();
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(link);
  await expect(page.getByText('3 results')).toBeVisible();
  const everything = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download', exact: true }).click();
  const names = await namesIn(await (await everything).path());
  for (const name of ['index.html', 'README.txt', 'output/one_00001_.png', 'output/two_00001_.png']) {
    expect(names).toContain(`${anna.seat.id}/${name}`);
  }
  await context.close();
});

/** The files in an archive, read by a program that is not ours. */
async function namesIn(archive: string): Promise<string[]> {
  const list = 'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print("\\n".join(z.namelist()))';
  const { stdout } = await run('python3', ['-c', list, archive]);
  return stdout.trim().split('\n');
}
