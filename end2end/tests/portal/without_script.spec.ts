/** Everything that the portal says must be readable before, or without, its script. */
import { expect, test } from '../../fixtures/test.ts';
import { ENDLESS, plainImage, sampling } from '../../fixtures/graphs.ts';
import { TITLE } from '../../fixtures/workshop.ts';

const noScript = { javaScriptEnabled: false };

test('the start page reads without script', async ({ arrive, workshop }) => {
  const stranger = await arrive(noScript);
  await stranger.page.goto(workshop.url);
  await expect(stranger.page.getByRole('heading', { level: 1 })).toHaveText(TITLE);
  await expect(stranger.page.getByText('Open the link your instructor gave you.')).toBeVisible();
  await expect(stranger.page.getByRole('link', { name: 'Instructor sign-in' })).toBeVisible();
});

test('the seat’s page shows jobs and results without script, and cancels by a form', async ({ arrive }) => {
  const anna = await arrive(noScript);
  await anna.page.goto(anna.seat.joinUrl);
  await expect(anna.page).toHaveURL(anna.address());
  // The browser of the tests runs no script, yet does not show what is for that case.
  expect(await anna.page.locator('noscript').innerHTML()).toContain('Without JavaScript the editor cannot run');
  await anna.finished(await anna.submit(plainImage('kept')));
  const running = await anna.submit(sampling('running', ENDLESS));

  await anna.bar.getByRole('link', { name: 'Gallery' }).click();
  await expect(anna.tiles).toHaveAccessibleName('kept_00001_.png');
  await anna.bar.getByRole('link', { name: 'Queue' }).click();
  await expect(anna.jobCards).toHaveCount(2);
  await anna.cancel(anna.jobCards.filter({ hasText: /Running|Up next|Waiting/ }));
  await expect(anna.page).toHaveURL(/\/user\/user\d+\?panel=queue/);
  await expect.poll(async () => (await anna.history())[running]?.status.status_str).toBe('error');
  await anna.page.reload();
  await expect(anna.jobCards.filter({ hasText: 'Cancelled' })).toHaveCount(1);
});

test('the instructor’s page reads without script', async ({ arrive, workshop }) => {
  const anna = await arrive();
  await anna.join();
  await anna.finished(await anna.submit(plainImage('ended')));
  const instructor = await arrive(noScript);
  instructor.guard.tolerate(/^401 GET \S+\/admin$/);
  const { page } = instructor;
  await page.goto(`${workshop.url}/admin`);
  await page.getByLabel('Password').fill(workshop.adminPassword);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('region', { name: 'Ended' }).getByRole('row').filter({ hasText: anna.seat.id })).toContainText('Done');
  await page.getByRole('link', { name: 'Workers' }).click();
  await expect(page.getByRole('region', { name: 'Workers' })).toContainText('test-worker');
  await page.getByRole('link', { name: 'People' }).click();
  await expect(page.getByRole('region', { name: 'Seats' })).toContainText(anna.seat.id);
});

test('the colours change by a form', async ({ arrive, workshop }) => {
  const stranger = await arrive(noScript);
  await stranger.page.goto(workshop.url);
  await stranger.page.getByRole('button', { name: /^Colours: dark/ }).click();
  await expect(stranger.page.getByRole('heading', { level: 1 })).toHaveText(TITLE);
  await expect(stranger.page.locator('html')).toHaveAttribute('data-theme', 'light');
});
