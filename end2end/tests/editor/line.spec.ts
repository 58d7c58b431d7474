import { expect, test } from '../../fixtures/test.ts';
import { ENDLESS, plainImage, sampling } from '../../fixtures/graphs.ts';

test('the portal tells each seat its place in the one line, consistently', async ({ settle, arrive }) => {
  const anna = await settle();
  const ben = await settle();
  const running = await anna.editor.runGraph(sampling('long', ENDLESS));
  await anna.editor.progress();
  // The worker prepares one job ahead; the others wait in line.
  const ahead = await ben.submit(plainImage('ahead'));
  await ben.openPanel('Queue');
  await expect(ben.jobCards.filter({ hasText: 'Up next' })).toHaveCount(1);
  const third = await ben.editor.runGraph(plainImage('third'));

  const cara = await arrive();
  await cara.join();
  const fourth = await cara.submit(plainImage('fourth'));

  await expect(cara.headline).toContainText('4 of 4 in line');
  await expect(ben.jobCards.filter({ hasText: '3 of 4 in line' })).toHaveCount(1);
  await expect(ben.jobCards.filter({ hasText: '2 of 4 in line' })).toContainText('Up next');
  await expect(ben.page.getByText('4 jobs in line over all seats.')).toBeVisible();
  await expect(anna.headline).toContainText(/KSampler · \d+ %/);
  await expect(anna.bar.getByRole('progressbar')).toBeVisible();

  // Whoever leaves the line moves the others up.
  await ben.cancel(ben.jobCards.filter({ hasText: '3 of 4' }));
  await expect(cara.headline).toContainText('3 of 3 in line');

  await anna.editor.stopButton.click();
  await anna.openPanel('Queue');
  await expect(anna.jobCards).toContainText('Cancelled');
  await cara.finished(fourth);
  await ben.finished(ahead);
  await expect(cara.headline).toHaveText('No jobs. Press Run in the editor.');
  expect(Object.keys(await ben.history())).not.toContain(third);
  expect((await anna.history())[running]?.status.status_str).toBe('error');
});

test('a running job stops by the editor’s own button', async ({ settle }) => {
  const anna = await settle();
  const job = await anna.editor.runGraph(sampling('stopped', ENDLESS));
  await anna.editor.progress();
  await anna.editor.stopButton.click();
  await expect.poll(() => anna.messages('execution_interrupted').map(({ data }) => data.prompt_id)).toEqual([job]);
  await expect(anna.headline).toHaveText('No jobs. Press Run in the editor.');
  await anna.openPanel('Queue');
  await expect(anna.jobCards).toContainText('Cancelled');
  // The engine is free again at once.
  await anna.editor.runGraph(plainImage('after'));
  await anna.editor.picture('after');
});

test('a running job stops by the portal', async ({ settle }) => {
  const anna = await settle();
  const job = await anna.editor.runGraph(sampling('stopped', ENDLESS));
  await anna.editor.progress();
  await anna.openPanel('Queue');
  await anna.cancel(anna.jobCards);
  await expect(anna.jobCards).toContainText('Cancelled');
  await expect.poll(() => anna.messages('execution_interrupted').map(({ data }) => data.prompt_id)).toEqual([job]);
});

test('waiting jobs leave the line by the editor’s own button, the running one runs on', async ({ settle, generation }) => {
  const anna = await settle();
  const running = await anna.editor.runGraph(sampling('running', ENDLESS));
  await anna.editor.progress();
  const waiting = [await anna.editor.runGraph(plainImage('one')), await anna.editor.run(), await anna.editor.run()];
  await anna.openPanel('Queue');
  await expect(anna.jobCards).toHaveCount(4);
  await anna.editor.clearWaiting(generation);
  // The portal remembers them; ComfyUI's history, as always, holds only what ran.
  await expect(anna.jobCards.filter({ hasText: 'Cancelled' })).toHaveCount(3);
  const stepsSoFar = anna.messages('progress_state').length;
  await expect.poll(() => anna.messages('progress_state').length).toBeGreaterThan(stepsSoFar);
  expect((await anna.editor.fetch('api/queue')).text).toContain(running);
  for (const job of waiting) expect(Object.keys(await anna.history())).not.toContain(job);
});
