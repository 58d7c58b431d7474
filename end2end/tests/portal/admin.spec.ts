import type { Locator, Page } from '@playwright/test';

import { expect, test } from '../../fixtures/test.ts';
import { ENDLESS, failingWhileRunning, plainImage, sampling } from '../../fixtures/graphs.ts';
import type { SeatPage } from '../../fixtures/seat_page.ts';
import { SEATS, type Workshop } from '../../fixtures/workshop.ts';

type TabName = 'Queue' | 'People' | 'Workers' | 'Activity' | 'Settings';

/** Signs in, and waits until the page is live. */
async function signIn(instructor: SeatPage, workshop: Workshop): Promise<Page> {
  instructor.guard.tolerate(/^401 GET \S+\/admin$/);
  const { page } = instructor;
  await page.goto(`${workshop.url}/admin`);
  await page.getByLabel('Password').fill(workshop.adminPassword);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page).toHaveURL(`${workshop.url}/admin`);
  await live(page);
  return page;
}

async function live(page: Page): Promise<void> {
  await expect(page.locator('html[data-hydrated="true"]')).toBeAttached();
  await expect(page.locator('.connection')).toHaveText('Live');
}

async function openTab(page: Page, name: TabName): Promise<void> {
  const link = page.getByRole('navigation', { name: 'Sections' }).getByRole('link', { name });
  await link.click();
  await expect(link).toHaveAttribute('aria-current', 'page');
}

function control(page: Page): Locator {
  return page.getByRole('region', { name: 'Control' });
}

/** The jobs of a seat that wait, run, or have ended. */
function jobRows(page: Page, region: 'Queue' | 'Ended', person: SeatPage): Locator {
  return page.getByRole('region', { name: region }).getByRole('row').filter({ hasText: person.seat.id });
}

function seatRow(page: Page, person: SeatPage): Locator {
  const header = page.getByRole('rowheader', { name: person.seat.id });
  return page.getByRole('region', { name: 'Seats' }).getByRole('row').filter({ has: header });
}

/** The line must not stay paused, or every later test waits for ever. */
async function resumeQueue(page: Page): Promise<void> {
  const resume = control(page).getByRole('button', { name: 'Resume the queue' });
  if (await resume.isVisible()) await resume.click();
  await expect(control(page).getByRole('button', { name: 'Pause the queue' })).toBeEnabled();
}

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
  await live(page);
  await expect(control(page)).toContainText('GPU ready');

  await openTab(page, 'Workers');
  await expect(page).toHaveURL(`${workshop.url}/admin?tab=workers`);
  await expect(page.getByRole('region', { name: 'Workers' })).toContainText('test-worker');
  await expect(page.getByRole('region', { name: 'Workers' })).toContainText('GPU ready');

  await openTab(page, 'People');
  await expect(page.getByRole('region', { name: 'Seats' }).getByRole('row')).toHaveCount(SEATS + 1);
  const anna = await arrive();
  const row = seatRow(page, anna);
  await row.getByText('More', { exact: true }).click();
  await expect(row.getByRole('textbox', { name: `Join link of ${anna.seat.id}` })).toHaveValue(anna.seat.joinUrl);
  await anna.join();
  await expect(row.getByRole('cell').nth(1)).toHaveText('1');

  // The queue and what ended follow by themselves, without a reload.
  await openTab(page, 'Queue');
  const long = await anna.submit(sampling('long', ENDLESS));
  const queue = jobRows(page, 'Queue', anna);
  await expect(queue).toContainText(/KSampler · \d+ %/);
  const waiting = await anna.submit(plainImage('waiting'));
  await expect(queue).toHaveCount(2);
  const runningRow = queue.filter({ hasText: 'KSampler' });
  await runningRow.getByText('Cancel', { exact: true }).click();
  await runningRow.getByRole('button', { name: 'Yes, cancel it' }).click();
  await anna.finished(waiting);
  await expect(queue).toHaveCount(0);
  const ended = jobRows(page, 'Ended', anna);
  await expect(ended.filter({ hasText: 'Done' })).toHaveCount(1);
  await expect(ended.filter({ hasText: 'Cancelled' })).toHaveCount(1);
  expect((await anna.history())[long]?.status.status_str).toBe('error');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.goto(`${workshop.url}/admin`);
  await expect(page.getByLabel('Password')).toBeVisible();
});

test('each tab is an address that survives a reload', async ({ visit, workshop }) => {
  const page = await signIn(await visit(), workshop);
  const headings: [TabName, string][] = [
    ['People', 'Seats'],
    ['Workers', 'Workers'],
    ['Activity', 'Activity'],
    ['Settings', 'Join links'],
    ['Queue', 'Queue'],
  ];
  for (const [tab, region] of headings) {
    await openTab(page, tab);
    await expect(page.getByRole('region', { name: region, exact: true })).toBeVisible();
    await page.reload();
    await live(page);
    await expect(page.getByRole('region', { name: region, exact: true })).toBeVisible();
  }
});

test('choosing a mode switches it, also after a reload', async ({ visit, workshop }) => {
  const page = await signIn(await visit(), workshop);
  const mode = (name: string) => control(page).getByRole('radio', { name });
  await mode('Taking turns').check();
  await expect(control(page)).toContainText('Seats take turns, one job each');
  await openTab(page, 'Settings');
  await expect(page.getByRole('region', { name: 'How the queue is shared' })).toContainText('Taking turns · in use');
  await page.reload();
  await live(page);
  await expect(mode('Taking turns')).toBeChecked();
  await mode('First come, first served').check();
  await expect(page.getByRole('region', { name: 'How the queue is shared' })).toContainText('First come, first served · in use');
});

test('a paused queue starts nothing until it is resumed', async ({ arrive, visit, workshop }) => {
  const page = await signIn(await visit(), workshop);
  const anna = await arrive();
  await anna.join();
  try {
    await control(page).getByRole('button', { name: 'Pause the queue' }).click();
    await expect(control(page)).toContainText('Paused. Nothing new starts.');
    const job = await anna.submit(plainImage('held'));
    await expect(jobRows(page, 'Queue', anna)).toContainText('The queue is paused.');
    await expect(anna.page.getByText('The instructor has paused the queue.')).toBeVisible();
    await control(page).getByRole('button', { name: 'Resume the queue' }).click();
    await expect(control(page)).toContainText('The queue runs.');
    await anna.finished(job);
  } finally {
    await resumeQueue(page);
  }
});

test('a seat gets a name, and its jobs bear it', async ({ arrive, visit, workshop }) => {
  const page = await signIn(await visit(), workshop);
  const anna = await arrive();
  await anna.join();
  await openTab(page, 'People');
  const row = seatRow(page, anna);
  await row.getByRole('textbox', { name: `Name of ${anna.seat.id}` }).fill('Anna');
  await row.getByRole('button', { name: /^Save/ }).click();
  await anna.finished(await anna.submit(plainImage('named')));
  await openTab(page, 'Queue');
  await expect(jobRows(page, 'Ended', anna)).toContainText('Anna');
  await page.goto(`${workshop.url}/admin?tab=people`);
  await live(page);
  await expect(row.getByRole('textbox', { name: `Name of ${anna.seat.id}` })).toHaveValue('Anna');
});

test('what a demonstration seat runs starts at once', async ({ arrive, visit, workshop }) => {
  const page = await signIn(await visit(), workshop);
  const [anna, ben] = [await arrive(), await arrive()];
  for (const person of [anna, ben]) await person.join();
  await anna.submit(sampling('long', ENDLESS));
  await expect(jobRows(page, 'Queue', anna)).toContainText(/KSampler · \d+ %/);
  await openTab(page, 'People');
  const row = seatRow(page, ben);
  await row.getByRole('button', { name: /^Demo seat/ }).click();
  await expect(row.getByRole('rowheader')).toContainText('Demo');
  await ben.finished(await ben.submit(plainImage('shown')));
  await row.getByRole('button', { name: /^End demo/ }).click();
  await expect(row.getByRole('rowheader')).not.toContainText('Demo');
  // The interrupted job goes on by itself.
  await openTab(page, 'Queue');
  await expect(jobRows(page, 'Queue', anna)).toContainText(/KSampler · \d+ %/);
});

test('a job is demonstrated now only after the question', async ({ arrive, visit, workshop }) => {
  const page = await signIn(await visit(), workshop);
  const [anna, ben] = [await arrive(), await arrive()];
  for (const person of [anna, ben]) await person.join();
  await anna.submit(sampling('long', ENDLESS));
  await expect(jobRows(page, 'Queue', anna)).toContainText(/KSampler · \d+ %/);
  const waiting = await ben.submit(plainImage('waiting'));
  const row = jobRows(page, 'Queue', ben);
  await row.getByRole('button', { name: /^Raise/ }).click();
  await expect(row).toContainText('Raised');
  await row.getByText('Demo now', { exact: true }).click();
  await expect(row).toContainText('Interrupts the running job, which goes on by itself afterwards.');
  await row.getByRole('button', { name: 'Yes, run this one now' }).click();
  await ben.finished(waiting);
});

test('a message to a seat appears on its page alone', async ({ arrive, visit, workshop }) => {
  const page = await signIn(await visit(), workshop);
  const [anna, ben] = [await arrive(), await arrive()];
  for (const person of [anna, ben]) await person.join();
  await openTab(page, 'People');
  const row = seatRow(page, anna);
  await row.getByText('More', { exact: true }).click();
  await row.getByRole('textbox', { name: `Message to ${anna.seat.id}` }).fill('Look at the screen in front.');
  await row.getByRole('button', { name: 'Send' }).click();
  await expect(anna.page.getByText('From your instructor: Look at the screen in front.')).toBeVisible();
  await expect(row).toContainText('Shown on its page: Look at the screen in front.');
  await expect(ben.page.getByText('From your instructor')).toHaveCount(0);
  await anna.page.getByRole('button', { name: 'Got it' }).click();
  await expect(row).not.toContainText('Shown on its page');
});

test('an announcement is on everybody’s page until it is cleared', async ({ arrive, visit, workshop }) => {
  const page = await signIn(await visit(), workshop);
  const anna = await arrive();
  await anna.join();
  await openTab(page, 'Settings');
  await page.getByLabel('Announcement for everybody').fill('Break until eleven');
  await page.getByRole('button', { name: 'Announce', exact: true }).click();
  await expect(control(page)).toContainText('Announced to all: Break until eleven');
  await expect(anna.page.getByText('Break until eleven')).toBeVisible();
  await page.getByRole('button', { name: 'Clear the announcement' }).click();
  await expect(anna.page.getByText('Break until eleven')).toHaveCount(0);
  await expect(page.getByLabel('Announcement for everybody')).toHaveValue('');
});

test('an empty limit is none', async ({ visit, workshop }) => {
  const page = await signIn(await visit(), workshop);
  await openTab(page, 'Settings');
  const queued = page.getByRole('spinbutton', { name: 'Jobs that one seat may have waiting' });
  const before = await queued.inputValue();
  for (const limit of ['7', '', before]) {
    await queued.fill(limit);
    await page.getByRole('button', { name: 'Set the limits' }).click();
    await expect(page.getByRole('button', { name: 'Set the limits' })).toBeEnabled();
    await page.reload();
    await live(page);
    await expect(queued).toHaveValue(limit);
  }
});

test('a drained worker takes nothing more until it is told to', async ({ arrive, visit, workshop }) => {
  const page = await signIn(await visit(), workshop);
  const anna = await arrive();
  await anna.join();
  await openTab(page, 'Workers');
  const workers = page.getByRole('region', { name: 'Workers' });
  await workers.getByRole('button', { name: /^Drain/ }).click();
  await expect(workers).toContainText('Takes nothing more');
  const job = await anna.submit(plainImage('held'));
  await openTab(page, 'Queue');
  await expect(jobRows(page, 'Queue', anna)).toHaveCount(1);
  await openTab(page, 'Workers');
  await workers.getByRole('button', { name: /^Take jobs again/ }).click();
  await expect(workers).not.toContainText('Takes nothing more');
  await anna.finished(job);
});

test('ended jobs are filtered, told in plain words and run again', async ({ arrive, visit, workshop }) => {
  const page = await signIn(await visit(), workshop);
  const anna = await arrive();
  await anna.join();
  await anna.finished(await anna.submit(plainImage('good')));
  const failing = await anna.submit(failingWhileRunning());
  await expect.poll(async () => (await anna.history())[failing]?.status.status_str).toBe('error');
  const ended = jobRows(page, 'Ended', anna);
  await expect(ended).toHaveCount(2);
  const filter = page.getByRole('navigation', { name: 'Ended jobs' });
  await filter.getByRole('link', { name: 'Failed' }).click();
  await expect(page).toHaveURL(/\?tab=queue&ended=failed$/);
  await expect(ended).toHaveCount(1);
  await expect(ended.getByText('Technical details')).toBeVisible();
  await filter.getByRole('link', { name: 'All' }).click();
  await expect(ended).toHaveCount(2);
  await ended.filter({ hasText: 'Done' }).getByRole('button', { name: /^Run again/ }).click();
  await expect(ended.filter({ hasText: 'Done' })).toHaveCount(2);
});

test('the activity list is filtered by seat and by problems', async ({ arrive, visit, workshop }) => {
  const page = await signIn(await visit(), workshop);
  const [anna, ben] = [await arrive(), await arrive()];
  for (const person of [anna, ben]) await person.join();
  const failing = await anna.submit(failingWhileRunning());
  await expect.poll(async () => (await anna.history())[failing]?.status.status_str).toBe('error');
  await ben.finished(await ben.submit(plainImage('good')));
  await openTab(page, 'Activity');
  const list = page.getByRole('region', { name: 'Activity' }).getByRole('listitem');
  await expect(list.filter({ hasText: ben.seat.id }).filter({ hasText: 'finished' })).toHaveCount(1);
  await page.getByRole('combobox', { name: 'Seat' }).selectOption(anna.seat.id);
  await page.getByLabel('Problems only').check();
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await expect(page).toHaveURL(new RegExp(`seat=${anna.seat.id}&problems=true$`));
  await live(page);
  await expect(list).toHaveCount(1);
  await expect(list).toContainText('Problem');
  await page.getByRole('link', { name: 'Older' }).click();
  await expect(page.getByText('That is where it begins.')).toBeVisible();
  // What happens from now on joins the filtered list, too.
  await anna.submit(failingWhileRunning());
  await expect(list).toHaveCount(2);
});

test('the instructor steers without script', async ({ arrive, workshop }) => {
  const anna = await arrive();
  await anna.join();
  const instructor = await arrive({ javaScriptEnabled: false });
  instructor.guard.tolerate(/^401 GET \S+\/admin$/);
  const { page } = instructor;
  await page.goto(`${workshop.url}/admin`);
  await page.getByLabel('Password').fill(workshop.adminPassword);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('link', { name: 'People' }).click();
  const row = seatRow(page, anna);
  await row.getByRole('textbox', { name: `Name of ${anna.seat.id}` }).fill('Anna');
  await row.getByRole('button', { name: /^Save/ }).click();
  await expect(page).toHaveURL(/\?tab=people$/);
  await expect(row.getByRole('textbox', { name: `Name of ${anna.seat.id}` })).toHaveValue('Anna');

  await control(page).getByRole('radio', { name: 'Equal GPU time' }).check();
  await control(page).getByRole('button', { name: 'Use it' }).click();
  await expect(control(page).getByRole('radio', { name: 'Equal GPU time' })).toBeChecked();
  await control(page).getByRole('radio', { name: 'First come, first served' }).check();
  await control(page).getByRole('button', { name: 'Use it' }).click();
  await expect(control(page).getByRole('radio', { name: 'First come, first served' })).toBeChecked();

  // A number field left empty is no limit, and a form's failure is told on the page.
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Set the limits' }).click();
  await expect(page).toHaveURL(/\?tab=settings$/);
  await expect(page.getByRole('alert')).toHaveCount(0);
});

test('a participant gets no instructor’s page, live or not', async ({ arrive, workshop }) => {
  const anna = await arrive();
  await anna.join();
  anna.guard.tolerate(/^404 GET \S+\/admin(\/live)?$/);
  expect((await anna.page.goto(`${workshop.url}/admin`))?.status()).toBe(404);
  await expect(anna.page.getByRole('heading', { level: 1 })).toHaveText('There is nothing here for you');
  expect((await anna.context.request.get(`${workshop.url}/admin/live`)).status()).not.toBe(101);
});
