/** From a result back to the workflow that made it. */
import { expect, test } from '../../fixtures/test.ts';
import { invertedImage, plainImage } from '../../fixtures/graphs.ts';

test('the workflow that made a result opens in the editor with one click', async ({ settle }) => {
  const anna = await settle();
  await anna.finished(await anna.editor.runGraph(plainImage('earlier')));
  await anna.finished(await anna.editor.runGraph(plainImage('later')));
  await anna.editor.open(invertedImage('at-work-on'));

  await anna.openPanel('Gallery');
  await anna.page.getByRole('link', { name: 'earlier_00001_.png' }).click();
  const dialog = anna.page.getByRole('dialog', { name: 'Result' });
  await dialog.getByRole('button', { name: /^Open in the editor/ }).click();
  await expect(dialog).toBeHidden();
  await expect.poll(() => anna.editor.widget('SaveImage', 'filename_prefix')).toBe('earlier');

  // What was open stays open beside it, and what has come back runs.
  await anna.finished(await anna.editor.run());
  await expect(anna.page.getByRole('link', { name: 'earlier_00002_.png' })).toBeVisible();
});
