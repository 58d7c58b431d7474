import { expect, test } from '../../fixtures/test.ts';
import { ENDLESS, plainImage, sampling } from '../../fixtures/graphs.ts';
import { SEATS } from '../../fixtures/workshop.ts';

test('the instructor signs in and sees jobs, workers and seats, live', async ({ arrive, workshop }) => {
  const instructor = await arrive();
  instructor.guard.tolerate(/^401 GET \S+\/admin$/);
  const { page } = instructor;
  await page.goto(`${workshop.url}/admin`);
  await page.getByLabel('Password').fill('not the password');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).toHaveText('That is not the password. Try again.');
  await page.getByLabel('Password').fill(workshop.adminPassword);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page).toHaveURL(`${workshop.url}/admin`);
  await expect(page.locator('html[data-hydrated="true"]')).toBeAttached();
  await expect(page.getByRole('region', { name: 'Workers' })).toContainText('test-worker');
  await expect(page.getByRole('region', { name: 'Workers' })).toContainText('GPU ready');
  await expect(page.getByRole('region', { name: 'Seats' }).getByRole('row')).toHaveCount(SEATS + 1);

  const anna = await arrive();
  const row = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: anna.seat.id }) });
  await expect(row.getByRole('textbox')).toHaveValue(anna.seat.joinUrl);
  await anna.join();
  await expect(row.getByRole('cell').nth(1)).toHaveText('1');

  // The queue and what ended follow by themselves, without a reload.
  const long = await anna.submit(sampling('long', ENDLESS));
  const queue = page.getByRole('region', { name: 'Queue' }).getByRole('row').filter({ hasText: anna.seat.id });
  await expect(queue).toContainText(/KSampler · \d+ %/);
  const waiting = await anna.submit(plainImage('waiting'));
  await expect(queue).toHaveCount(2);
  const runningRow = queue.filter({ hasText: 'KSampler' });
  await runningRow.getByText('Cancel', { exact: true }).click();
  await runningRow.getByRole('button', { name: 'Yes, cancel it' }).click();
  await anna.finished(waiting);
  await expect(queue).toHaveCount(0);
  const ended = page.getByRole('region', { name: 'Ended' }).getByRole('row').filter({ hasText: anna.seat.id });
  await expect(ended.filter({ hasText: 'Done' })).toHaveCount(1);
  await expect(ended.filter({ hasText: 'Cancelled' })).toHaveCount(1);
  expect((await anna.history())[long]?.status.status_str).toBe('error');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.goto(`${workshop.url}/admin`);
  await expect(page.getByLabel('Password')).toBeVisible();
});

test('a participant gets no instructor’s page, live or not', async ({ arrive, workshop }) => {
  const anna = await arrive();
  await anna.join();
  anna.guard.tolerate(/^404 GET \S+\/admin(\/live)?$/);
  expect((await anna.page.goto(`${workshop.url}/admin`))?.status()).toBe(404);
  await expect(anna.page.getByRole('heading', { level: 1 })).toHaveText('There is nothing here for you');
  expect((await anna.context.request.get(`${workshop.url}/admin/live`)).status()).not.toBe(101);
});
