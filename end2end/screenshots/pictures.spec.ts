/** The pictures of the README, taken of a small class at work. Not part of an ordinary run. */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { Page } from '@playwright/test';

import { expect, test } from '../fixtures/test.ts';
import { ENDLESS, landscape, sampling } from '../fixtures/graphs.ts';
import { imagesDir } from '../fixtures/places.ts';

const LARGEST_BYTES = 400_000;

async function take(page: Page, name: string): Promise<void> {
  await mkdir(imagesDir, { recursive: true });
  const path = join(imagesDir, `${name}.png`);
  await page.screenshot({ path, animations: 'disabled', scale: 'css' });
  expect((await stat(path)).size, path).toBeLessThan(LARGEST_BYTES);
}

test('a class at work', async ({ settle, arrive, workshop }) => {
  // Wide enough that the editor still writes on its nodes with the drawer open.
  const anna = await settle({ viewport: { width: 1600, height: 900 } });
  const prefixes = ['dawn', 'noon', 'evening', 'night'];
  for (const [index, prefix] of prefixes.entries()) {
    await anna.editor.runGraph(landscape(prefix, index));
    await anna.editor.picture(prefix);
  }
  await anna.openPanel('Gallery');
  await expect(anna.tiles).toHaveCount(prefixes.length);
  // The drawer has taken room from the editor.
  await anna.editor.fitView();
  await take(anna.page, 'seat');

  // Others wait and run while the instructor watches.
  const ben = await arrive();
  const cara = await arrive();
  for (const person of [ben, cara]) await person.join();
  await ben.submit(sampling('study', ENDLESS));
  await cara.submit(landscape('harbour', 1));
  await anna.submit(landscape('forest', 2));
  await cara.submit(landscape('meadow', 3));
  const instructor = await arrive();
  instructor.guard.tolerate(/^401 GET \S+\/admin$/);
  await instructor.page.goto(`${workshop.url}/admin`);
  await instructor.page.getByLabel('Password').fill(workshop.adminPassword);
  await instructor.page.getByRole('button', { name: 'Sign in' }).click();
  await expect(instructor.page.getByRole('region', { name: 'Queue' })).toContainText(/KSampler · \d+ %/);
  await take(instructor.page, 'admin');

  const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
  const dora = await arrive(phone);
  await dora.settle();
  await dora.submit(landscape('bridge', 0));
  await expect(dora.headline).toContainText('in line');
  await dora.openPanel('Queue');
  await expect(dora.jobCards).toHaveCount(1);
  await take(dora.page, 'phone');
});
