import { expect, test } from '../../fixtures/test.ts';
import { plainImage } from '../../fixtures/graphs.ts';

/** What a page that is put out complains of: refusals, and the editor of each that it gets. */
const PUT_OUT = [/ 409 |^409 /, /WebSocket connection to .* failed/, /\/comfy\/assets\//];

test('a join link that is open in another browser says so, and takes the seat over on request', async ({ arrive, comeIn }) => {
  const anna = await arrive();
  await anna.join();
  const job = await anna.submit(plainImage('carried-over'));
  await anna.finished(job);

  const laptop = await comeIn(anna.seat);
  laptop.guard.tolerate(/^409 GET /);
  await laptop.page.goto(anna.seat.joinUrl);
  await expect(laptop.page.getByRole('heading', { level: 1 })).toHaveText(`${anna.seat.id} is in use elsewhere`);
  await expect(laptop.page.locator('iframe')).toHaveCount(0);
  await expect(anna.connection).toHaveText('Live');

  // Nobody is put out before somebody says so.
  anna.guard.tolerate(...PUT_OUT);
  await laptop.page.getByRole('button', { name: 'Use it here instead' }).click();
  await laptop.hydrated();
  await expect(laptop.bar).toBeVisible();
  await laptop.openPanel('Queue');
  await expect(laptop.jobCards).toHaveCount(1);

  // The page that was put out says so by itself, and has the seat back on request.
  const banner = anna.page.getByRole('alert').filter({ hasText: 'Your seat is in use elsewhere' });
  await expect(banner).toBeVisible();
  laptop.guard.tolerate(...PUT_OUT);
  await banner.getByRole('button', { name: 'Use it here instead' }).click();
  await anna.hydrated();
  await expect(banner).toHaveCount(0);
  await expect(laptop.page.getByRole('alert').filter({ hasText: 'Your seat is in use elsewhere' })).toBeVisible();
});

test('a seat in two browsers says so in both, and one ends it in the other', async ({ arrive, comeIn }) => {
  const anna = await arrive();
  await anna.join();
  const phone = await comeIn(anna.seat, { viewport: { width: 390, height: 844 } });
  phone.guard.tolerate(/^409 GET /);
  await phone.page.goto(anna.seat.joinUrl);
  await phone.page.getByRole('button', { name: 'Use it in both' }).click();
  await phone.hydrated();
  for (const person of [anna, phone]) {
    await expect(person.page.getByText('Your seat is in use elsewhere, too')).toBeVisible();
  }
  phone.guard.tolerate(...PUT_OUT);
  await anna.page.getByRole('button', { name: 'End it there' }).click();
  await anna.hydrated();
  await expect(anna.page.getByText('Your seat is in use elsewhere, too')).toHaveCount(0);
  await expect(phone.page.getByRole('alert').filter({ hasText: 'Your seat is in use elsewhere' })).toBeVisible();
});
