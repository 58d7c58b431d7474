import { ENDLESS, plainImage, sampling } from '../../fixtures/graphs.ts';
import { Instructor } from '../../fixtures/instructor.ts';
import type { SeatPage } from '../../fixtures/seat_page.ts';
import { expect, test as base } from '../../fixtures/test.ts';

const test = base.extend<{ instructor: Instructor }>({
  instructor: async ({ browser, workshop }, use) => {
    const instructor = await Instructor.signIn(browser, workshop);
    await use(instructor);
    await instructor.does('set-mode', { mode: 'fifo' });
    await instructor.does('pause-queue', { is_paused: false });
    await instructor.leave();
  },
});

/** What each seat's page says of its waiting jobs: their places, in the page's order. */
async function places(people: SeatPage[]): Promise<number[]> {
  const texts = await Promise.all(people.map((person) => person.jobCards.locator('.job-card__place').allTextContents()));
  return texts.flat().map((text) => Number.parseInt(text, 10));
}

/** No two jobs have one place and none is left out. How soon after a change is no matter of a test: four pages share its cores. */
async function expectOneLine(people: SeatPage[], waiting: number, executing: number): Promise<void> {
  const expected = Array.from({ length: waiting }, (_, index) => index + 1 + executing);
  await expect
    .poll(async () => (await places(people)).sort((left, right) => left - right))
    .toEqual(expected);
}

test('switching the mode reorders twenty waiting jobs as the policy says, and every seat sees the one line', async ({ arrive, instructor }) => {
  const people = [await arrive(), await arrive(), await arrive()];
  const [anna, ben, cara] = people as [SeatPage, SeatPage, SeatPage];
  for (const person of people) {
    await person.join();
    await person.openPanel('Queue');
  }
  await instructor.does('pause-queue', { is_paused: true });
  // A1…A12 B1…B5 C1…C3: Anna was first and brought most.
  const seats: string[] = [];
  for (const [person, count] of [[anna, 12], [ben, 5], [cara, 3]] as const) {
    for (let job = 0; job < count; job += 1) await person.submit(plainImage(`job-${job}`));
    seats.push(...Array<string>(count).fill(person.seat.id));
  }
  const rows = instructor.queueRows;
  await expect(rows).toHaveCount(20);
  const order = async () => {
    const texts = await rows.allTextContents();
    return texts.map((text) => people.find((person) => text.includes(person.seat.id))?.seat.id);
  };
  expect(await order()).toEqual(seats);
  await expectOneLine(people, 20, 0);
  await expect(cara.jobCards.first()).toContainText('paused');

  await instructor.does('set-mode', { mode: 'round_robin' });
  const [a, b, c] = [anna.seat.id, ben.seat.id, cara.seat.id];
  const turns = [a, b, c, a, b, c, a, b, c, a, b, a, b, a, a, a, a, a, a, a];
  await expect.poll(order).toEqual(turns);
  await expectOneLine(people, 20, 0);
  await expect(cara.jobCards.filter({ hasText: '3 of 20 in line' })).toHaveCount(1);

  await instructor.does('set-mode', { mode: 'fifo' });
  await expect.poll(order).toEqual(seats);
  await expectOneLine(people, 20, 0);

  // Whoever cancels all of theirs moves the others up at once.
  await anna.page.getByText('Cancel all mine', { exact: true }).click();
  await anna.page.getByRole('button', { name: 'Yes, cancel all' }).click();
  await expectOneLine([ben, cara], 8, 0);
  await instructor.does('pause-queue', { is_paused: false });
  for (const person of [ben, cara]) await expect(person.headline).toHaveText('No jobs. Press Run in the editor.', { timeout: 90_000 });
});

test('a demo interrupts within two seconds, and the interrupted job finishes later, once', async ({ settle, instructor }) => {
  const anna = await settle();
  const ben = await settle();
  const interrupted = await anna.editor.runGraph(sampling('interrupted', 300));
  await anna.editor.progress();
  const staged = await anna.submit(plainImage('staged'));
  await anna.openPanel('Queue');
  await expect(anna.jobCards.filter({ hasText: 'Up next' })).toHaveCount(1);
  const demo = await ben.editor.runGraph(plainImage('demo'));

  const pressed = Date.now();
  await instructor.does('prioritise-job', { job: demo, priority: 'demo', interrupts: true });
  await expect.poll(() => ben.messages('execution_start').map(({ data }) => data.prompt_id)).toContain(demo);
  const started = ben.frames.find((frame) => frame.text.includes('execution_start') && frame.text.includes(demo));
  expect((started?.at ?? Infinity) - pressed, 'milliseconds from the press to the start').toBeLessThan(2000);

  await ben.finished(demo);
  await anna.finished(interrupted, 120_000);
  await anna.finished(staged);
  expect(Object.keys(await anna.history()).sort()).toEqual([interrupted, staged].sort());
  await anna.openPanel('Gallery');
  await expect(anna.tiles).toHaveCount(2);
});

test('the interrupted participant is told why, and the editor shows the job waiting again', async ({ settle, instructor }) => {
  const anna = await settle();
  const ben = await settle();
  const long = await anna.editor.runGraph(sampling('long', ENDLESS));
  await anna.editor.progress();
  await anna.openPanel('Queue');
  const demo = await ben.submit(sampling('demo', ENDLESS));
  await instructor.does('prioritise-job', { job: demo, priority: 'demo', interrupts: true });
  await expect(anna.jobCards).toContainText('Interrupted for a demonstration');
  await expect(anna.jobCards.filter({ hasText: '2 of 2 in line' })).toContainText('Up next');
  await expect.poll(async () => (await anna.editor.fetch('api/queue')).text).toContain(`"queue_running":[],"queue_pending":[[`);
  await ben.context.request.post(`${ben.editor.base}api/interrupt`);
  await expect(anna.headline).toContainText(/KSampler · \d+ %/, { timeout: 60_000 });
  expect((await anna.editor.fetch('api/queue')).text).toContain(long);
});

test('a job that ends out of sight is told by the title', async ({ arrive }) => {
  const anna = await arrive();
  await anna.join();
  await expect(anna.page).toHaveTitle(new RegExp(`^${anna.seat.id} · `));
  await anna.page.evaluate(() => Object.defineProperty(document, 'hidden', { configurable: true, get: () => true }));
  await anna.submit(plainImage('unseen'));
  await expect(anna.page).toHaveTitle(new RegExp(`^✓ 1 job done · ${anna.seat.id} · `), { timeout: 90_000 });
  await anna.page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => false });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
  });
  await expect(anna.page).toHaveTitle(new RegExp(`^${anna.seat.id} · `));
});

test('behind a job of a shape that has run before there is a time', async ({ arrive }) => {
  const anna = await arrive();
  await anna.join();
  await anna.openPanel('Queue');
  await anna.finished(await anna.submit(sampling('known', 20)));
  // Like the first but longer, so its time is scaled from it.
  await anna.submit(sampling('again', ENDLESS));
  await anna.submit(sampling('after', 20));
  await expect(anna.jobCards.filter({ hasText: '2 of 2 in line' })).toContainText(/up to \d+ (s|min)|about [\d-]+ (s|min)/);
});

test('a second device shows the same jobs at the same places', async ({ arrive, instructor, browser }) => {
  const anna = await arrive();
  await anna.join();
  await instructor.does('pause-queue', { is_paused: true });
  await anna.submit(plainImage('one'));
  await anna.submit(plainImage('two'));
  await anna.page.goto(anna.address('queue'));
  const phone = await browser.newContext({ viewport: { width: 390, height: 844 } });
  const page = await phone.newPage();
  await page.goto(anna.seat.joinUrl);
  await page.getByRole('button', { name: 'Use it in both' }).click();
  await expect(page.locator('header.bar')).toBeVisible();
  await page.goto(anna.address('queue'));
  const cards = page.getByRole('complementary', { name: 'Queue' }).locator('.job-card');
  await expect(cards).toHaveCount(2);
  await expect(cards.locator('.job-card__place')).toHaveText(await anna.jobCards.locator('.job-card__place').allTextContents());
  await anna.page.reload();
  await expect(anna.jobCards).toHaveCount(2);
  await phone.close();
});

test('the instructor looks into a workspace and cannot change it', async ({ settle, instructor, workshop }) => {
  const anna = await settle();
  await anna.editor.runGraph(plainImage('hers'));
  await anna.editor.picture('hers');
  await instructor.page.goto(`${workshop.url}/user/${anna.seat.id}?panel=queue`);
  await expect(instructor.page.getByText(`You are looking at ${anna.seat.id}'s workspace.`)).toBeVisible();
  const panel = instructor.page.getByRole('complementary', { name: 'Queue' });
  await expect(panel.locator('.job-card')).toHaveCount(1);
  await expect(panel.getByText('Cancel', { exact: true })).toHaveCount(0);
  const status = await instructor.page.evaluate(
    async (path) => (await fetch(path, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } })).status,
    `/user/${anna.seat.id}/comfy/api/prompt`,
  );
  expect(status).toBe(403);
});
