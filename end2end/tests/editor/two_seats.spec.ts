import type { SeatPage } from '../../fixtures/seat_page.ts';
import { expect, test } from '../../fixtures/test.ts';
import { ENDLESS, invertedImage, plainImage, sampling } from '../../fixtures/graphs.ts';
import { solidPng } from '../../fixtures/png.ts';

/** A number that no other node of the graph counts to. */
const STEPS = 32;

test('a graph run in the editor ends as a picture in the editor and in the gallery', async ({ settle }) => {
  const anna = await settle();
  const gallery = await anna.openPanel('Gallery');
  await expect(gallery).toContainText('No results yet');

  const job = await anna.editor.runGraph(plainImage('first', 0x3060c0));

  const picture = await anna.editor.picture('first');
  expect(picture.searchParams.get('filename')).toBe('first_00001_.png');
  expect(await anna.editor.colourOf(picture)).toEqual([0x30, 0x60, 0xc0]);
  await expect(anna.tiles).toHaveCount(1);
  await expect(anna.tiles).toHaveAccessibleName('first_00001_.png');
  await expect(anna.headline).toHaveText('No jobs. Press Run in the editor.');
  await anna.finished(job);
});

test('results in the gallery open at full size and can be downloaded', async ({ settle }) => {
  const anna = await settle();
  await anna.editor.runGraph(plainImage('framed'));
  await anna.openPanel('Gallery');
  await anna.tiles.click();
  const dialog = anna.page.getByRole('dialog', { name: 'Result' });
  await expect(dialog.getByRole('img', { name: 'framed_00001_.png' })).toHaveJSProperty('naturalWidth', 64);
  const download = anna.page.waitForEvent('download');
  await dialog.getByRole('link', { name: 'Download' }).click();
  expect((await download).suggestedFilename()).toBe('framed_00001_.png');
  await dialog.press('Escape');
  await expect(dialog).toBeHidden();
  await expect(anna.tiles).toBeVisible();
});

test('an uploaded picture of the same name is each seat’s own', async ({ settle }) => {
  const anna = await settle();
  const ben = await settle();
  const invert = async (person: SeatPage, colour: readonly [number, number, number]) => {
    await person.editor.open(invertedImage('inverted'));
    await person.editor.upload({ name: 'photo.png', mimeType: 'image/png', buffer: solidPng(colour) });
    await person.editor.run();
    return person.editor.colourOf(await person.editor.picture('inverted'));
  };
  expect(await invert(anna, [255, 0, 0])).toEqual([0, 255, 255]);
  expect(await invert(ben, [0, 255, 0])).toEqual([255, 0, 255]);
});

test('each seat sees the steps and previews of its own job, and its own result', async ({ settle }) => {
  const anna = await settle();
  const ben = await settle();
  await anna.editor.open(sampling('anna-steps', STEPS));
  await ben.editor.open(sampling('ben-steps', STEPS));
  const headlines = { anna: await anna.noteHeadlines(), ben: await ben.noteHeadlines() };
  // Looked for from before the start, as the sampling may be over in a second.
  const progress = { anna: anna.editor.progress(), ben: ben.editor.progress() };
  const jobs = { anna: await anna.editor.run(), ben: await ben.editor.run() };

  const watch = async (person: SeatPage, name: 'anna' | 'ben') => {
    const job = jobs[name];
    await progress[name];
    await person.editor.picture(`${name}-steps`);
    expect(await headlines[name].said()).toContainEqual(expect.stringMatching(/KSampler · \d+ %/));
    const steps = person
      .messages('progress_state')
      .map(({ data }) => Object.values(data.nodes as Record<string, { value: number; max: number }>).find(({ max }) => max === STEPS)?.value)
      .filter((value) => value !== undefined);
    expect(new Set(steps).size, 'steps told apart').toBeGreaterThan(3);
    expect(steps).toEqual([...steps].sort((left, right) => left - right));
    // Previews are binary frames of type 4, which name the job.
    const previews = person.frames.filter((frame) => frame.isBinary && frame.text.startsWith('\0\0\0\u0004'));
    expect(previews.length).toBeGreaterThan(0);
    expect(previews.every((frame) => frame.text.includes(job))).toBe(true);
  };
  // Both at once: the second job starts the moment that the first one ends.
  await Promise.all([watch(anna, 'anna'), watch(ben, 'ben')]);
});

test('nothing of one seat reaches another: not by API, files or sockets', async ({ settle, workshop }) => {
  const anna = await settle();
  const ben = await settle();
  const leave = async (person: SeatPage, name: string) => {
    await person.editor.open(invertedImage(`${name}-secret`));
    await person.editor.upload({ name: `${name}-photo.png`, mimeType: 'image/png', buffer: solidPng([9, 9, 9]) });
    const inverted = await person.editor.run();
    const picture = await person.editor.picture(`${name}-secret`);
    const saved = await person.editor.fetch('api/userdata/workflows%2Fplan.json?overwrite=false', { method: 'POST', body: `{"of":"${name}"}` });
    expect(saved.status).toBe(200);
    return { name, person, picture, ended: inverted };
  };
  const ended = { anna: await leave(anna, 'anna'), ben: await leave(ben, 'ben') };
  // One of these runs and the other waits while both seats look.
  const own = { ...ended.anna, active: await anna.editor.runGraph(sampling('anna-secret', ENDLESS)) };
  const other = { ...ended.ben, active: await ben.editor.runGraph(sampling('ben-secret', ENDLESS)) };
  await anna.editor.progress();

  for (const [mine, theirs] of [[own, other], [other, own]] as const) {
    const { editor, frames, seat } = mine.person;
    const traces = [theirs.ended, theirs.active, `${theirs.name}-`, theirs.person.seat.id];
    const paths = [
      'queue',
      'history',
      'jobs',
      'jobs?status=pending,in_progress',
      'object_info/LoadImage',
      'object_info/LoadImageOutput',
      'userdata?dir=workflows&recurse=true&split=false&full_info=true',
      'userdata/workflows%2Fplan.json',
      'v2/userdata',
      'settings',
      'system_stats',
    ];
    const texts = await Promise.all(paths.map(async (path) => ({ path, ...(await editor.fetch(`api/${path}`)) })));
    for (const { path, status, text } of texts) {
      expect(status, path).toBe(200);
      for (const trace of traces) expect(text, `${path} of ${seat.id}`).not.toContain(trace);
    }
    const text = (path: string) => texts.find((answer) => answer.path === path)?.text ?? '';
    expect(text('queue')).toContain(mine.active);
    expect(text('history')).toContain(mine.ended);
    expect(text('jobs')).toContain(mine.ended);
    expect(text('object_info/LoadImage')).toContain(`${mine.name}-photo.png`);
    expect(text('userdata/workflows%2Fplan.json')).toBe(`{"of":"${mine.name}"}`);

    for (const frame of frames) {
      for (const trace of traces) expect(frame.text, frame.url).not.toContain(trace);
    }

    mine.person.guard.tolerate(/^404 GET \S+\/api\/(view\?|jobs\/)/, new RegExp(`^404 GET ${workshop.url}/user/${theirs.person.seat.id}/`));
    const theirFile = theirs.picture.search.replace('?', '');
    expect((await editor.fetch(`api/view?${theirFile}`)).status, 'their file at my address').toBe(404);
    expect((await editor.fetch(`api/view?filename=${theirs.name}-photo.png&type=input`)).status).toBe(404);
    expect((await editor.fetch(theirs.picture.href)).status, 'their file at their address').toBe(404);
    expect((await editor.fetch(`${theirs.person.editor.base}api/queue`)).status).toBe(404);
    expect((await editor.fetch(`api/jobs/${theirs.ended}`)).status).toBe(404);
    expect(await editor.json(`api/history/${theirs.ended}`)).toEqual({});

    // Neither can be stopped from the other seat, which is told nothing either.
    await editor.fetch('api/interrupt', { method: 'POST', body: JSON.stringify({ prompt_id: theirs.active }) });
    await editor.fetch('api/queue', { method: 'POST', body: JSON.stringify({ delete: [theirs.active] }) });
    expect((await theirs.person.editor.fetch('api/queue')).text).toContain(theirs.active);
  }
});
