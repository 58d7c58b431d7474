import { expect, test } from '../../fixtures/test.ts';
import { plainImage, sampling } from '../../fixtures/graphs.ts';

const AWAY = 'The GPU machine is away. Keep working: your jobs wait in line and start when it is back.';

/** So many steps that what a test does meanwhile is done before the last. */
const LONG = 300;

test('without a worker the editor opens and queues; the job runs once a worker comes', async ({ settle, workshop }) => {
  const anna = await settle();
  await anna.openPanel('Gallery');
  try {
    await workshop.stopWorker('SIGTERM');
    await expect(anna.page.getByText(AWAY)).toBeVisible();
    await expect(anna.bar).toContainText('GPU away');
    const job = await anna.editor.runGraph(plainImage('waited'));
    await expect(anna.headline).toContainText('1 of 1 in line');

    // Someone who comes only now gets the editor as well, from the stored catalog.
    const ben = await settle();
    await expect(ben.page.getByText(AWAY)).toBeVisible();

    workshop.startWorker();
    await workshop.ready();
    await expect(anna.page.getByText(AWAY)).toBeHidden();
    await anna.finished(job);
    await anna.editor.picture('waited');
    await expect(anna.tiles).toHaveCount(1);
  } finally {
    await workshop.mend();
  }
});

test('a worker that stops softly gives its job back, which runs again from the start', async ({ settle, workshop }) => {
  const anna = await settle();
  try {
    const job = await anna.editor.runGraph(sampling('given-back', LONG));
    await anna.editor.progress();
    await workshop.stopWorker('SIGTERM');
    await expect(anna.headline).toContainText('1 of 1 in line');
    workshop.startWorker();
    await anna.finished(job, 150_000);
    await anna.openPanel('Gallery');
    await expect(anna.tiles).toHaveCount(1);
  } finally {
    await workshop.mend();
  }
});

test('a worker killed in mid-job loses nothing: the job runs again and has one result', async ({ settle, workshop }) => {
  const anna = await settle();
  const ben = await settle();
  try {
    await ben.editor.open(plainImage('next'));
    const job = await anna.editor.runGraph(sampling('killed', LONG));
    await anna.editor.progress();
    const next = await ben.editor.run();
    await workshop.stopWorker('SIGKILL');
    workshop.startWorker();
    const entry = await anna.finished(job, 150_000);
    await ben.finished(next);

    expect(Object.values(entry.outputs).flatMap(({ images }) => images ?? [])).toHaveLength(1);
    expect(Object.keys(await anna.history())).toEqual([job]);
    await anna.editor.picture('killed');
    for (const person of [anna, ben]) {
      await person.openPanel('Gallery');
      await expect(person.tiles).toHaveCount(1);
      await person.openPanel('Queue');
      await expect(person.jobCards).toHaveCount(1);
      await expect(person.jobCards).toContainText('Done');
    }
  } finally {
    await workshop.mend();
  }
});
